"""A small vendor's pushes become events by configuration alone, whatever form they come in."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Malformed, Outcome, Parsed
from bridge.config.protocol import BoxSettings, ProtocolSettings
from bridge.event import Box, encode_document
from bridge.protocols.mapper import Mapped, read_time
from bridge.protocols.propose import propose
from bridge.reading import document
from bridge.reading.document import find, find_all, read_document
from bridge.testing import draw_dot, draw_scene
from tests.rooms import push_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
JPEG = draw_scene(seed=2, size=40_000)
TEXT = pybase64.b64encode(JPEG).decode()
ALARM = {
    "alarmId": "A-1",
    "camera": {"sn": "CAM77", "channelNo": 3, "channelName": "北门"},
    "alarmType": "intrusion",
    "alarmTypeName": "区域入侵",
    "alarmTime": "20261124153000",
    "objects": [{"x": 192, "y": 108, "w": 960, "h": 540, "type": "person", "id": 7}],
    "count": 2,
    "zone": "east",
}
MAPPING = ProtocolSettings(
    paths=["/push"],
    msg_id="alarm.alarmId",
    device="alarm.camera.sn",
    channel="alarm.camera.channelNo",
    channel_name="alarm.camera.channelName",
    kind="alarm.alarmType",
    name="alarm.alarmTypeName",
    time="alarm.alarmTime",
    time_format="yyyyMMddHHmmss",
    timezone=SHANGHAI,
    pictures=["pic"],
    boxes=BoxSettings(at="alarm.objects[]", width="w", height="h", label="type", track="id"),
    counts={"people": "alarm.count"},
)


def multipart(alarm: Any = ALARM, picture: bytes = JPEG) -> bytes:
    """What such a box sends: a field of JSON text, and the picture as a part."""
    boundary = b"------WebKitFormBoundary7MA4"
    text = json.dumps(alarm, ensure_ascii=False).encode()
    return b"\r\n".join([
        boundary, b'Content-Disposition: form-data; name="alarm"', b"", text,
        boundary, b'Content-Disposition: form-data; name="pic"; filename="1.jpg"', b"Content-Type: image/jpeg", b"",
        picture, boundary + b"--", b"",
    ])  # fmt: skip


def form(alarm: Any = ALARM) -> bytes:
    return urlencode({"alarm": json.dumps(alarm), "pic": TEXT}).encode()


def as_json(alarm: Any = ALARM) -> bytes:
    return json.dumps({"alarm": alarm, "pic": TEXT}, ensure_ascii=False).encode()


def read(body: bytes, mapping: ProtocolSettings = MAPPING, **changes: Any) -> Parsed:
    mapping = msgspec.structs.replace(mapping, **changes)
    received = datetime(2026, 11, 24, 7, 30, 5, tzinfo=UTC)
    return Mapped("cameras", mapping, UTC).parse(msgspec.structs.replace(push_of(body, "/push"), received=received))


@pytest.mark.parametrize("body", [multipart, form, as_json], ids=["multipart", "form", "json"])
def test_every_fact_arrives(body: Callable[[], bytes]) -> None:
    parsed = read(body())
    (event,) = parsed.events
    assert (event.kind, event.name, event.msg_id) == ("intrusion", "区域入侵", "A-1")
    assert (event.device.id, event.channel.id, event.channel.name) == ("CAM77", "3", "北门")
    assert (event.occurred, event.time_from) == (datetime(2026, 11, 24, 7, 30, tzinfo=UTC), "device")
    assert event.counts == {"people": 2}
    (target,) = event.targets
    assert target.box == Box(0.1, 0.1, 0.5, 0.5)
    assert (target.track, target.attributes[0].value) == ("7", "person")
    assert [(picture.role, picture.size, picture.width) for picture in event.pictures] == [("scene", len(JPEG), 1920)]
    assert [cutout.data for cutout in parsed.pictures] == [JPEG]
    assert parsed.oddities == ()
    assert "zone" in json.dumps(event.extra)


def test_the_same_push_again_is_the_same_and_another_is_not() -> None:
    assert read(as_json()).key == read(as_json()).key
    assert read(as_json()).key != read(as_json(ALARM | {"alarmId": "A-2"})).key


def test_one_push_may_hold_many_events() -> None:
    items = [{"id": n, "kind": "fall", "pic": pybase64.b64encode(draw_scene(seed=n, size=20_000)).decode()}
             for n in range(3)]  # fmt: skip
    body = json.dumps({"box": "B1", "site": "x", "events": items}).encode()
    mapping = ProtocolSettings(paths=["/"], events="events[]", device="box", msg_id="id", kind="kind", pictures=["pic"])
    parsed = read(body, mapping)
    assert [(event.msg_id, event.device.id) for event in parsed.events] == [("0", "B1"), ("1", "B1"), ("2", "B1")]
    assert len({event.pictures[0].sha256 for event in parsed.events}) == len(parsed.pictures) == 3
    assert parsed.events[1].extra == {"site": "x"}


def test_each_event_of_a_push_has_a_scene_of_its_own() -> None:
    items = [{"pics": [TEXT, pybase64.b64encode(draw_dot(n)).decode()]} for n in range(3)]
    mapping = ProtocolSettings(paths=["/"], events="events[]", pictures=["pics[]"])
    parsed = read(json.dumps({"events": items}).encode(), mapping)
    assert [[picture.role for picture in event.pictures] for event in parsed.events] == [["scene", "other"]] * 3


@pytest.mark.parametrize("picture", ["!" * 3_000_000, pybase64.b64encode(bytes(3_000_000)).decode(), "=?"])
@pytest.mark.parametrize("nested", [False, True], ids=["beside", "nested"])
def test_what_stands_around_many_events_becomes_no_multiple_of_itself(picture: str, nested: bool) -> None:
    told = {"box": "B1", "text": "x" * 500_000, "pic": picture, "inner": json.dumps({"a": list(range(50_000))})}
    items = [{"id": n} for n in range(1000)]
    mapping = ProtocolSettings(
        paths=["/"],
        events="data.items[]" if nested else "items[]",
        device="box",
        msg_id="id",
        kind="inner.kind",
        name="text",
        pictures=["pic"],
    )
    body = json.dumps(told | ({"data": {"items": items}} if nested else {"items": items})).encode()
    began = time.process_time()
    parsed = read(body, mapping)
    assert time.process_time() - began < 1
    first, *others = parsed.events
    assert (first.name, first.device.id) == ("x" * 500_000, "B1")
    assert {(event.name, event.device.id) for event in others} == {("", "B1")}
    assert {len(event.pictures) for event in parsed.events} == {len(first.pictures)}
    assert "first one of the push has it" in others[-1].extra["(more)"]
    documents = sum(len(encode_document(event)) for event in others)
    assert documents < 2_000_000


def test_of_all_events_of_a_push_so_many_pictures_and_rectangles_are_read() -> None:
    items = [{"pics": ["QQ=="] * 100, "objects": [{}] * 100} for _ in range(1000)]
    boxes = BoxSettings(at="objects[]", width="w", height="h")
    mapping = ProtocolSettings(paths=["/"], events="items[]", pictures=["pics[]"], boxes=boxes)
    began = time.process_time()
    parsed = read(json.dumps({"items": items}).encode(), mapping)
    assert time.process_time() - began < 1
    assert len(parsed.events) == 1000
    assert sum(len(event.pictures) + len(event.targets) for event in parsed.events) == 10_000
    assert {"pics[]", "objects[]"} <= set(parsed.oddities)


def test_a_text_that_is_json_itself_is_opened_once_however_many_places_lead_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = list[bytes]()

    def read_json(body: bytes) -> Any:
        opened.append(body)
        return json.loads(body)

    monkeypatch.setattr(document, "read_json", read_json)
    alarm = json.dumps(ALARM)
    parsed = read(json.dumps({"alarm": alarm, "pic": TEXT}).encode())
    assert parsed.events[0].device.id == "CAM77"
    assert opened.count(alarm.encode()) == 1
    assert document._held_by.cache_info().currsize == 0


@pytest.mark.parametrize("escape", [b"%41", b"%ff", b"%E8%BD%A6", b"+", b"%3D"])
def test_a_form_of_nothing_but_escapes_is_read_at_once(escape: bytes) -> None:
    body = b"pic=" + escape * (9_000_000 // len(escape))
    began = time.process_time()
    assert len(read_document(body)["pic"]) >= 1_000_000
    assert time.process_time() - began < 1


def test_a_form_of_escapes_that_are_none_is_refused_at_once() -> None:
    assert read_document(b"text=100%&more=5%+%zz%4&=&x") == {"text": "100%", "more": "5% %zz%4", "": "", "x": ""}
    began = time.process_time()
    with pytest.raises(Malformed, match="begin no escape"):
        read_document(b"text=" + b"%" * 9_000_000)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_form_may_escape_what_is_written_in_gbk(encoding: str) -> None:
    assert read_document(urlencode({"名称": "车辆 离开=&+%"}, encoding=encoding).encode()) == {"名称": "车辆 离开=&+%"}


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b'{"%b":' % (b"k" * 1000) for _ in range(500)) + b"1" + b"}" * 500,
        b'{"%b": {%b}}' % (b"k" * 20_000, b",".join(b'"%d": 1' % n for n in range(20_000))),
        b'{"":' * 500 + b"1" + b"}" * 500,
    ],
    ids=["deep", "wide", "empty"],
)
def test_a_table_is_proposed_in_little_room_whatever_names_a_body_has(body: bytes) -> None:
    tracemalloc.start()
    try:
        assert propose(body, "/x", datetime.now(UTC), SHANGHAI) == {"paths": ["/x"], "kind": "=event"}
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_push_without_events_is_refused_with_the_place() -> None:
    with pytest.raises(Malformed, match=r"nothing stands at `events\[\]` of \[protocol.cameras\]"):
        read(b'{"other": []}', ProtocolSettings(paths=["/"], events="events[]"))


@pytest.mark.parametrize(
    ("told", "time_format", "seconds"),
    [
        ("1795533714", "auto", 0),
        ("1795533714000", "auto", 0),
        ("1795533714000000", "auto", 0),
        ("1795533714.5", "s", 0.5),
        ("1795533714123", "ms", 0.123),
        ("1795533714123456", "us", 0.123),
        ("2026-11-24T23:21:54+08:00", "auto", 0),
        ("2026-11-24 23:21:54", "auto", 0),
        ("20261124232154", "yyyyMMddHHmmss", 0),
        ("2026/11/24 23:21:54", "%Y/%m/%d %H:%M:%S", 0),
    ],
)
def test_times(told: str, time_format: str, seconds: float) -> None:
    happened = read_time(told, time_format, SHANGHAI)
    assert happened.timestamp() == pytest.approx(1795533714 + seconds)


@pytest.mark.parametrize("told", ["yesterday", "", "99999999999999999999", None, [1]])
def test_a_time_that_is_none_is_kept_and_receipt_counts(told: Any) -> None:
    parsed = read(as_json(ALARM | {"alarmTime": told}))
    (event,) = parsed.events
    assert (event.time_from, event.occurred) == ("receipt", event.received)


def test_what_can_not_be_read_is_counted_and_costs_no_event() -> None:
    strange = ALARM | {"objects": [{"x": "left"}, "nothing"], "count": "many"}
    parsed = read(json.dumps({"alarm": strange, "pic": "no base64!"}).encode())
    (event,) = parsed.events
    assert parsed.oddities == ("pic", "alarm.objects[]")
    assert [target.box for target in event.targets] == [None, None]
    assert (event.counts, event.pictures) == ({}, ())


def test_a_picture_in_a_field_that_no_key_names_is_kept() -> None:
    parsed = read(as_json(), pictures=[])
    assert [picture.role for picture in parsed.events[0].pictures] == ["other"]


def test_any_part_that_is_a_picture() -> None:
    assert len(read(multipart(), pictures=["*"]).events[0].pictures) == 1


def test_boxes_by_their_corners_in_thousandths() -> None:
    boxes = BoxSettings(at="alarm.objects[]", right="w", bottom="h", unit="thousandths")
    (event,) = read(as_json(), boxes=boxes).events
    assert event.targets[0].box == Box(0.192, 0.108, 0.768, 0.432)


def test_a_heartbeat_is_no_event() -> None:
    parsed = read(b'{"type": "heartbeat", "sn": "B1"}', device="sn", heartbeat={"type": "heartbeat"})
    assert (parsed.heartbeat, parsed.events, parsed.device) == (True, (), "B1")


def test_it_is_known_by_what_it_holds_on_any_path() -> None:
    mapped = Mapped("cameras", ProtocolSettings(when={"alarm.alarmType": "*", "alarm.zone": "east"}), UTC)
    assert mapped.recognizes(push_of(as_json(), "/anywhere"))
    assert not mapped.recognizes(push_of(as_json(ALARM | {"zone": "west"}), "/anywhere"))
    assert not mapped.recognizes(push_of(b"nonsense", "/anywhere"))


def test_the_answer_is_the_vendor_s_own() -> None:
    mapping = ProtocolSettings(
        paths=["/"], answer='{"result":true,"id":{msg_id}}', failure='{"result":false,"e":{message}}'
    )
    mapped = Mapped("cameras", mapping, UTC)
    parsed = read(as_json(ALARM | {"alarmId": 'a"b'}), msg_id="alarm.alarmId")
    assert json.loads(mapped.answer(push_of(b""), parsed, Outcome("stored")).body) == {"result": True, "id": 'a"b'}
    parsed = read(as_json(ALARM | {"alarmId": "{message}{code}"}), msg_id="alarm.alarmId")
    assert json.loads(mapped.answer(push_of(b""), parsed, Outcome("stored")).body)["id"] == "{message}{code}"
    refused = mapped.answer(push_of(b""), None, Outcome("refused", 400, "not JSON"))
    assert (refused.status, json.loads(refused.body)) == (400, {"result": False, "e": "not JSON"})


def test_a_proposal_reads_the_body_that_it_was_made_of() -> None:
    received = datetime(2026, 11, 24, 7, 30, 5, tzinfo=UTC)
    proposed = propose(multipart(), "/push", received, SHANGHAI)
    (event,) = read(multipart(), msgspec.convert(proposed, ProtocolSettings), timezone=SHANGHAI).events
    assert (event.device.id, event.channel.id, event.kind, event.name) == ("CAM77", "3", "intrusion", "区域入侵")
    assert (event.msg_id, event.time_from, len(event.pictures)) == ("A-1", "device", 1)
    assert event.targets[0].box == Box(0.1, 0.1, 0.5, 0.5)
    assert event.counts == {"count": 2}


def test_a_form_that_was_cut_short_is_refused() -> None:
    with pytest.raises(Malformed, match="cut short"):
        read_document(multipart()[:-200])


def test_a_part_may_lack_everything() -> None:
    document = read_document(b"--b\n\nhello\n--b\r\n\r\n" + draw_dot() + b"\r\n--b--")
    assert document == {"0": "hello", "1": draw_dot()}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("a.b", ["x"]),
        ("list[].n", [1, 2]),
        ("list[1].n", [2]),
        ("a[].b", ["x"]),
        ("text.inner", [5]),
        ("missing.at.all", []),
        ("a.b.c", []),
        ("list[9]", []),
    ],
)
def test_places(place: str, found: list[Any]) -> None:
    document = {"a": {"b": "x"}, "list": [{"n": 1}, {"n": 2}], "text": '{"inner": 5}'}
    assert list(find_all(document, place)) == found


def test_the_first_place_that_says_anything_counts() -> None:
    assert find({"a": "", "b": None, "c": 0}, "a | b | c") == 0
    assert find({}, "a | =always") == "always"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({}, "how are its pushes known"),
        ({"paths": ["push"]}, 'paths: "push" must begin with /'),
        ({"paths": ["/"], "device": "a..b"}, 'device: "a..b" is no place in a body'),
        ({"paths": ["/"], "pictures": ["a b"]}, 'pictures: "a b" is no place'),
        ({"paths": ["/"], "time_format": "soon"}, 'time_format: "soon" is none of auto'),
        ({"paths": ["/"], "time_format": "%Y-%Q"}, 'time_format: "%Y-%Q" is none of auto'),
        ({"paths": ["/"], "time_format": "%H:%M %H"}, 'time_format: "%H:%M %H" is none of auto'),
        ({"paths": ["/"], "time_format": "%Y-%"}, 'time_format: "%Y-%" is none of auto'),
        ({"paths": ["/"], "boxes": {"at": "o[]"}}, "a box needs width and height, or right and bottom"),
    ],
)
def test_what_can_not_be_meant_is_said(keys: dict[str, Any], sentence: str) -> None:
    mapping = msgspec.convert(keys, ProtocolSettings)
    (told,) = [*mapping.faults(), *(mapping.boxes.faults() if mapping.boxes else iter(()))]
    assert told.startswith(sentence)


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: b"--x\r\n" + text.encode("utf-8", "replace")))
def test_no_body_breaks_it(body: bytes) -> None:
    try:
        parsed = read(body)
    except Malformed:
        return
    assert parsed.events or parsed.heartbeat


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["alarm", "camera", "sn", "objects", "alarmTime", "pic", "count", "x", "w"]),
                        inner, max_size=4), max_leaves=20))  # fmt: skip
def test_no_document_breaks_it_nor_the_proposal(document: Any) -> None:
    body = json.dumps(document).encode()
    try:
        read(body)
        propose(body, "/push", datetime.now(UTC), UTC)
    except Malformed:
        return


def test_a_picture_s_address_is_proposed_to_be_fetched_from_who_sends_it() -> None:
    body = json.dumps({"sn": "CAM7", "picUrl": "http://192.168.1.20/1.jpg", "page": "http://192.168.1.20/"}).encode()
    proposed = propose(body, "/push", datetime.now(UTC), SHANGHAI)
    assert (proposed["pictures"], proposed["fetch"]) == (["picUrl"], ["sender"])


@pytest.mark.parametrize("msg_id", ["alarm.alarmId", ""])
def test_a_form_that_is_sent_again_with_another_boundary_is_the_same_event(msg_id: str) -> None:
    mapping = msgspec.structs.replace(MAPPING, msg_id=msg_id)
    again = multipart().replace(b"------WebKitFormBoundary7MA4", b"--------------------------9051914041544843")
    other = multipart(ALARM | {"count": 3})
    read = [Mapped("north", mapping, SHANGHAI).parse(push_of(body)).key for body in (multipart(), again, other)]
    assert read[0] == read[1] != read[2]
