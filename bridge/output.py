"""What an output is, what it is given, and what it may answer. The whole contract of output plugins stands here."""

from __future__ import annotations

import asyncio
import builtins
import email.utils
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pybase64
import structlog

from bridge.annotator import Annotator
from bridge.event import Event, Picture

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Unavailable(Exception):
    """The far side is down or asks for patience: the whole output waits, nothing is counted against the event.

    `after`: seconds to wait at least; otherwise exponential back-off with jitter decides.
    """

    def __init__(self, reason: str = "", after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after if after is None else float(after)
        """Seconds, an hour at most."""


class Retry(Exception):
    """This event failed now, others may pass: it is tried again, wider and wider apart, for `retry_for`.

    `after`: seconds to wait at least before this event's next attempt.
    """

    def __init__(self, reason: str = "", after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after if after is None else float(after)
        """Seconds, an hour at most."""


class Rejected(Exception):
    """This event will never be taken: it becomes a dead letter at once, with this reason."""


class Stopped(Exception):
    """The far side wants no more at all: the output pauses, nothing is dead-lettered, people are told this reason."""


class Original(msgspec.Struct, frozen=True):
    """The request as the device made it. Credentials were taken out before it was stored."""

    method: str
    """The HTTP method; `POST` for a WebSocket message."""
    path: str
    """Without token."""
    query: str
    """What stood behind `?`, without token."""
    content_type: str
    """As the device said; "" where it did not."""
    parts: tuple[bytes | Picture, ...]
    """The body in pieces; a picture stands where its base64 text stood."""

    async def read(self) -> bytes:
        """The body, byte for byte; raises PictureLost and OSError, as a picture does."""
        return self._join([p if isinstance(p, bytes) else await p.read() for p in self.parts])

    def read_blocking(self) -> bytes:
        """`read` for plain functions."""
        return self._join([p if isinstance(p, bytes) else p.read_blocking() for p in self.parts])

    def by_reference(self) -> bytes:
        """The body with `sha256:<digest>` in place of each picture's base64: small, and enough to make it whole."""
        return b"".join(p if isinstance(p, bytes) else f"sha256:{p.sha256}".encode() for p in self.parts)

    def _join(self, read: list[bytes]) -> bytes:
        pairs = zip(self.parts, read, strict=True)
        return b"".join(data if isinstance(part, bytes) else pybase64.b64encode(data) for part, data in pairs)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to bring one event out. What differs between attempts is here, never in the document."""

    event: Event
    """What happened; its pictures are read when asked for."""
    document: bytes
    """The event document: exactly these bytes in every output, on every attempt."""
    original: Original
    """The request that the event came in."""
    link: str = ""
    """The signed address of the event's page, where the output's option `picture` is "url"."""
    attempt: int = 1
    """1 for the first attempt."""
    late: bool = False
    """Old news: older than `late_after` when delivered. Who opens a gate should not act on it."""
    replayed: bool = False
    """Delivered again because a person asked for it."""
    test: bool = False
    """A sample that a person sent, of nothing that happened: who acts on events should not act on it."""
    skipped: int = 0
    """So many events before this one were not given to the output because of its `at_most`, and not told of yet."""
    size: int = 0
    """Bytes that this delivery may bring into memory: document and pictures."""

    def with_pictures(self, pictures: Mapping[int, bytes], annotated: Mapping[int, bytes] | None = None) -> bytes:
        """The document with `data_base64` in each picture's entry, every other byte as it was.

        `pictures`: the bytes by the picture's place in the event; one that is not there is left out. `annotated`:
        likewise the copies that were drawn on, as `annotated_base64`.
        """
        inside = (("data_base64", pictures), ("annotated_base64", annotated or {}))
        return self._with(
            (place, key, b'"' + pybase64.b64encode(picture) + b'"')
            for key, given in inside
            for place, picture in given.items()
        )

    def with_links(self) -> bytes:
        """The document with `url` in each picture's entry, where a browser gets it; as it was without a `link`."""
        if not self.link:
            return self.document
        page, _, signature = self.link.partition("?")
        places = range(len(self.event.pictures))
        return self._with(
            (place, "url", msgspec.json.encode(f"{page}/picture/{place}?{signature}")) for place in places
        )

    def _with(self, added: Iterable[tuple[int, str, bytes]]) -> bytes:
        """The document with more in its pictures' entries: of which picture, under which key, and the JSON of it."""
        envelope = _object.decode(self.document)
        data = _object.decode(envelope["data"])
        entries = [_object.decode(entry) for entry in _list.decode(data["pictures"])]
        for place, key, value in added:
            entries[place][key] = msgspec.Raw(value)
        data["pictures"] = msgspec.Raw(msgspec.json.encode(entries))
        envelope["data"] = msgspec.Raw(msgspec.json.encode(data))
        return msgspec.json.encode(envelope)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around an output at a moment: the other outputs, and the devices."""

    outputs: Mapping[str, str] = {}
    """The type of each output of the configuration that is enabled, by name; the asking one is among them."""
    devices: Mapping[str, datetime] = {}
    """When each device last sent anything, a heartbeat included; over restarts."""


class NoOptions(msgspec.Struct):
    """The options of an output that has none."""


def _nobody(_reason: BaseException) -> None:
    return None


class OutputContext(msgspec.Struct, kw_only=True):
    """What an output is told about the place it runs in."""

    name: str
    """Of its table: `[output.NAME]`."""
    options: Any
    """An instance of its class's `Options`."""
    site: str
    """The installation's name."""
    data: Path
    """The daemon's data folder; an output may keep a folder of its own below it."""
    timezone: tzinfo
    """For dates and times that people read."""
    version: str = ""
    """Of boxbridge."""
    surroundings: Callable[[], Surroundings] = Surroundings
    """What `Output.surroundings` asks."""
    lost: Callable[[BaseException], None] = _nobody
    """Whom `Output.lost` tells."""
    annotator: Annotator | None = None
    """The one of all outputs; None: one of its own."""


class Output:
    """A place that events go to. Subclass it, give it a `type`, and return the class from `register_outputs`.

    One object lives for each configured table `[output.NAME]`; a reload that changes the table makes a new one, after
    the old one is closed. Its methods are called by the output's own lane: `async def` ones on the daemon's event loop,
    plain ones in threads of the output's own. Never two of `open` and `close` run at once, and `deliver` only between
    them. Each call has `timeout` (30 s). Whatever an output raises, `sys.exit()` included, and however long it takes,
    delays nobody but itself; only code that holds the event loop delays everybody, is named in the log, and in the end
    paused.
    """

    type: ClassVar[str]
    """What `type = "…"` in the configuration says."""
    Options: ClassVar[builtins.type[msgspec.Struct]] = NoOptions
    """The keys of its table, as a msgspec struct: types, defaults and `Meta(description=…)` are its documentation."""
    unavailable: ClassVar[tuple[builtins.type[BaseException], ...]] = ()
    """Exceptions of its client library that mean `Unavailable`. ConnectionError, TimeoutError, failed name look-ups
    and unreachable networks do so by themselves."""

    @classmethod
    def holds(cls, context: OutputContext) -> Mapping[str, str | Path]:
        """What no other output may use at the same time, by the option that sets it: `{"path": folder}`.

        Two enabled outputs, of whatever types, that hold the same are an error of the configuration. A path is the
        same by whatever way one gets there; text should say what it is, as in "client gate at mqtt://broker". Called
        for each check of a configuration, so it must be quick and touch nothing.
        """
        return {}

    def __init__(self, context: OutputContext) -> None:
        self.name: str = context.name
        """Of its table: `[output.NAME]`."""
        self.options: Any = context.options
        """An instance of `Options`."""
        self.site: str = context.site
        """The installation's name."""
        self.data: Path = context.data
        """The daemon's data folder; an output may keep a folder of its own below it."""
        self.timezone: tzinfo = context.timezone
        """For dates and times that people read."""
        self.version: str = context.version
        """Of boxbridge."""
        self.log: Any = structlog.get_logger("boxbridge.output").bind(output=context.name)
        """Logs with the output's name: `self.log.info("sentence", field=value)`, from any thread."""
        self.surroundings: Callable[[], Surroundings] = context.surroundings
        """Tells what stands around it now; for the event loop, cheap enough for every second."""
        self._lost = context.lost
        self._annotator = context.annotator or Annotator()

    async def open(self) -> str | None:
        """Connect; called before the first delivery and again, spaced by back-off, when it was closed as unavailable.

        Returns what was found, for people ("MQTT 5, packets up to 2 MB"). Raises as `deliver` does: Unavailable is
        tried again, Stopped or Rejected pause the output, anything else counts as Unavailable with its traceback.
        """
        return None

    def deliver(self, delivery: Delivery) -> Awaitable[str | None] | str | None:
        """Bring one event out; returning means the far side has it for good.

        Text that it returns says what the far side did not get as it is, as in "scene left out: 3 MB is more than it
        takes": it is kept with the delivery, and `boxbridge why` shows it. None, or nothing, where all went out whole.

        `async def`: runs on the event loop, for up to `in_flight` events at once (64), in journal order except for
        retries; it must not block. Plain `def`: runs in a thread of its own, one at a time unless `in_flight` says
        more; it may block. After `timeout` (30 s) an `async def` is cancelled; a thread can't be, so its end is
        awaited, and a late success counts. Both count as Unavailable. The same event may come again, with the same id:
        after a timeout, a crash, an answer that was lost.

        Raises Unavailable (the output is closed, waits, opens again), Retry (this event is tried again, others go on),
        Rejected (a dead letter at once) or Stopped (the output pauses). ConnectionError, TimeoutError and what
        `unavailable` names count as Unavailable, any other exception as a Retry, with its traceback in the log.
        """
        raise TypeError(f"{type(self).__name__} has no deliver()")

    def where(self, delivery: Delivery) -> str:
        """Say where a delivered event is to be found, for people: a topic, a file; one place a line.

        `boxbridge why` asks, in a thread, long after the delivery; nothing is kept for it meanwhile. It may look
        whether it is still there. "" where there is nothing to say.
        """
        return ""

    async def close(self) -> None:
        """Let go of everything; called once after each successful `open`, when no delivery is under way.

        What it raises is logged. Threads and tasks of the output's own should end with it.
        """

    async def forget(self) -> str:
        """Take away what the output keeps at the far side about itself, such as retained messages; never events.

        Called once, after `close`, where a person asks for `boxbridge outputs forget`. Returns what was taken away, for
        people; "" where there was nothing. Raises as `open` does: the person is told, and it is forgotten all the same.
        """
        return ""

    async def check(self) -> str:
        """Try the far side without an event and say in one line what was found; raises as `open` does.

        Called by `boxbridge check --connect`, in a process of its own, once, with 10 s.
        """
        found = await self.open()
        await self.close()
        return found or "opened"

    async def annotated(self, event: Event) -> bytes | None:
        """A copy of the event's scene, as a JPEG, with regions, boxes, tracks and counts drawn on it.

        It is drawn once an event, whichever outputs ask, and in a thread. None where the event has no scene, or one
        that can't be drawn on. Raises PictureLost and OSError, as reading the scene does. An output asks for it by its
        option `annotated = true`: where that is set, Pillow has to be installed, which `check` sees to.
        """
        drawn = self._annotator.draw(event, self.timezone, self.data)
        return await asyncio.shield(asyncio.wrap_future(drawn))  # others may wait for the same one

    def annotated_blocking(self, event: Event) -> bytes | None:
        """`annotated` for plain functions, which run in a thread of their own."""
        return self._annotator.draw(event, self.timezone, self.data).result()

    def lost(self, reason: BaseException) -> None:
        """Say, from any thread, that the far side went away between deliveries: the lane closes, waits and opens again.

        `reason` means what it would if `deliver` had raised it.
        """
        self._lost(reason)


def outcome(status: int, headers: Mapping[str, str], body: str = "") -> None:
    """Raise what an HTTP answer means for the delivery; 2xx means delivered and raises nothing.

    408, 425, 429, 502-504 are Unavailable (Retry-After obeyed); 404 and other 5xx Retry; 401, 403, 410 Stopped;
    3xx and other 4xx Rejected. `body`: the beginning of the answer, for the reason.
    """
    if 200 <= status < 300:
        return
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "unknown status"
    reason = f"HTTP {status} {phrase}" + (f": {body}" if body else "")
    if status in (408, 425, 429, 502, 503, 504):
        raise Unavailable(reason, after=retry_after(headers))
    if status == 404 or status >= 500:
        raise Retry(reason, after=retry_after(headers))
    if status in (401, 403, 410):
        raise Stopped(reason)
    raise Rejected(reason)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` header asks for, in either of its forms; None where there is none."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
