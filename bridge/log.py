"""The daemon's log on stderr: one line an event, from structlog and from stdlib logging alike."""

from __future__ import annotations

import json
import logging
import os
import re
import select
import sys
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from io import UnsupportedOperation
from typing import Any, Literal, TextIO

import structlog
from msgspec import Struct

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

CHATTY = ("asyncio", "uvicorn", "websockets")
"""Libraries whose `info` is about themselves; it is shown with level `debug` only."""
INDISCREET = ("httpcore2", "httpx2")
"""Libraries that log whole addresses and headers, which may hold secrets: below `warning` nothing of them is shown."""
LONGEST = 2000
"""Characters of one value, sentence or row of a traceback that are shown: a device may name itself with megabytes."""
PATIENCE = 0.1
"""Seconds that one line may wait for a reader of stderr; after that lines are lost, and counted, until it reads."""

# What could move the cursor, begin a line or turn text around: controls, line separators, direction marks.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r'[^\s"=]+')
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_COLOUR = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_MOST_RECENT = 300
_DIM, _RESET = "\x1b[2m", "\x1b[0m"


class Line(Struct, frozen=True, kw_only=True):
    """One event of the log."""

    time: datetime
    level: str
    event: str
    fields: Mapping[str, Any] = {}
    trace: str = ""
    """The traceback of an exception, several lines."""


_RECENT: deque[Line] = deque(maxlen=_MOST_RECENT)


def recent(zone: tzinfo | None = None) -> str:
    """The last lines that were logged in this process, as text."""
    return "".join(_text(line, "%Y-%m-%d %H:%M:%S", zone) for line in list(_RECENT))


def configure(
    format: Format = "text",  # noqa: A002
    level: Level = "info",
    stream: TextIO | None = None,
    zone: tzinfo | None = None,
) -> None:
    """Send everything that is logged in this process to `stream` (stderr), in one form.

    `zone`: of the times in text; the machine's if left out. JSON has UTC.

    On a terminal text is short and coloured; under systemd each line begins with `<N>`, its priority, and text has
    no time, since the system's own log knows it. Calling it again replaces what was set before.
    """
    stream = stream or sys.stderr
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _to_logging],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler(_form(format, stream, zone), _Stream(stream)))
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    for name in INDISCREET:
        logging.getLogger(name).setLevel(logging.WARNING)


def under_systemd(stream: TextIO) -> bool:
    """Whether the stream goes to systemd's journal: $JOURNAL_STREAM names its device and inode."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _to_logging(_logger: object, _method: str, fields: Any) -> tuple[tuple[str], dict[str, Any]]:
    """Hand structlog's event to stdlib logging, which every library uses too: so there is one way out."""
    event = str(fields.pop("event", ""))
    exc_info = fields.pop("exc_info", None)
    return (event,), {"exc_info": exc_info, "extra": {"boxbridge": fields}}


def _line(record: logging.LogRecord) -> Line:
    ours: Mapping[str, Any] | None = getattr(record, "boxbridge", None)
    error = record.exc_info[1] if record.exc_info else None
    fields = {"logger": record.name} if ours is None else ours
    rows = "".join(traceback.format_exception(error)).split("\n") if error else []
    return Line(
        time=datetime.fromtimestamp(record.created, UTC),
        level=record.levelname.lower(),
        event=_cut(record.getMessage()),
        fields={_cut(name): _bounded(value) for name, value in fields.items()},
        trace="\n".join(map(_cut, rows)),
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _bounded(value: Any) -> Any:
    """The value, or the beginning of its text where that is too long."""
    if isinstance(value, int | float | None):
        return value
    text = str(value)
    return value if len(text) <= LONGEST else _cut(text)


def _form(format: Format, stream: TextIO, zone: tzinfo | None) -> Callable[[Line], str]:  # noqa: A002
    systemd = under_systemd(stream)
    if format == "json":
        return (lambda line: _prefixed(line, _json(line))) if systemd else _json
    if systemd:
        return lambda line: _prefixed(line, _sentence(line))
    if not stream.isatty():
        return lambda line: _text(line, "%Y-%m-%d %H:%M:%S", zone)
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return lambda line: _text(line, "%H:%M:%S", zone)
    return lambda line: _coloured(line, zone)


def _json(line: Line) -> str:
    time = line.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fixed = {"time": time, "level": line.level, "event": line.event}
    trace = {"exception": line.trace} if line.trace else {}
    document = fixed | {name: value for name, value in line.fields.items() if name not in fixed} | trace
    text = json.dumps(document, ensure_ascii=False, default=str)
    return escaped_json(text) + "\n"


def _text(line: Line, time_format: str, zone: tzinfo | None) -> str:
    return f"{line.time.astimezone(zone):{time_format}} {line.level:<8} {_sentence(line)}"


def _coloured(line: Line, zone: tzinfo | None) -> str:
    time = f"{_DIM}{line.time.astimezone(zone):%H:%M:%S}{_RESET}"
    return f"{time} {_COLOUR.get(line.level, '')}{line.level:<8}{_RESET} {_sentence(line, _DIM, _RESET)}"


def _sentence(line: Line, dim: str = "", reset: str = "") -> str:
    known = ((name, value) for name, value in line.fields.items() if value is not None)
    fields = " ".join(f"{escaped(name)}={_value(value)}" for name, value in known)
    # Indented, so that no text inside a traceback can look like a line of its own.
    trace = "".join(f"    {escaped(row)}\n" for row in line.trace.split("\n") if row)
    return escaped(line.event) + (f"  {dim}{fields}{reset}" if fields else "") + "\n" + trace


def _prefixed(line: Line, text: str) -> str:
    prefix = f"<{_PRIORITY.get(line.level, 6)}>"
    return "".join(f"{prefix}{row}\n" for row in text.removesuffix("\n").split("\n"))


def _value(value: object) -> str:
    text = escaped(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    """Text that stays in its line and its place on a terminal, whoever wrote it."""
    return _CONTROL.sub(_visible, text)


def escaped_json(text: str) -> str:
    """The same of a JSON text: it still means the same."""
    return _CONTROL.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def _visible(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]


class _Stream:
    """stderr that never holds the daemon up for long: what can't be written is lost, and `write` says so."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._torn = False
        try:
            self._file: int | None = stream.fileno()
        except UnsupportedOperation:
            self._file = None

    def write(self, text: str, patience: float) -> bool:
        """Write it whole; False where it could not be, wholly or partly."""
        try:
            if self._file is None:
                self._stream.write(text)
                return True
            data = ("\n" + text if self._torn else text).encode(errors="backslashreplace")
            return self._write(self._file, data, patience)
        except (OSError, ValueError):
            # Closed, or its reader is gone: there is no other place to say so.
            return False

    def _write(self, file: int, data: bytes, patience: float) -> bool:
        writable = select.poll()
        writable.register(file, select.POLLOUT)
        while data:
            if not writable.poll(patience * 1000):
                return False
            # A pipe that is writable takes PIPE_BUF bytes without blocking, and not surely more.
            data = data[os.write(file, data[: select.PIPE_BUF]) :]
            self._torn = bool(data)
        return True


class _Handler(logging.Handler):
    """The one handler of the root logger. Nothing that happens in it reaches the caller."""

    def __init__(self, form: Callable[[Line], str], stream: _Stream) -> None:
        super().__init__()
        self._form = form
        self._stream = stream
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Show one event, and before it how many were lost while nobody read."""
        try:
            line = _line(record)
            text = self._form(line)
            _RECENT.append(line)
        except Exception as error:  # noqa: BLE001 - a value's own __str__ may raise anything
            text = self._own("error", f"a log line can't be shown: {type(error).__name__}", logger=record.name)
        patience = 0 if self._lost else PATIENCE
        if self._lost:
            lost = self._own("warning", "log lines were lost: nobody read them", count=self._lost)
            self._lost = 0 if self._stream.write(lost, patience) else self._lost
        if not self._stream.write(text, patience):
            self._lost += 1

    def _own(self, level: str, event: str, **fields: Any) -> str:
        return self._form(Line(time=datetime.now(UTC), level=level, event=event, fields=fields))
