"""Short signed addresses of events, for messages that leave the house: who has one sees that event, and nothing else.

The signature is made of the event's id alone, so an event has one address, the same on every attempt. The id says when
it came, and thereby when its address ends.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from pathlib import Path
from typing import Final

import pybase64
import structlog

from bridge.errors import why
from bridge.event import times_of_ids

log = structlog.get_logger("boxbridge.links")

LASTS_SECONDS: Final = 30 * 86_400.0
"""So long after its event came an address is good."""
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 15


class Links:
    """Makes addresses and tells good ones. `file`: where the key lies; another one ends all that were given out."""

    def __init__(self, file: Path) -> None:
        self.address = ""
        """Where people reach the pages from outside; empty where no addresses are given out."""
        self._file = file
        self._key = b""

    def open(self) -> None:
        """Read the key, or make one; may wait for the disk. Without the disk addresses end with this run."""
        try:
            self._key = self._file.read_bytes() if self._file.exists() else b""
            if len(self._key) != _KEY_BYTES:
                self.revoke()
        except OSError as error:
            self._key = secrets.token_bytes(_KEY_BYTES)
            log.warning("links to events end with this run: their key can't be kept", file=str(self._file),
                        reason=why(error))  # fmt: skip

    def revoke(self) -> None:
        """Make another key: no address that was given out opens anything any more. Raises OSError; may wait."""
        self._key = secrets.token_bytes(_KEY_BYTES)
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(self._key)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)

    def to(self, event_id: str) -> str:
        """The address of an event's page; empty where none are given out."""
        return f"{self.address}/e/{event_id}?s={self._signature(event_id)}" if self.address else ""

    def opens(self, event_id: str, signature: str) -> bool:
        """Whether this is the signature of that event's address, and still good."""
        is_ours = hmac.compare_digest(self._signature(event_id).encode(), signature.encode("utf-8", "replace"))
        return bool(self.address) and is_ours and time.time() - times_of_ids(event_id)[0] / 1000 < LASTS_SECONDS

    def _signature(self, event_id: str) -> str:
        digest = hmac.digest(self._key, b"event " + event_id.encode("utf-8", "replace"), "sha256")
        return pybase64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
