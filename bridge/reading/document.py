"""A body of any of the usual forms as one document: JSON, a form, or a multipart form; and finding places in it."""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from bridge.normalizer import Malformed
from bridge.reading.decode import read_json, text_of

_MOST_PARTS: Final = 100
_MOST_FOUND: Final = 1000
"""Values in one place, and fields of one form: no honest push has so many, and the event loop waits meanwhile."""
_REMEMBERED: Final = 8
"""Texts that are JSON themselves."""
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d*)\]")
_NAME: Final = re.compile(rb'[;\s]name="?([^";\r\n]*)"?', re.IGNORECASE)
_NO_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_BOUNDARY: Final = re.compile(rb"--[^\r\n]{1,200}\r?\n")


def read_document(body: bytes) -> Any:
    """The document that a body holds, told by its bytes: content types are often wrong. Raises Malformed.

    JSON may be in GBK or UTF-16, or have line breaks in its strings. A form is a mapping of its fields; of a multipart
    form text parts are texts, all others bytes.
    """
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        return read_json(body)
    if _BOUNDARY.match(body):
        return _multipart(body)
    if b"=" in body[:200]:
        return _form(body)
    return read_json(body)


def _form(body: bytes) -> dict[str, str]:
    """The fields by name. It may be megabytes of escapes, one by one of which they would take seconds."""
    fields = body.split(b"&", _MOST_FOUND)
    if len(fields) > _MOST_FOUND:
        raise Malformed(f"more than {_MOST_FOUND} fields in one form")
    pairs = (field.partition(b"=") for field in fields if field)
    return {_unescaped(name): _unescaped(value) for name, _, value in pairs}


def _unescaped(text: bytes) -> str:
    """Without the escapes of a form; a `%` that begins none stands for itself."""
    text = text.replace(b"+", b" ")
    if b"%" in text:
        text, broken = _NO_ESCAPE.subn(b"%25", text, _MOST_FOUND)
        if broken == _MOST_FOUND:
            raise Malformed("no form: it holds very many % that begin no escape")
        # To quoted-printable, which is read at once; nothing else is special there.
        text = a2b_qp(text.replace(b"=", b"%3D").replace(b"%", b"="))
    return text_of(text)


def without_boundary(body: bytes) -> bytes:
    """What is the same each time a body is sent: a multipart form's boundary is made up anew."""
    match = _BOUNDARY.match(body)
    return body.replace(match[0].rstrip(), b"") if match else body


def _multipart(body: bytes) -> dict[str, str | bytes]:
    """The parts by name; one without a name goes by its number. Headers may be missing, or anything."""
    delimiter = body[: body.index(b"\n")].rstrip(b"\r")
    parts: dict[str, str | bytes] = {}
    for number, part in enumerate(body.split(delimiter, _MOST_PARTS + 1)[1:]):
        if part.startswith(b"--"):
            return parts
        if number >= _MOST_PARTS:
            raise Malformed(f"more than {_MOST_PARTS} parts in one form")
        head, separator, content = part.partition(b"\r\n\r\n")
        if not separator:
            head, _, content = part.partition(b"\n\n")
        named = _NAME.search(head)
        name = text_of(named[1]) if named and named[1] else str(number)
        content = content.removesuffix(b"\n").removesuffix(b"\r")
        parts[name] = content if _is_binary(content) else text_of(content)
    raise Malformed("cut short: the form ends before its last boundary")


def _is_binary(content: bytes) -> bool:
    return b"\0" in content[:1024] or content[:2] in (b"\xff\xd8", b"BM")


def find(document: Any, place: str) -> Any:
    """The first value in a place that says anything, or None; `place` as the configuration has it."""
    for one in place.split(" | ") if place else ():
        if one.startswith("="):
            return one[1:]
        for value in find_all(document, one):
            if value not in (None, ""):
                return value
    return None


def find_all(document: Any, place: str) -> Iterator[Any]:
    """All values in one place. A text on the way that is JSON itself is read as such."""
    values = [document]
    for name, number in _steps(place):
        values = [found for value in values for found in _step(value, name, number)][:_MOST_FOUND]
    yield from values


@lru_cache(1024)
def _steps(place: str) -> list[tuple[str, str]]:
    return _STEP.findall(place)


def _step(value: Any, name: str, number: str) -> Iterator[Any]:
    value = opened(value)
    if name:
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif isinstance(value, list):
        yield from value if not number else value[int(number) : int(number) + 1]
    elif not number or number == "0":
        yield value  # a lone object is a list of one


def opened(value: Any) -> Any:
    """A text that is JSON itself as what it holds, as it stands in forms; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    return _held_by(value)


@lru_cache(_REMEMBERED)
def _held_by(text: str) -> Any:
    try:
        return read_json(text.encode("utf-8", "surrogatepass"))
    except Malformed:
        return text


def forget_opened() -> None:
    """A push is read: let go of its texts, which are remembered because each place in them leads through them anew."""
    _held_by.cache_clear()
