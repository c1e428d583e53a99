"""Pictures cut out of a push's text."""

from __future__ import annotations

import hashlib
import json
import time
from itertools import product

import pybase64
import pytest

from bridge.formats import measure, media_type
from bridge.protocols.picture import Pictures
from bridge.testing import draw_dot, draw_scene, vary

JPEG = draw_dot(1)
TEXT = pybase64.b64encode(JPEG).decode()
REFERENCE = f"sha256:{hashlib.sha256(JPEG).hexdigest()}"


def test_a_picture_is_cut_out_of_the_text_and_its_place_kept() -> None:
    body = json.dumps({"bg": TEXT, "other": 1}).encode()
    pictures = Pictures(body)
    assert json.loads(pictures.text) == {"bg": REFERENCE, "other": 1}
    (cutout,) = pictures.cutouts
    assert cutout.data == JPEG
    assert cutout.span is not None
    assert body[slice(*cutout.span)].decode() == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("/", "\\/"),
        TEXT[:76] + "\\n" + TEXT[76:],
        TEXT.rstrip("="),
        TEXT[:-3] + chr(ord(TEXT[-3]) + 1) + "==",
        'said \\"' + TEXT,
    ],
)
def test_what_would_not_come_back_exactly_stays_in_the_text(text: str) -> None:
    assert TEXT.endswith("==")
    body = f'{{"bg": "{text}"}}'.encode()
    assert Pictures(body).text == body
    assert Pictures(body).cutouts == ()


@pytest.mark.parametrize("before", ["", "data:image/jpeg;base64,"])
@pytest.mark.parametrize("between", ['": "', '\\": "', ' : 1, "b":"'])
def test_a_picture_is_found_wherever_it_begins_and_whatever_stands_before_it(before: str, between: str) -> None:
    for filling, length in product("x ", [*range(300), *range(16_100, 16_500)]):
        body = f'{{"{filling * length}{between}{before}{TEXT}"}}'.encode()
        (cutout,) = Pictures(body).cutouts
        assert cutout.span is not None
        assert body[slice(*cutout.span)].decode() == TEXT


@pytest.mark.parametrize("length", [1, 14, 127])
def test_texts_that_are_none_are_passed_by_quickly(length: int) -> None:
    body = b"[" + b",".join([b'"%b"' % (b"a" * length)] * (4_000_000 // (length + 3))) + b"]"
    began = time.process_time()
    json.loads(body)
    parsed = time.process_time()
    assert Pictures(body).cutouts == ()
    assert time.process_time() - parsed < 15 * (parsed - began)


def test_of_very_many_texts_that_may_be_pictures_the_first_ones_are_looked_at() -> None:
    body = json.dumps(["a" * 140] * 100_000 + [TEXT]).encode()
    began = time.process_time()
    pictures = Pictures(body)
    assert time.process_time() - began < 0.25
    assert pictures.add("scene", json.loads(pictures.text)[-1]) == 0


def test_the_same_picture_twice_is_stored_once() -> None:
    pictures = Pictures(json.dumps([TEXT, TEXT]).encode())
    assert json.loads(pictures.text) == [REFERENCE, TEXT]
    assert [pictures.add("scene", text) for text in json.loads(pictures.text)] == [0, 1]
    assert len(pictures.cutouts) == 1
    assert pictures.named[0] == pictures.named[1]


def test_a_reference_that_a_device_made_up_is_no_picture() -> None:
    pictures = Pictures(b"{}")
    with pytest.raises(ValueError, match="base64"):
        pictures.add("scene", REFERENCE)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (draw_scene(640, 360, seed=1, size=None), ("image/jpeg", 640, 360)),
        (vary(JPEG, 1), ("image/jpeg", 8, 8)),
        (JPEG[:2] + b"\xff" + JPEG[2:], ("image/jpeg", 8, 8)),
        (JPEG[:60], ("image/jpeg", None, None)),
        (b"\x89PNG\r\n\x1a\n" + bytes(8) + b"\0\0\4\0\0\0\3\0", ("image/png", 1024, 768)),
        (b"\x89PNG\r\n\x1a\n", ("image/png", None, None)),
        (b"GIF89a" + bytes(20), ("image/gif", None, None)),
        (b"RIFF\0\0\0\0WEBPVP8 ", ("image/webp", None, None)),
        (b"anything", ("application/octet-stream", None, None)),
        (b"", ("application/octet-stream", None, None)),
    ],
)
def test_a_picture_is_known_by_its_bytes(data: bytes, expected: tuple[str, int | None, int | None]) -> None:
    assert (media_type(data), *measure(data)) == expected
