"""What nothing understood: the last pushes that were refused for what they are, kept as files for people to look at.

Each is a pair in a folder: `<number>.body`, the bytes as they came, and `<number>.json`, what is known of them. Secrets
are masked. It is no part of what is promised: nothing waits for it, and what can't be written is only logged.
"""

from __future__ import annotations

import hashlib
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from bridge.normalizer import Push
from bridge.repeats import Repeats, kind_of
from bridge.threads import Threads

log = structlog.get_logger("boxbridge.receiver")

MOST_PUSHES: Final = 200
MOST_BYTES: Final = 64_000_000
MOST_ALIKE: Final = 20
"""Pushes of one sender that were refused for one reason: a box that is refused comes again and again."""
_BURST: Final = 20
"""So many are written at once, then one a second: nobody wears the card out with nonsense."""
_BYTES_OF_ONE: Final = 200_000
"""A push of twice as many bytes counts as two."""
_WAITING_BYTES: Final = 20_000_000
_SECRET: Final = re.compile(r"token|key|secret|pass|pwd|sign|auth|session|cookie", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"([^&=]*)=([^&]*)")
_MASK: Final = "***"


class NotUnderstood(Struct, frozen=True, kw_only=True):
    """A push that was refused for what it is."""

    number: int
    received: datetime
    peer: str
    transport: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    reason: str
    """Why it was refused; what is the same each time stands before its first colon."""
    size: int
    sha256: str

    def as_push(self, body: bytes) -> Push:
        """The push as it came, but for masked secrets."""
        return Push(
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.headers,
            body=body,
            peer=self.peer,
            received=self.received,
            transport="websocket" if self.transport == "websocket" else "http",
        )


class Unknown:
    """The ring of such pushes: the oldest go first, those of a sender that repeats itself before others'.

    `keep` is called on the event loop; files are read and written in a thread.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: list[NotUnderstood] | None = None
        """Oldest first; None until the folder was read."""
        self._thread = Threads("unknown", 1)
        self._allowance = float(_BURST)
        self._allowed_at = time.monotonic()
        self._waiting_bytes = 0
        self._troubles = Repeats(log)

    # --- For the event loop

    def keep(self, push: Push, reason: str) -> None:
        """Keep a push that was refused, unless too many come at once."""
        if not self._is_allowed(len(push.body)) or self._waiting_bytes > _WAITING_BYTES:
            return
        self._waiting_bytes += len(push.body)
        kept = self._thread.run(lambda: self._keep(push, reason))
        kept.add_done_callback(lambda _: self._written(len(push.body)))

    async def entries(self) -> list[NotUnderstood]:
        """All of them, the newest first; raises OSError."""
        return await self._thread.run(lambda: list(reversed(self._known())))

    async def body(self, number: int) -> bytes:
        """The bytes of one; raises FileNotFoundError and other OSErrors."""
        return await self._thread.run(self._file(number, "body").read_bytes)

    async def forget(self, number: int) -> None:
        """Let go of one that was understood after all; raises OSError."""
        await self._thread.run(lambda: self._forget([entry for entry in self._known() if entry.number == number]))

    def _is_allowed(self, size: int) -> bool:
        now = time.monotonic()
        self._allowance = min(float(_BURST), self._allowance + now - self._allowed_at)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= max(1.0, size / _BYTES_OF_ONE)  # one that is larger than all that is left is the last one
        return True

    def _written(self, size: int) -> None:
        self._waiting_bytes -= size

    # --- In the thread

    def _keep(self, push: Push, reason: str) -> None:
        try:
            self._write(push, reason)
        except OSError as error:
            self._troubles.warn("a push that was not understood could not be kept for people to see",
                                peer=push.peer, folder=str(self._folder), error=error.strerror)  # fmt: skip

    def _write(self, push: Push, reason: str) -> None:
        known = self._known()
        entry = _entry(known[-1].number + 1 if known else 1, push, reason)
        if any(_alike(entry, other) and entry.sha256 == other.sha256 for other in known):
            return  # the very same again
        self._make_room(entry)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file(entry.number, "body").write_bytes(push.body)
        self._file(entry.number, "json").write_bytes(msgspec.json.format(msgspec.json.encode(entry)) + b"\n")
        self._known().append(entry)

    def _make_room(self, entry: NotUnderstood) -> None:
        alike = [other for other in self._known() if _alike(entry, other)]
        if len(alike) >= MOST_ALIKE:
            self._forget(alike[: len(alike) - MOST_ALIKE + 1])
        known = self._known()
        size, count = sum(other.size for other in known) + entry.size, len(known) + 1
        gone: list[NotUnderstood] = []
        for other in known:
            if size <= MOST_BYTES and count <= MOST_PUSHES:
                break
            gone.append(other)
            size -= other.size
            count -= 1
        self._forget(gone)

    def _forget(self, entries: list[NotUnderstood]) -> None:
        for entry in entries:
            self._known().remove(entry)
            for kind in ("json", "body"):
                self._file(entry.number, kind).unlink(missing_ok=True)

    def _known(self) -> list[NotUnderstood]:
        if self._entries is None:
            self._entries = sorted(_read(self._folder), key=lambda entry: entry.number)
        return self._entries

    def _file(self, number: int, kind: str) -> Path:
        return self._folder / f"{number:06}.{kind}"


def _read(folder: Path) -> list[NotUnderstood]:
    """What an earlier run kept; a pair that was only begun is overwritten some time."""
    entries = []
    for file in folder.glob("*.json"):
        try:
            entries.append(msgspec.json.decode(file.read_bytes(), type=NotUnderstood))
        except msgspec.DecodeError as error:
            log.warning("what is known of a push that was not understood can't be read", file=str(file),
                        error=str(error))  # fmt: skip
    return entries


def _entry(number: int, push: Push, reason: str) -> NotUnderstood:
    return NotUnderstood(
        number=number,
        received=push.received,
        peer=push.peer,
        transport=push.transport,
        method=push.method,
        path=push.path,
        query=_PARAMETER.sub(_masked, push.query),
        headers={name: _MASK if _SECRET.search(name) else value for name, value in push.headers.items()},
        reason=reason,
        size=len(push.body),
        sha256=hashlib.sha256(push.body).hexdigest(),
    )


def _masked(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    return f"{name}={_MASK if _SECRET.search(name) else value}"


def _alike(one: NotUnderstood, other: NotUnderstood) -> bool:
    """Whether one sender sent both, and they were refused for one reason."""
    return one.peer == other.peer and kind_of(one.reason) == kind_of(other.reason)
