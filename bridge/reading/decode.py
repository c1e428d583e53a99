"""Lenient decoders that all normalizers share: JSON and base64 as devices in the field really send them."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, NoReturn

import msgspec
import pybase64

from bridge.normalizer import Malformed

_strict = msgspec.json.Decoder()
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MOST_VALUES = 500_000
"""Of one document: millions of empty lists take a second, and twenty times the room of their text."""
_GZIP = b"\x1f\x8b"
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANKS = b" \t\r\n\v\f"
_TO_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")


_OTHERS = (
    (b"--", "a multipart form, which only a [protocol.NAME] reads"),
    (b"<", "XML"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
)
"""How bodies begin that are something else, and what."""


def read_json(body: bytes) -> Any:
    """The value that a body holds; raises Malformed.

    What strict JSON refuses is read all the same: a byte order mark, GBK bytes, NUL bytes at the end, raw line breaks
    in strings, NaN (as null), half a surrogate pair (as U+FFFD).
    """
    if len(body) > _MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise Malformed(f"more than {_MOST_VALUES} values in one document")
    try:
        return _strict.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Any:
    if body.startswith(_GZIP):  # the receiver inflates what is whole
        raise Malformed("cut short or broken: the body is compressed by gzip and can't be inflated")
    mark, codec = next((found for found in _BOMS if body.startswith(found[0])), (b"", ""))
    text, codec = _text(body[len(mark) :], codec)
    text = text.rstrip("\0 \t\r\n")
    if not text.strip():
        raise Malformed("the body is empty")
    if it := next((name for beginning, name in _OTHERS if body.startswith(beginning)), ""):
        raise Malformed(f"not JSON: the body is {it}")
    try:
        value = json.loads(text, strict=False, parse_constant=lambda _: None)
        return _whole_characters(value) if _HALF_PAIR.search(text) else value
    except json.JSONDecodeError as error:
        _explain(error, text, len(mark) + len(text[: error.pos].encode(codec, "replace")), len(body))
    except ValueError:
        raise Malformed("not JSON: it holds a number of thousands of digits") from None
    except RecursionError:
        raise Malformed("not readable: it is nested hundreds of levels deep") from None


def text_of(data: bytes) -> str:
    """The text that bytes are: UTF-8, or GB18030 where that is broken all over."""
    return _text(data, "")[0]


def _text(body: bytes, codec: str) -> tuple[str, str]:
    """The body as text, and the codec that it is in."""
    if codec.startswith("utf-16"):
        return body.decode(codec, "replace"), codec
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    # A name cut in the middle of a character spoils one character of UTF-8; GBK read as UTF-8 is broken all over.
    if broken == 0 or codec or len(text) - len(text.encode("ascii", "ignore")) > 2 * broken:
        return text, "utf-8"
    return body.decode("gb18030", "replace"), "gb18030"


def _explain(error: json.JSONDecodeError, text: str, byte: int, end: int) -> NoReturn:
    text = text.lstrip()
    if error.msg == "Extra data":
        raise Malformed(f"not JSON: something follows the document at byte {byte}") from None
    if error.msg.startswith("Unterminated") or (text[0] in "{[" and text[-1] not in "}]"):
        raise Malformed(f"cut short: the JSON document ends before its end, at byte {end}") from None
    raise Malformed(f"not JSON: {error.msg[0].lower()}{error.msg[1:]} at byte {byte}") from None


def _whole_characters(value: Any) -> Any:
    """The value without halves of surrogate pairs, which no encoder would write."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    return value


def read_base64(text: str) -> bytes:
    """The bytes that a text stands for; raises ValueError where it is no base64.

    Read all the same: a `data:` URI, blanks and line breaks, missing padding, the URL-safe alphabet.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        if text[:5].lower() == "data:":
            text = text.partition(",")[2]
        data = text.encode("ascii", "replace").translate(_TO_STANDARD_ALPHABET, _BLANKS).rstrip(b"=")
        return pybase64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
