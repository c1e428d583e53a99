"""What the wire may bring: one table of cases, each with what is decided and what the sender is answered.

The rule: whatever comes in a known envelope is kept and answered with success; anything else is refused in the vendor's
envelope, with a sentence that says why, and kept for people to look at.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Struct
from websockets.frames import Frame, Opcode

from bridge import Event, Parsed, Push
from bridge.event import encode_document
from bridge.normalizer import Key
from bridge.testing import draw_dot, draw_scene, sample_push
from bridge_archive.layout import TEMPLATE, Layout, latest_of, picture_endings
from bridge_mqtt.topics import Topics
from bridge_webhook.message import delivery_headers
from tests.receiver.doors import HANDSHAKE, Door, chunked, door_to, parsed, request
from tests.rooms import Far, async_output, until

pytestmark = pytest.mark.anyio

MSG_ID = "m-1"
PICTURE = draw_dot(1)
LARGE = draw_scene(seed=1)
MISSING = object()


class Case(Struct, kw_only=True):
    """One thing that a box may send."""

    name: str
    body: bytes
    headers: Sequence[str] = ("Content-Type: application/json",)
    decision: Literal["event", "kept", "refused"] = "event"
    says: str = "success"
    """What the answer's sentence begins with."""
    status: int = 200
    data: Mapping[str, Any] = {}
    """What must stand in the event's data, by its path."""
    pictures: Sequence[bytes] | None = (PICTURE,)
    """What pictures the event must have; None: whichever."""


def sample() -> dict[str, Any]:
    """The document, for a case to change."""
    return dict(json.loads(sample_push(small=True, picture=PICTURE, msg_id=MSG_ID)))


def changed(path: str, value: Any, **more: Any) -> dict[str, Any]:
    """The document with other values at these paths (`__` for a dot in a further one's name)."""
    document = sample()
    for place, put in {path: value, **{name.replace("__", "."): item for name, item in more.items()}}.items():
        *steps, last = place.split(".")
        holder = document
        for step in steps:
            holder = holder[step]
        if put is MISSING:
            del holder[last]
        else:
            holder[last] = put
    return document


def body(document: Any, *, ascii_only: bool = True, codec: str = "utf-8") -> bytes:
    """The document as bytes."""
    return json.dumps(document, ensure_ascii=ascii_only).encode(codec, "surrogatepass")


def base64_of(writing: Callable[[str], Any]) -> bytes:
    """The document with its picture in another writing."""
    return body(changed("message.data.bg", writing(base64.b64encode(PICTURE).decode())))


def raw(document: dict[str, Any], old: str, new: str) -> bytes:
    """The document's bytes with a text replaced."""
    text = json.dumps(document)
    assert old in text
    return text.replace(old, new).encode()


def frame(number: str) -> bytes:
    """The document's bytes with this as its frame's number."""
    return raw(changed("message.data.frameIndex", 77), '"frameIndex": 77', f'"frameIndex": {number}')


def raw_deflate(data: bytes) -> bytes:
    """Deflate without zlib's head."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


SAMPLE = body(sample())
CHINESE = "车辆离开"
MANY = [{"tracelId": str(number)} for number in range(1000)]
ZIPPED = gzip.compress(SAMPLE)
CUT = "东门".encode()[:-1]
GZIP = ("Content-Encoding: gzip",)
DEFLATE = ("Content-Encoding: deflate",)
CHUNKED = ("Transfer-Encoding: chunked",)

ENCODINGS = [
    Case(name="UTF-8", body=body(sample(), ascii_only=False), data={"name": CHINESE}),
    Case(name="GBK", body=body(sample(), ascii_only=False, codec="gbk"), data={"name": CHINESE}),
    Case(
        name="GB18030 of four bytes",
        body=body(changed("message.skillInfo.name", "㐀😀"), ascii_only=False, codec="gb18030"),
        data={"name": "㐀😀"},
    ),
    Case(name="UTF-8 with a byte order mark", body=b"\xef\xbb\xbf" + SAMPLE),
    Case(name="UTF-16 little endian", body=("\ufeff" + SAMPLE.decode()).encode("utf-16-le")),
    Case(name="UTF-16 big endian", body=("\ufeff" + SAMPLE.decode()).encode("utf-16-be")),
    Case(name="NUL bytes at the end", body=SAMPLE + b"\0\0\0"),
    Case(name="line breaks around", body=b"\r\n\r\n" + SAMPLE + b"\r\n"),
    Case(
        name="a character cut in its middle",
        body=body(changed("message.channelInfo.comment", "CUT"), ascii_only=False).replace(
            b"CUT", "东门".encode()[:-1]
        ),
        data={"name": CHINESE, "channel.comment": "东\ufffd"},
    ),
    Case(
        name="raw line breaks in a string",
        body=raw(changed("message.data.eventDesc", "HERE"), "HERE", "a\r\nb"),
        data={"description": "a\r\nb"},
    ),
    Case(
        name="half a surrogate pair",
        body=raw(changed("message.data.eventDesc", "HALF"), "HALF", "\\ud83d!"),
        data={"description": "\ufffd!"},
    ),
    Case(name="NaN", body=frame("NaN"), data={"frame": None}),
]

TRANSPORT = [
    Case(name="no content type", body=SAMPLE, headers=()),
    Case(name="a wrong content type", body=SAMPLE, headers=("Content-Type: image/jpeg",)),
    Case(name="a form's content type", body=SAMPLE, headers=("Content-Type: application/x-www-form-urlencoded",)),
    Case(name="a content type with a wrong charset", body=SAMPLE, headers=("Content-Type: text/x; charset=latin-1",)),
    Case(name="gzip, announced", body=ZIPPED, headers=GZIP),
    Case(name="gzip, announced in capitals", body=ZIPPED, headers=("content-encoding:  X-GZIP ",)),
    Case(name="gzip, not announced", body=ZIPPED),
    Case(name="gzip, announced as deflate", body=ZIPPED, headers=DEFLATE),
    Case(name="gzip, NUL bytes after it", body=ZIPPED + b"\0\0", headers=GZIP),
    Case(name="zlib, announced as deflate", body=zlib.compress(SAMPLE), headers=DEFLATE),
    Case(name="zlib, announced as gzip", body=zlib.compress(SAMPLE), headers=GZIP),
    Case(name="raw deflate", body=raw_deflate(SAMPLE), headers=DEFLATE),
    Case(name="plain, announced as gzip", body=SAMPLE, headers=GZIP),
    Case(name="plain, announced as deflate", body=SAMPLE, headers=DEFLATE),
    Case(name="plain GBK, announced as deflate", body=body(sample(), ascii_only=False, codec="gbk"), headers=DEFLATE),
    Case(name="plain, announced as an encoding nobody knows", body=SAMPLE, headers=("Content-Encoding: br",)),
    Case(
        name="gzip cut short", body=ZIPPED[:-20], headers=GZIP, decision="refused", status=400,
        says="cut short or broken: ",
    ),
    Case(
        name="gzip with a wrong sum", body=ZIPPED[:-8] + bytes(8), headers=GZIP, decision="refused",
        status=400, says="cut short or broken: ",
    ),
    Case(
        name="gzip that inflates too far", body=gzip.compress(b" " * 2_000_000), decision="refused", status=413,
        says="too large: the body inflates to more than 1000000 bytes",
    ),
    Case(
        name="deflate that inflates too far", body=zlib.compress(b" " * 2_000_000), headers=DEFLATE,
        decision="refused", status=413, says="too large: the body inflates",
    ),
    Case(name="chunks", body=chunked(SAMPLE[:1], SAMPLE[1:900], SAMPLE[900:]), headers=CHUNKED),
    Case(name="chunks of gzip", body=chunked(ZIPPED[:9], ZIPPED[9:]), headers=CHUNKED + GZIP),
    Case(
        name="chunks over the limit", body=chunked(bytes(600_000), bytes(600_000)), headers=CHUNKED, decision="refused",
        status=413, says="too large: ",
    ),
    Case(name="an offer of another protocol", body=SAMPLE, headers=("Connection: Upgrade", "Upgrade: websocket")),
]  # fmt: skip

JSON = [
    Case(
        name="a key twice: the last counts",
        body=raw(changed("message.data.eventDesc", "first"), '"first"', '"first", "eventDesc": "last"'),
        data={"description": "last"},
    ),
    Case(name="wsKey twice", body=b'{"wsKey": "heartbeat", ' + SAMPLE[1:]),
    Case(name="numbers as text", body=body(changed("message.channelInfo.channel", "7", message__data__frameIndex="12")),
         data={"channel.id": "7", "frame": 12}),
    Case(name="text as numbers", body=body(changed("message.deviceInfo.uuid", 1234, message__skillInfo__version=2)),
         data={"device.id": "1234", "skill.version": "2"}),
    Case(name="true for a number", body=body(changed("message.data.frameIndex", True)), data={"frame": 1}),
    Case(name="null for an object", body=body(changed("message.channelInfo", None))),
    Case(name="null for a list", body=body(changed("message.data.targetBasicInfo", None)), data={"targets": []}),
    Case(name="one object for a list", body=body(changed("message.data.eventInfo", {"eventName": "a", "count": 3})),
         data={"counts": {"a": 3}}),
    Case(name="no message at all", body=b'{"wsKey": "eventCreateOptimize", "msg_id": "m-1"}', pictures=()),
    Case(name="unknown fields", body=body(changed("message.data.plate", "京A12345")),
         data={"extra.message.data.plate": "京A12345"}),
    Case(name="an unknown skill",
         body=body(changed("message.skillInfo.id", "smoke", message__data__preWarn="pre_smoke")),
         data={"kind": "pre_smoke", "skill.id": "smoke"}),
    Case(name="a number too large for any machine", body=frame("9" * 400)),
    Case(name="a number of thousands of digits", body=frame("9" * 5000),
         decision="refused", status=400, says="not JSON: it holds a number of thousands of digits"),
    Case(name="1e999", body=frame("1e999")),
    Case(name="a negative channel", body=body(changed("message.channelInfo.channel", -1)), data={"channel.id": "-1"}),
    Case(name="a thousand targets", body=body(changed("message.data.targetBasicInfo", MANY)),
         data={"targets.999.track": "999"}),
    Case(name="nested a hundred levels", body=body(changed("message.data.deep", json.loads("[" * 100 + "]" * 100)))),
    Case(name="nested a hundred thousand levels", body=b'{"wsKey": "eventCreateOptimize", "x": ' + b"[" * 100_000,
         decision="refused", status=400, says="not readable: it is nested"),
    Case(name="a time in seconds", body=body(changed("message.data.timestamp", 1_795_500_000)),
         data={"time_from": "device"}),
    Case(name="a time of the year 1970", body=body(changed("message.data.timestamp", 12)),
         data={"time_from": "receipt"}),
    Case(name="coordinates far outside", body=body(changed("message.data.targetBasicInfo", [
        {"location": {"left": -1e300, "top": 10**30, "width": "9" * 50, "height": -5}}]))),
    Case(name="another kind of message", body=b'{"wsKey": "heartbeat", "msg_id": "m-1"}', decision="kept", pictures=()),
    Case(name="no wsKey", body=b'{"msg_id": "m-1"}', decision="refused", status=400, says="no wsKey: "),
    Case(name="a list", body=b"[1, 2]", decision="refused", status=400, says="no wsKey: "),
    Case(name="a body that stops half-way", body=SAMPLE[:-200], decision="refused", status=400, says="cut short: "),
    Case(name="something after the document", body=SAMPLE + b"{}", decision="refused", status=400,
         says="not JSON: something follows"),
    Case(name="an empty body", body=b"", decision="refused", status=400, says="the body is empty"),
    Case(name="no JSON at all", body=b"a=1&b=2", decision="refused", status=400, says="not JSON: "),
    Case(name="XML", body=b"<?xml version='1.0'?><a/>", decision="refused", status=400, says="not JSON: "),
]  # fmt: skip

PICTURES = [
    Case(name="plain base64", body=base64_of(str)),
    Case(name="a data URI", body=base64_of("data:image/jpeg;base64,{}".format)),
    Case(name="escaped slashes", body=SAMPLE.replace(b"/", b"\\/")),
    Case(name="line breaks", body=base64_of(lambda text: "\r\n".join(re.findall(".{1,76}", text)))),
    Case(name="no padding", body=base64_of(lambda text: text.rstrip("="))),
    Case(name="too much padding", body=base64_of(lambda text: text + "====")),
    Case(name="the alphabet of URLs", body=base64_of(lambda text: text.replace("+", "-").replace("/", "_"))),
    Case(name="blanks for plus signs", body=base64_of(lambda text: text.replace("+", " ")), pictures=None),
    Case(name="an empty picture", body=base64_of(lambda _: ""), pictures=()),
    Case(name="no picture field", body=body(changed("message.data.bg", MISSING)), pictures=()),
    Case(name="null for a picture", body=base64_of(lambda _: None), pictures=()),
    Case(name="no base64", body=base64_of(lambda _: "*** no picture ***"), pictures=(),
         data={"extra.message.data.bg": "*** no picture ***"}),
    Case(name="one character too few", body=base64_of(lambda text: text.rstrip("=")[:-2] + "="), pictures=None),
    Case(name="an address for a picture", body=base64_of(lambda _: "http://10.0.0.1/a.jpg"), pictures=()),
    Case(name="a list for a picture", body=base64_of(lambda text: [text]), pictures=None),
    Case(name="base64 of no picture", body=base64_of(lambda _: base64.b64encode(b"hello, world").decode()),
         pictures=(b"hello, world",), data={"pictures.0.media_type": "application/octet-stream"}),
    Case(name="a JPEG cut short", body=base64_of(lambda _: base64.b64encode(LARGE[:5000]).decode()),
         pictures=(LARGE[:5000],),
         data={"pictures.0.media_type": "image/jpeg"}),
    Case(name="a PNG", body=base64_of(lambda _: base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30)).decode()),
         pictures=(b"\x89PNG\r\n\x1a\n" + bytes(30),), data={"pictures.0.media_type": "image/png"}),
]  # fmt: skip

CASES = ENCODINGS + TRANSPORT + JSON + PICTURES


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One door serves the whole table."""
    return "asyncio"


@pytest.fixture(scope="module")
async def far() -> Far:
    """Where the events go."""
    return Far()


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory, far: Far) -> AsyncIterator[Door]:
    """The devices' door, for bodies of a megabyte; however alike two pushes are, none is a repetition."""
    async with door_to(tmp_path_factory.mktemp("wire"), async_output("sink", far), max_body=1_000_000) as door:
        normalizer = door.rooms.plugins.normalizers["skill"]
        parse = normalizer.parse

        def parse_as_new(push: Push) -> Parsed:
            read = parse(push)
            return msgspec.structs.replace(read, key=Key(read.key.device, read.key.msg_id, os.urandom(32)))

        normalizer.parse = parse_as_new  # type: ignore[method-assign]
        yield door


def at(document: Any, path: str) -> Any:
    """The value at a path; in `extra`, paths are names."""
    if path.startswith("extra."):
        return document["extra"][path.removeprefix("extra.")]
    for step in path.split("."):
        document = document[int(step)] if isinstance(document, list) else document.get(step)
    return document


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_comes_is_decided_as_the_table_says(door: Door, far: Far, case: Case) -> None:
    journal, delivered = door.rooms.journal, len(far.taken)
    stored = journal.next
    answer = parsed(await door.talk(request(case.body, *case.headers)))
    assert (answer.status, answer.envelope["code"]) == (case.status, 0 if case.status == 200 else case.status)
    assert answer.envelope["message"].startswith(case.says)
    assert (journal.next > stored) is (case.decision != "refused")
    if case.decision != "refused":
        assert answer.envelope["msg_id"] == MSG_ID
    if case.decision == "event":
        await until(lambda: len(far.taken) > delivered)
        await check(case, far.taken[delivered].event)


async def check(case: Case, event: Event) -> None:
    """The event holds what the case says."""
    data = json.loads(encode_document(event))["data"]
    assert {path: at(data, path) for path in case.data} == case.data
    if case.pictures is not None:
        assert [await picture.read() for picture in event.pictures] == list(case.pictures)


PATHS = [b"/%E8%BD%A6", b"/%zz", b"/%00", b"/%FF", b"//", b"/?", b"/" + b"a" * 20_000, b"http://x:1/a"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path[:12]))
@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_any_path_will_do(door: Door, path: bytes, transport: str) -> None:
    if transport == "http":
        answer = parsed(await door.talk(request(SAMPLE).replace(b"/dataPush/DataReportCB", path)))
        assert answer.envelope["code"] == 0
        return
    async with door.connected() as (reader, writer):
        writer.write(HANDSHAKE.replace(b"/any", path) + Frame(Opcode.TEXT, SAMPLE).serialize(mask=True))
        await reader.readuntil(b"\r\n\r\n")
        assert b'"code":0' in await reader.readuntil(b"}")


@pytest.mark.parametrize("path", ["/车".encode(), "/车".encode("gbk"), b"a b", b"", b"/\x01"])
async def test_a_path_that_http_forbids_is_refused_and_counted(door: Door, path: bytes) -> None:
    before = door.rooms.intake.refused[("127.0.0.1", "no HTTP")]
    answer = parsed(await door.talk(request(SAMPLE).replace(b"/dataPush/DataReportCB", path)))
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert door.rooms.intake.refused[("127.0.0.1", "no HTTP")] == before + 1


HOSTILE = {
    "a way out": "../../../etc/passwd",
    "wildcards": "#/+/$SYS/%",
    "NUL": "a\0b",
    "a template": "{{7*7}}${7*7}<%= 7*7 %>",
    "a header": "a\r\nX-Evil: 1",
    "a terminal's command": "\x1b[2J\x9b31m\x07",
    "text turned around": "a\u202egpj.exe\u2066",
    "a page's script": "<script>alert(1)</script>",
    "a reserved name": "CON",
    "nothing but dots": "..",
    "half a pair": "\ud83d",
    "a long one": "门" * 5000,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_name_reaches_no_path_topic_or_header(door: Door, far: Far, name: str) -> None:
    delivered = len(far.taken)
    names = changed(
        "message.deviceInfo",
        {"id": name, "uuid": name, "name": name},
        message__channelInfo={"channel": name, "name": name},
        message__skillInfo={"id": name, "name": name, "version": name},
        message__data__preWarn=name,
    )
    async with door.box(path=f"/{quote(name, errors='replace')[:500]}") as box:
        assert (await box.push(body(names))).success
        assert (await box.push(body(names | {"wsKey": f"x{name}"}))).success
        assert (await box.push(body(names | {"wsKey": 0}))).status == 400
    await until(lambda: len(far.taken) > delivered)
    delivery = far.taken[delivered]
    event, zone = delivery.event, ZoneInfo("Asia/Shanghai")
    parts = [
        *Layout(TEMPLATE, zone).stem_of(event).parts,
        *(latest_of(event, end) for end in picture_endings(event)),
    ]
    topic = Topics("boxbridge", "plant-a").event(event, late=False)
    for part in (*parts, *topic.split("/"), *delivery_headers(delivery, picture_lost=False).values()):
        assert part.isprintable()
        assert part
        assert len(part.encode()) <= 2_000
        part.encode("utf-8")
    assert not {".", "..", "CON"} & set(parts)
    assert all(len(part.encode()) <= 255 and not set(part) & set('<>:"/\\|?*') for part in parts)
    assert topic.count("/") == 4
    assert not set(topic) & set("#+$")
