"""JSON and base64 as devices in the field really send them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from bridge import Malformed
from bridge.reading.decode import read_base64, read_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('\ufeff{"a": "车"}'.encode("utf-16-le"), {"a": "车"}),
        ('\ufeff{"a": "车"}'.encode("utf-16-be"), {"a": "车"}),
        ('{"a": "车辆离开"}'.encode("gbk"), {"a": "车辆离开"}),
        ('{"a": "镕😀"}'.encode("gb18030"), {"a": "镕😀"}),
        (b'{"a": "x\ny"}', {"a": "x\ny"}),
        (b'{"a": 1}\0\0\0', {"a": 1}),
        (b'{"a": NaN}', {"a": None}),
        (b'{"a": "\\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"\\udc00": ["\\udc00"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_json_is_read_leniently(body: bytes, value: Any) -> None:
    assert read_json(body) == value


def test_the_byte_of_a_fault_is_counted_in_the_body_itself() -> None:
    body = b"\xef\xbb\xbf" + '{"车": x}'.encode()
    with pytest.raises(Exception, match=f"at byte {body.index(b'x')}$"):
        read_json(body)


@pytest.mark.parametrize(
    "text",
    [
        "+/+/AAE=",
        "-_-_AAE=",
        "+/+/AAE",
        "+/+/\r\nAAE=\r\n",
        "data:image/jpeg;base64,+/+/AAE=",
        "data:image/jpeg;base64,-_-_\nAAE",
        json.loads('"+\\/+\\/AAE="'),
    ],
)
def test_base64_is_read_leniently(text: str) -> None:
    assert read_base64(text) == b"\xfb\xff\xbf\x00\x01"


@pytest.mark.parametrize("text", ["http://192.168.1.2/1.jpg", "A", "AAAAA", "车辆", "AA=A", "AAAA\0"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|ASCII"):
        read_base64(text)


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b"[[[[[[[[[[]]]]]]]]]]", b'{"":{"":[]}}'])
@pytest.mark.parametrize("end", [b"0]", b"NaN]"], ids=["strict", "lenient"])
def test_a_document_of_millions_of_values_is_refused_at_once(value: bytes, end: bytes) -> None:
    body = b"[" + (value + b",") * (9_000_000 // (len(value) + 1)) + end
    began = time.process_time()
    with pytest.raises(Malformed, match="more than 500000 values"):
        read_json(body)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("text", [" x", "\nab", "车", "=", "-"])
def test_a_long_text_that_is_no_base64_is_told_at_once(text: str) -> None:
    text = "!" + text * (9_000_000 // len(text))
    began = time.process_time()
    with pytest.raises(ValueError, match=r"base64|padding"):
        read_base64(text)
    assert time.process_time() - began < 0.25
