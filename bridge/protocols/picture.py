"""The pictures of one push: cut out of its text before anything else is read, decoded once, named by their digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import pybase64

from bridge.event import Picture
from bridge.formats import NO_PICTURE, media_type
from bridge.normalizer import Cutout
from bridge.reading.decode import read_base64

# A quote before so much base64 (or a data URI of it) can only begin a string: a string's last quote is never followed
# by a letter.
_BEGINNING = re.compile(rb'(?<!\\")(?:data:[\w/+.;=-]{1,80},)?(?=[A-Za-z0-9+/]{128})')
_STEP = 16
_IN_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_OF_BASE64 = bytes(ord("x") if byte in _IN_BASE64 else ord(" ") for byte in range(256))
_LEAST = 128
_LONG = b"x" * (_LEAST // _STEP)
"""How so many bytes of base64 look to whom only each 16th byte is shown."""
_WINDOW = 16_384
"""Bytes that are looked at together: most of a large body is one picture, of which only the beginning is."""
SHORTEST = 1024
"""Characters of a text, in a field nobody knows, that is looked at as a picture."""
_DEEPEST = 32
_MOST = 1000
"""Pictures of one push; an honest one has some dozens."""
_MOST_TRIES = 4000
"""Texts that may be one, and are looked at before the push is read."""
_REMEMBERED = 8
"""Pictures that stand around the events of a push, each of which names them."""
_MOST_VALUES = 100_000
"""In all unknown fields of one push: the event loop waits while they are looked through."""


class Pictures:
    """Collects the pictures of one push.

    `text` is the body with `sha256:<digest>` in place of each picture that can be put back exactly. It is what
    remains to be read, and small: for a push of 392 KB that is 2.7 KB, and no other copy of the picture's text is made.
    """

    def __init__(self, body: bytes) -> None:
        self._cutouts: dict[str, Cutout] = {}
        self.named: list[Picture] = []
        """As the event names them."""
        self.wanted: dict[str, None] = {}
        """Addresses of those that the push only names, and that may be fetched."""
        self.left_out = 0
        """How many were too many to be taken; the body keeps their text."""
        self._values = 0
        self.text = self._cut(body)

    @property
    def cutouts(self) -> tuple[Cutout, ...]:
        """As the journal stores them: each picture once, however often it was sent."""
        return tuple(self._cutouts.values())

    def add(self, role: str, text: str, width: int | None = None, height: int | None = None) -> int | None:
        """Name the picture that a field holds and return its place in `named`; None where the field is empty.

        `width` and `height` count where the bytes don't tell. Raises ValueError where the text is no base64, or one
        picture too many.
        """
        cutout = self._cutouts.get(text[-64:]) if text[-71:-64] == "sha256:" else None
        if cutout is None:
            data = self._decoded(text)
            if data is None:
                raise ValueError("it is no base64")
            if not data:
                return None
            cutout = self._taken_in(data, always=role == "scene")
        return self._name(role, cutout, width, height)

    def add_bytes(self, role: str, data: bytes) -> int:
        """Name a picture that came as it is; raises ValueError where it is one too many."""
        return self._name(role, self._taken_in(data, always=role == "scene"), None, None)

    def is_alone(self, text: str) -> bool:
        """Whether the push has just this picture, or, where the text is empty, none."""
        return self._cutouts.keys() == ({text[7:]} if text[:7] == "sha256:" else set()) and len(text) in (0, 71)

    def add_others(self) -> None:
        """Name the pictures that stand in fields nobody knows, so that no picture is stored without an event's word."""
        named = {picture.sha256 for picture in self.named}
        for sha256, cutout in self._cutouts.items():
            if sha256 not in named:
                self._name("other", cutout, None, None)

    def cut_from(self, value: Any, depth: int = 0) -> Any:
        """An unknown field's value without the pictures that `text` still has, cut off where absurdly deep or large."""
        if isinstance(value, str):
            return self._cut_from_text(value) if len(value) >= SHORTEST else value
        if not isinstance(value, dict | list):
            return value
        if depth == _DEEPEST:
            return "(nested too deeply to be shown here; the original request has it)"
        self._values += len(value)
        if self._values > _MOST_VALUES:
            much = "(too much to be shown here; the original request has it)"
            return {"(more)": much} if isinstance(value, dict) else [much]
        if isinstance(value, dict):
            return {name: self.cut_from(item, depth + 1) for name, item in value.items()}
        return [self.cut_from(item, depth + 1) for item in value]

    def _cut_from_text(self, text: str) -> str:
        try:
            data = read_base64(text)
        except ValueError:
            return text
        if media_type(data) == NO_PICTURE:
            return text
        try:
            return f"sha256:{self._taken_in(data).sha256}"
        except ValueError as error:
            return f"({error}; the original request has it)"

    @cached_property
    def _decoded(self) -> Callable[[str], bytes | None]:
        return lru_cache(_REMEMBERED)(_decoded)

    @cached_property
    def _digest(self) -> Callable[[bytes], str]:
        return lru_cache(_REMEMBERED)(_digest)

    def _taken_in(self, data: bytes, *, always: bool = False) -> Cutout:
        """The picture, to be stored; raises ValueError where it is one too many."""
        sha256 = self._digest(data)
        if sha256 not in self._cutouts and len(self._cutouts) >= _MOST and not always:
            self.left_out += 1
            raise ValueError("one picture too many")
        return self._cutouts.setdefault(sha256, Cutout(data=data, sha256=sha256, span=None))

    def _cut(self, body: bytes) -> bytes:
        pieces: list[bytes | memoryview] = []
        view, copied, end, tries = memoryview(body), 0, 0, 0
        while len(self._cutouts) < _MOST and tries < _MOST_TRIES and (start := _next_picture(body, end)) >= 0:
            tries += 1
            end = body.find(b'"', start)
            if end < 0:
                break
            data = _exact_picture(view[start:end])
            sha256 = hashlib.sha256(data).hexdigest()
            if not data or sha256 in self._cutouts:
                continue
            self._cutouts[sha256] = Cutout(data=data, sha256=sha256, span=(start, end))
            pieces += view[copied:start], f"sha256:{sha256}".encode()
            copied = end
        return b"".join([*pieces, view[copied:]]) if pieces else body

    def _name(self, role: str, cutout: Cutout, width: int | None, height: int | None) -> int:
        self.named.append(Picture.of(role, cutout.data, width=width, height=height, sha256=cutout.sha256))
        return len(self.named) - 1


def _decoded(text: str) -> bytes | None:
    """The bytes that a text stands for; None where it is no base64."""
    try:
        return read_base64(text)
    except ValueError:
        return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _next_picture(body: bytes, after: int) -> int:
    """Where the next text begins that may be a picture's; -1 where there is none.

    Each 16th byte is looked at, whether it may be base64: so nearly all of a body is done with at a glimpse.
    """
    start = after
    while start < len(body):
        glimpses = body[start : start + _WINDOW : _STEP].translate(_OF_BASE64)
        place = glimpses.find(_LONG)
        while place >= 0:
            at = start + place * _STEP
            quote = body.rfind(b'"', after, at)
            if quote >= 0 and (beginning := _BEGINNING.match(body, quote + 1)):
                return beginning.end()
            after = body.find(b'"', at)
            if after < 0:
                return -1
            place = glimpses.find(_LONG, (after - start) // _STEP + 1)
        start = max(start + _WINDOW - _LEAST - _STEP, after)  # one that begins in the rest has more behind it
    return -1


def _exact_picture(text: memoryview) -> bytes:
    """The picture of a text, empty unless it is one whose encoding is exactly this text."""
    try:
        data = pybase64.b64decode(text, validate=True)
    except ValueError:
        return b""
    # Of a text that passed validation only the padding and the unused bits before it are not yet certain.
    last = data[-(len(data) % 3 or 3) :]
    exact = len(text) == (len(data) + 2) // 3 * 4 and text[-4:] == pybase64.b64encode(last)
    return data if exact and media_type(data) != NO_PICTURE else b""
