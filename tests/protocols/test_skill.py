"""What the wire may bring besides the sample, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pybase64
import pytest

from bridge.event import Box, Point
from bridge.normalizer import Malformed, Outcome, Parsed
from bridge.plugins import Plugins
from bridge.protocols import skill
from bridge.protocols.skill import SkillNormalizer
from bridge.testing import draw_dot, vary

Read = Callable[..., Parsed]

PNG = bytes.fromhex("89504e470d0a1a0a0000000d494844520000000300000002080200000012164f") + bytes(200)
MISSING = object()


def changed(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The sample with one value replaced, or taken out."""
    *holders, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder: Any = tree
    for step in holders:
        holder = holder[step]
    if value is MISSING:
        del holder[last]
    else:
        holder[last] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "field", "expected"),
    [
        ("message.channelInfo.channel", "7", "channel.id", "7"),
        ("message.channelInfo.channel", 7, "channel.id", "7"),
        ("message.data.frameIndex", "7943", "frame", 7943),
        ("message.data.frameIndex", 7943.0, "frame", 7943),
        ("message.data.normalized", "1", "normalized", True),
        ("message.data.timestamp", "1700462387132", "occurred", datetime(2023, 11, 20, 6, 39, 47, 132000, UTC)),
        ("message.data.timestamp", 1700462387, "occurred", datetime(2023, 11, 20, 6, 39, 47, tzinfo=UTC)),
        ("message.requestTime", 1700462387, "reported", datetime(2023, 11, 20, 6, 39, 47, tzinfo=UTC)),
        ("msg_id", 42, "msg_id", "42"),
        ("message.skillInfo.version", 2.1, "skill.version", "2.1"),
        ("message.data.eventInfo.1.count", "2", "counts", {"车辆在场": 0, "车辆离开": 2}),
        ("message.data.eventInfo", [{"eventName": "车辆离开"}], "counts", {"车辆离开": 1}),
        ("message.data.eventInfo", {"eventName": "a", "count": 3}, "counts", {"a": 3}),
        ("message.data.preWarn", MISSING, "kind", "offvehicle"),
        ("message.skillInfo", {"id": "smoke", "name": "烟雾"}, "skill.id", "smoke"),
        ("message.data.preWarn", "pre_smoke", "kind", "pre_smoke"),
        ("message.deviceInfo.uuid", "U-1", "device.id", "U-1"),
        ("message.deviceInfo.uuid", MISSING, "device.id_from", "serial"),
        ("message.deviceInfo", None, "device.id", "E0:A5:09:00:76:AD"),
        ("message.deviceInfo", MISSING, "device.id_from", "mac"),
        ("message", None, "device.id", "192.168.1.77"),
        ("message", "text", "device.id_from", "peer"),
        ("message", None, "kind", "event"),
    ],
)
def test_odd_values_are_read_all_the_same(
    sample: dict[str, Any], read: Read, path: str, value: Any, field: str, expected: Any
) -> None:
    (found,) = read(changed(sample, path, value)).events
    for name in field.split("."):
        found = getattr(found, name)
    assert found == expected


@pytest.mark.parametrize(
    ("path", "value", "kept", "oddity"),
    [
        ("message.data.frameIndex", "many", "message.data.frameIndex", "message.data.frameIndex"),
        ("message.data.frameIndex", 2**70, "message.data.frameIndex", "message.data.frameIndex"),
        ("message.data.frameIndex", 1.5, "message.data.frameIndex", "message.data.frameIndex"),
        ("message.data.eventDesc", ["x"], "message.data.eventDesc", "message.data.eventDesc"),
        ("message.data.style", "RED", "message.data.style", "message.data.style"),
        ("message.data.timestamp", "yesterday", "message.data.timestamp", "message.data.timestamp"),
        ("message.requestTime", 10**17, "message.requestTime", "message.requestTime"),
        ("message.channelInfo", "east", "message.channelInfo", "message.channelInfo"),
        ("message.netInfo.0", "eth0", "message.netInfo[0]", "message.netInfo"),
        ("message.netInfo.0.ip", {"v4": "1.2.3.4"}, "message.netInfo[0].ip", "message.netInfo[].ip"),
        ("message.data.eventInfo.0.count", "two", "message.data.eventInfo[0].count", "message.data.eventInfo[].count"),
        (
            "message.data.regionInfo.0.locations",
            [{"x": 1}],
            "message.data.regionInfo[0].locations",
            "message.data.regionInfo[].locations",
        ),
        ("message.data.bg", "http://192.168.1.198/1.jpg", "message.data.bg", "message.data.bg"),
        ("msg_id", {"a": 1}, "msg_id", "msg_id"),
    ],
)
def test_a_field_of_a_wrong_type_costs_nothing_and_is_kept(
    sample: dict[str, Any], read: Read, path: str, value: Any, kept: str, oddity: str
) -> None:
    parsed = read(changed(sample, path, value))
    (event,) = parsed.events
    assert event.extra[kept] == value
    assert oddity in parsed.oddities


def test_no_field_of_the_sample_is_needed_but_the_kind_of_message(sample: dict[str, Any], read: Read) -> None:
    parsed = read({"wsKey": "eventCreateOptimize", "message": {"data": {"preWarn": "pre_offvehicle"}}})
    assert parsed.events[0].kind == "pre_offvehicle"
    assert {"msg_id", "message.deviceInfo", "message.requestTime", "message.data.bg"} <= set(parsed.oddities)
    assert parsed.events[0].extra == {}


def test_unknown_fields_are_kept_by_their_path(sample: dict[str, Any], read: Read) -> None:
    sample["version"] = 3
    sample["message"]["netInfo"][0]["ssid"] = "车间"
    sample["message"]["data"]["plates"] = [{"plate": "粤B12345", "score": 0.93}]
    parsed = read(sample)
    assert parsed.events[0].extra == {
        "version": 3,
        "message.netInfo[0].ssid": "车间",
        "message.data.plates": [{"plate": "粤B12345", "score": 0.93}],
    }
    assert parsed.oddities == ()


@pytest.mark.parametrize("escaped", [False, True])
def test_a_picture_in_an_unknown_field_becomes_one_of_the_events(
    sample: dict[str, Any], read: Read, escaped: bool
) -> None:
    jpeg = vary(draw_dot(9), 9) + bytes(1000)
    sample["message"]["data"]["faces"] = [{"crop": pybase64.b64encode(jpeg).decode()}]
    body = json.dumps(sample).encode()
    parsed = read(body.replace(b"/", b"\\/") if escaped else body)
    (event,) = parsed.events
    other = next(picture for picture in event.pictures if picture.role == "other")
    assert event.extra == {"message.data.faces": [{"crop": f"sha256:{other.sha256}"}]}
    assert {cutout.sha256: cutout.data for cutout in parsed.pictures}[other.sha256] == jpeg


@pytest.mark.parametrize(
    ("timestamp", "off"),
    [(None, None), (0, 0), (12_345, 12_345), (1_700_462_387_132 + 2 * 86_400_000, 1_700_635_187_132), (-1, -1)],
)
def test_an_absent_or_absurd_time_is_replaced_by_the_time_of_receipt(
    sample: dict[str, Any], read: Read, received: datetime, timestamp: int | None, off: int | None
) -> None:
    (event,) = read(changed(sample, "message.data.timestamp", timestamp)).events
    assert (event.occurred, event.time_from) == (received, "receipt")
    assert event.extra.get("message.data.timestamp") == off


def test_a_push_three_years_old_keeps_the_devices_time(sample_body: bytes, read: Read, received: datetime) -> None:
    (event,) = read(sample_body, received + timedelta(days=3 * 365)).events
    assert (event.occurred.year, event.time_from) == (2023, "device")


@pytest.mark.parametrize(
    ("normalized", "point", "expected"),
    [
        (0, (960, 540), Point(0.5, 0.5)),
        (0, (2000, -54), Point(1.041667, -0.05)),
        (1, (0.25, 0.75), Point(0.25, 0.75)),
        (1, ("0.25", 1.02), Point(0.25, 1.02)),
        (1, (960, 540), Point(0.5, 0.5)),
        (None, (960, 540), Point(0.5, 0.5)),
        (None, (0.25, 0.75), Point(0.25, 0.75)),
    ],
)
def test_points_are_fractions_whatever_they_were_sent_in(
    sample: dict[str, Any], read: Read, normalized: int | None, point: tuple[Any, Any], expected: Point
) -> None:
    sample["message"]["data"]["normalized"] = normalized
    sample["message"]["data"]["regionInfo"][0]["locations"] = [{"x": point[0], "y": point[1]}]
    assert read(sample).events[0].regions[0].points == (expected,)


def test_a_targets_box_may_be_pixels_where_all_else_is_normalized(sample: dict[str, Any], read: Read) -> None:
    sample["message"]["data"]["normalized"] = 1
    sample["message"]["data"]["regionInfo"][0]["locations"] = [{"x": 0.1, "y": 0.2}]
    box = {"left": 192, "top": 108, "width": 960, "height": 540}
    sample["message"]["data"]["targetBasicInfo"] = [{"location": box}]
    (event,) = read(sample).events
    assert event.regions[0].points == (Point(0.1, 0.2),)
    assert event.targets[0].box == Box(0.1, 0.1, 0.5, 0.5)


def test_pixels_are_measured_by_the_picture_where_the_push_does_not_say(sample: dict[str, Any], read: Read) -> None:
    del sample["message"]["data"]["bgWidth"], sample["message"]["data"]["bgHeight"]
    sample["message"]["data"]["regionInfo"][0]["locations"] = [{"x": 960, "y": 540}]
    assert read(sample).events[0].regions[0].points == (Point(0.5, 0.5),)


def test_pixels_that_nothing_can_measure_stay_as_they_came(sample: dict[str, Any], read: Read) -> None:
    for name in ("bg", "bgWidth", "bgHeight"):
        del sample["message"]["data"][name]
    (event,) = read(sample).events
    assert event.regions[0].points == ()
    assert len(event.extra["message.data.regionInfo[0].locations"]) == 4


def test_an_empty_picture_is_no_picture(sample: dict[str, Any], read: Read) -> None:
    parsed = read(changed(sample, "message.data.bg", ""))
    assert (parsed.pictures, parsed.events[0].pictures) == ((), ())
    assert parsed.events[0].extra == {"message.data.bgWidth": 1920, "message.data.bgHeight": 1080}


def test_a_long_text_that_is_no_picture_stays_in_the_body_alone(sample: dict[str, Any], read: Read) -> None:
    parsed = read(changed(sample, "message.data.bg", "%not base64%" * 1000))
    assert (parsed.pictures, parsed.events[0].pictures) == ((), ())
    assert parsed.oddities == ("message.data.bg",)
    assert "message.data.bg" not in parsed.events[0].extra


def test_a_png_is_known_by_its_bytes(sample: dict[str, Any], read: Read) -> None:
    (event,) = read(changed(sample, "message.data.bg", pybase64.b64encode(PNG).decode())).events
    assert event.scene is not None
    assert (event.scene.media_type, event.scene.width, event.scene.height) == ("image/png", 3, 2)
    assert event.extra == {"message.data.bgWidth": 1920, "message.data.bgHeight": 1080}


@pytest.mark.parametrize("head", ["data:image/jpeg;base64,", "DATA:image/jpeg;base64,", "data:;base64,"])
def test_a_data_uri_is_a_picture(sample: dict[str, Any], read: Read, head: str) -> None:
    text = sample["message"]["data"]["bg"]
    (cutout,) = read(changed(sample, "message.data.bg", head + text)).pictures
    assert cutout.data == pybase64.b64decode(text)


@pytest.mark.parametrize("spoil", [lambda body: b"\xef\xbb\xbf" + body, lambda body: body + b"\0\0\n"])
def test_a_byte_order_mark_or_nul_tail_changes_nothing(sample_body: bytes, read: Read, spoil: Any) -> None:
    body = spoil(sample_body)
    parsed = read(body)
    assert parsed.events[0].device.name == "视频分析盒AB-H1"
    (cutout,) = parsed.pictures
    assert cutout.span is not None
    assert pybase64.b64encode(cutout.data) == body[slice(*cutout.span)]


def test_gbk_bytes_are_read(sample: dict[str, Any], read: Read) -> None:
    body = json.dumps(sample, ensure_ascii=False).encode("gbk")
    parsed = read(body)
    assert parsed.events[0].name == "车辆离开"
    assert parsed.events[0].counts == {"车辆在场": 0, "车辆离开": 2}
    assert parsed.pictures[0].span is not None


def test_a_character_cut_in_its_middle_does_not_make_the_rest_gbk(sample: dict[str, Any], read: Read) -> None:
    body = json.dumps(sample, ensure_ascii=False).encode().replace("分析区".encode(), "分析区".encode()[:-1])
    (event,) = read(body).events
    assert (event.name, event.regions[0].name) == ("车辆离开", "分析\ufffd")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is empty"),
        (b" \r\n\0", "the body is empty"),
        (b"nope", "not JSON: expecting value at byte 0"),
        (b"<xml/>", "not JSON: the body is XML"),
        (b"--x\r\n", "not JSON: the body is a multipart form, which only a [protocol.NAME] reads"),
        (b"\xff\xd8\xff\xe0", "not JSON: the body is a JPEG picture"),
        (b'{"wsKey": nope}', "not JSON: expecting value at byte 10"),
        (b'{"wsKey": "eventCreateOptimize"} {}', "not JSON: something follows the document at byte 33"),
        (b"[1, 2]", "no wsKey: this is no message of the family"),
        (b'{"wsKey": 5}', "no wsKey: this is no message of the family"),
        (b'{"Events": []}', "no wsKey: this is no message of the family"),
        (b'{"wsKey": ' + b"9" * 5000 + b"}", "not JSON: it holds a number of thousands of digits"),
        (b"[" * 100_000, "not readable: it is nested hundreds of levels deep"),
    ],
)
def test_what_is_no_message_is_refused_with_a_sentence(read: Read, body: bytes, sentence: str) -> None:
    with pytest.raises(Malformed) as refusal:
        read(body)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("length", [100, 40_000, 77_000, 79_030])
def test_a_body_that_stops_half_way_is_called_cut_short(sample_body: bytes, read: Read, length: int) -> None:
    with pytest.raises(Malformed, match=rf"^cut short: .* at byte {length}$"):
        read(sample_body[:length])


def test_another_kind_of_message_is_kept_raw(sample: dict[str, Any], read: Read) -> None:
    parsed = read(changed(sample, "wsKey", "heartbeat"))
    assert (parsed.message, parsed.device, parsed.events, parsed.pictures) == (
        "heartbeat",
        "DMB3160PWC21J00001",
        (),
        (),
    )


def test_the_same_event_sent_again_has_the_same_key(sample: dict[str, Any], read: Read, received: datetime) -> None:
    first = read(sample)
    sample["message"]["requestTime"] += 60_000
    sample["message"]["netInfo"][0]["ip"] = "192.168.1.9"
    again = read(sample, received + timedelta(minutes=1))
    assert again.key == first.key
    assert again.events[0].id != first.events[0].id


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("message.data.timestamp", 1_700_462_387_133),
        ("message.data.bg", pybase64.b64encode(draw_dot(1)).decode()),
        ("message.data.eventInfo.0.count", 1),
        ("message.deviceInfo.uuid", "another"),
        ("message.data.more", 1),
    ],
)
def test_a_reused_msg_id_does_not_make_two_events_one(
    sample: dict[str, Any], read: Read, path: str, value: Any
) -> None:
    first = read(sample).key
    assert read(changed(sample, path, value)).key != first


def test_without_msg_id_the_body_tells_pushes_apart(sample: dict[str, Any], read: Read) -> None:
    del sample["msg_id"]
    first = read(sample).key
    assert first.msg_id
    assert read(sample).key == first
    sample["message"]["requestTime"] += 1
    assert read(sample).key != first


def test_without_msg_id_and_times_no_push_counts_as_a_repetition(read: Read) -> None:
    assert read({"wsKey": "eventCreateOptimize"}).key != read({"wsKey": "eventCreateOptimize"}).key


@pytest.mark.parametrize(
    ("outcome", "status", "code", "message"),
    [
        (Outcome("stored"), 200, 0, "success"),
        (Outcome("duplicate"), 200, 0, "success"),
        (Outcome("unknown"), 200, 0, "success"),
        (Outcome("refused", 403, "not allowed"), 403, 403, "not allowed"),
        (Outcome("refused", reason="not JSON"), 400, 400, "not JSON"),
        (Outcome("not stored", 503, "the disk is full"), 503, 503, "the disk is full"),
        (Outcome("not stored", reason="the disk is full"), 503, 503, "the disk is full"),
    ],
)
def test_the_answer_is_the_vendors_envelope(
    sample_body: bytes, push: Any, outcome: Outcome, status: int, code: int, message: str
) -> None:
    normalizer, request = SkillNormalizer(), push(sample_body)
    before = int(datetime.now(UTC).timestamp())
    answer = normalizer.answer(request, normalizer.parse(request), outcome)
    envelope = json.loads(answer.body)
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert list(envelope) == ["wsKey", "msg_id", "code", "message", "timestamp"]
    assert before <= envelope.pop("timestamp") <= before + 5
    assert envelope == {
        "wsKey": "eventCreateOptimizeResult",
        "msg_id": "398654df-7814-4e67-a38f-9f3e550c10ba",
        "code": code,
        "message": message,
    }


@pytest.mark.parametrize("msg_id", [17, "", 'no"rmal\u4e2d', None, {"a": 1}])
def test_the_msg_id_is_echoed_as_it_came(sample: dict[str, Any], push: Any, msg_id: Any) -> None:
    normalizer, request = SkillNormalizer(), push(changed(sample, "msg_id", msg_id))
    envelope = json.loads(normalizer.answer(request, normalizer.parse(request), Outcome("stored")).body)
    assert envelope["msg_id"] == (msg_id if isinstance(msg_id, int | str) else "")


@pytest.mark.parametrize(
    ("body", "ws_key", "msg_id"),
    [
        (b'"msg_id" : "398654df", "wsKey" : "heartbeat" }}', "heartbeatResult", "398654df"),
        (b'{"msg_id":12,"message":{"data":{"bg":"' + b"A" * 9000, "eventCreateOptimizeResult", 12),
        (b'{"msg_id":"half', "eventCreateOptimizeResult", ""),
        (b'{"msg_id":"\xb3\xb5"', "eventCreateOptimizeResult", ""),
        (b"\xff\xfe\0", "eventCreateOptimizeResult", ""),
    ],
)
def test_a_body_that_can_not_be_read_is_answered_as_well_as_can_be(
    push: Any, body: bytes, ws_key: str, msg_id: Any
) -> None:
    answer = SkillNormalizer().answer(push(body), None, Outcome("refused", 400, "cut short"))
    envelope = json.loads(answer.body)
    assert (envelope["wsKey"], envelope["msg_id"], envelope["code"]) == (ws_key, msg_id, 400)


def test_the_envelope_is_recognized_wherever_its_kind_stands(sample_body: bytes, sample: Any, push: Any) -> None:
    first = {"wsKey": sample.pop("wsKey"), **sample}
    assert SkillNormalizer().recognizes(push(sample_body))
    assert SkillNormalizer().recognizes(push(first))
    assert not SkillNormalizer().recognizes(push(b'{"Events": []}'))


def test_the_normalizer_registers_like_any_plugin() -> None:
    plugins = Plugins()
    plugins.register(skill, "skill")
    assert isinstance(plugins.normalizers["skill"], SkillNormalizer)
