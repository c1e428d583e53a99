"""A push is answered with success only when it is on disk, and refused in the vendor's words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from msgspec.structs import replace

from bridge import DROP, Answer, Event, Key, Normalizer, Outcome, Parsed, Push, hookimpl
from bridge.config.settings import DeviceSettings
from bridge.journal.journal import Record
from bridge.options import Size
from bridge.receiver.intake import Intake
from bridge.testing import sample_push
from tests.rooms import Disk, Far, Rooms, async_output, opened, push_of, until

pytestmark = pytest.mark.anyio


def envelope(answer: Answer) -> dict[str, Any]:
    return msgspec.json.decode(answer.body, type=dict[str, Any])


async def stored(rooms: Rooms, sequence: int) -> Record:
    read = await rooms.journal.read(sequence)
    assert isinstance(read, Record)
    return read


async def test_success_is_answered_in_the_vendors_form_and_the_push_is_on_disk_by_then(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        body = sample_push(small=True, msg_id="m-1")
        answer = await rooms.push(body)
        (segment,) = (tmp_path / "journal").glob("*.seg")
        assert b"m-1" in segment.read_bytes()
        record = await stored(rooms, 1)
        assert await record.original().read() == body
    assert (answer.status, answer.content_type) == (200, "application/json")
    said = envelope(answer)
    assert said | {"timestamp": 0} == {
        "wsKey": "eventCreateOptimizeResult", "msg_id": "m-1", "code": 0, "message": "success", "timestamp": 0,
    }  # fmt: skip


async def test_a_duplicate_is_answered_with_success_and_delivered_once(tmp_path: Path) -> None:
    far = Far()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        body = sample_push(small=True)
        answers = [await rooms.push(body) for _ in range(3)]
        await rooms.push()
        await until(lambda: len(far.taken) == 2)
        assert rooms.intake.pushes == {("skill", "stored"): 2, ("skill", "duplicate"): 2}
        assert len(rooms.heard.accepted) == 2
    assert [envelope(answer)["code"] for answer in answers] == [0, 0, 0]


async def test_a_duplicate_is_known_after_a_restart(tmp_path: Path) -> None:
    body = sample_push(small=True)
    async with opened(tmp_path) as rooms:
        await rooms.push(body)
    async with opened(tmp_path) as rooms:
        assert envelope(await rooms.push(body))["code"] == 0
        assert rooms.intake.pushes == {("skill", "duplicate"): 1}


async def test_a_message_of_another_kind_is_kept_and_answered_with_success(tmp_path: Path) -> None:
    body = b'{"wsKey": "deviceHeart", "msg_id": "h-1", "message": {"deviceInfo": {"id": "S1"}}}'
    async with opened(tmp_path) as rooms:
        said = envelope(await rooms.push(body))
        assert await (await stored(rooms, 1)).original().read() == body
        assert rooms.heard.accepted == []
        assert list(rooms.intake.devices.last_seen) == ["S1"]
        assert rooms.intake.pushes == {("skill", "unknown"): 1}
    assert (said["wsKey"], said["msg_id"], said["code"]) == ("deviceHeartResult", "h-1", 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"hello", "JSON"),
        (sample_push(small=True)[:-500], "JSON"),
        (b'{"msg_id": "1"}', "wsKey"),
        (b"[1, 2]", "wsKey"),
    ],
    ids=["empty", "no JSON", "cut short", "no wsKey", "a list"],
)
async def test_what_is_not_understood_is_refused_with_a_sentence(tmp_path: Path, body: bytes, reason: str) -> None:
    async with opened(tmp_path) as rooms:
        answer = await rooms.push(body) if body else await rooms.take(push_of(b""))
        assert rooms.journal.next == 1
        assert rooms.intake.pushes == {("skill", "refused"): 1}
        (((peer, _), count),) = rooms.intake.refused.items()
        assert (peer, count) == ("127.0.0.1", 1)
    said = envelope(answer)
    assert (answer.status, said["code"]) == (400, 400)
    assert reason in said["message"]


async def test_the_same_refusal_is_logged_once_a_minute(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path) as rooms:
            for _ in range(5):
                await rooms.push(b"hello")
            await rooms.push(b'{"msg_id": "1"}')
            assert rooms.intake.pushes == {("skill", "refused"): 6}
    assert len([line for line in log if line["event"] == "push refused"]) == 2


async def test_a_refusal_that_names_another_place_each_time_is_the_same_refusal(tmp_path: Path) -> None:
    whole = sample_push(small=True)
    with structlog.testing.capture_logs() as log:
        async with opened(tmp_path) as rooms:
            for length in range(1000, 1020):
                await rooms.push(whole[:length])
            for size in range(20):
                rooms.intake.refuse(push_of(b""), 413, f"too large: the body has {size} bytes")
            assert rooms.intake.refused == {("127.0.0.1", "cut short"): 20, ("127.0.0.1", "too large"): 20}
    told = [line["reason"] for line in log if line["event"] == "push refused"]
    assert [reason.partition(":")[0] for reason in told] == ["cut short", "too large"]


async def test_ids_however_long_take_little_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        for end in "ab":
            name = "x" * 1_000_000 + end
            answer = await rooms.push(sample_push(small=True, device=name, kind=name, msg_id=name))
            assert envelope(answer)["msg_id"] == name
            heartbeat = {"wsKey": "deviceHeart" + name, "msg_id": name, "message": {"deviceInfo": {"id": name}}}
            await rooms.push(msgspec.json.encode(heartbeat))
        assert len(rooms.intake.devices.last_seen) == 2
        assert len(rooms.intake.events) == 2
        kept = [*rooms.intake.devices.last_seen, *(label for labels in rooms.intake.events for label in labels)]
        assert max(map(len, kept)) == 200
        (event, other) = rooms.heard.accepted
        whole = (event.device.serial, event.msg_id, event.extra["message.data.preWarn"])
        assert whole == ("x" * 1_000_000 + "a",) * 3
        assert (event.device.id != other.device.id, event.kind != other.kind) == (True, True)
        assert {len(record.blob.device) for record in [await stored(rooms, n) for n in range(1, 5)]} == {200}
        assert {len(record.blob.msg_id) for record in [await stored(rooms, n) for n in range(1, 5)]} == {200}


async def test_while_the_journal_takes_nothing_pushes_are_refused_and_taken_again_afterwards(
    tmp_path: Path, disk: Disk
) -> None:
    body = sample_push(small=True, msg_id="m-1")
    async with opened(tmp_path) as rooms:
        disk.fail()
        answer = await rooms.push(body)
        assert rooms.heard.accepted == []
        assert rooms.intake.pushes == {("skill", "not stored"): 1}
        disk.mend()
        await until(lambda: rooms.journal.closed_because is None)
        assert envelope(await rooms.push(body))["code"] == 0
    said = envelope(answer)
    assert (answer.status, said["code"], said["msg_id"]) == (503, 503, "m-1")
    assert "could not be stored" in said["message"]
    assert "No space left on device" in said["message"]


async def test_a_full_journal_refuses_in_the_vendor_s_form_and_takes_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.writer._FULL_SECONDS", 0.02)
    body = sample_push(small=True, msg_id="m-1")
    async with opened(tmp_path) as rooms:
        enough = rooms.journal.keep
        rooms.journal.keep = replace(enough, quota=Size("1kB"))
        await rooms.journal._in_writer(rooms.journal._measure)
        answer = await rooms.push(body)
        rooms.journal.keep = enough
        await until(lambda: rooms.journal.closed_because is None)
        assert envelope(await rooms.push(body))["code"] == 0
    said = envelope(answer)
    assert (answer.status, said["code"], said["msg_id"]) == (503, 503, "m-1")
    assert "the journal is full" in said["message"]


async def test_events_carry_site_and_alias_and_are_counted_by_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        alias = DeviceSettings(id="gate-3", channels={"1": "north"})
        rooms.intake.settings = msgspec.structs.replace(rooms.settings, device={"DMB3160PWC21J00001": alias})
        await rooms.push()
        (event,) = rooms.heard.accepted
        assert (event.site, event.device.id, event.channel.id) == ("plant-a", "gate-3", "north")
        assert rooms.intake.events == {("gate-3", "pre_offvehicle"): 1}
        assert rooms.intake.devices.last_seen == {"gate-3": event.received}
        assert b'"source":"/plant-a/gate-3/north"' in (await stored(rooms, 1)).document(1)


async def test_a_field_that_is_odd_is_counted_by_device(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        await rooms.push(sample_push(small=True).replace(b'"frameIndex" : 7943', b'"frameIndex" : []'))
        assert rooms.intake.devices.odd_fields(5) == [("DMB3160PWC21J00001", "message.data.frameIndex", 1)]


async def test_a_known_envelope_is_taken_on_any_path(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        for path in ("/", "/some/where", "/dataPush/DataReportCB"):
            answer = await rooms.take(push_of(sample_push(small=True), path))
            assert envelope(answer)["code"] == 0


async def test_a_probe_is_answered(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        assert rooms.intake.probe(push_of(b"", "/")).status == 200


class Hail(Normalizer):
    """Knows `HAIL <device> <what>`, on a path of its own or by its first word."""

    name = "hail"
    paths = ("/hail/",)

    def recognizes(self, push: Push) -> bool:
        return push.body.startswith(b"HAIL ")

    def parse(self, push: Push) -> Parsed:
        _, device, what = push.body.decode().split()
        return Parsed(message=what, device=device, key=Key(device, what, push.body))

    def answer(self, push: Push, parsed: Parsed | None, outcome: Outcome) -> Answer:
        return Answer(status=outcome.status, body=b"HAIL " + outcome.kind.encode(), content_type="text/plain")

    @hookimpl
    def register_normalizers(self) -> Sequence[Normalizer]:
        return [self]


@pytest.fixture
def hailing(tmp_path: Path) -> Rooms:
    """Rooms in which a plugin knows another protocol."""
    rooms = Rooms(tmp_path)
    rooms.plugins.register(Hail(), "hail")
    rooms.intake = Intake(rooms.journal, rooms.plugins, rooms.settings)
    return rooms


@pytest.mark.parametrize(("path", "body"), [("/hail/x", b"HAIL a b"), ("/", b"HAIL a b")], ids=["path", "bytes"])
async def test_a_normalizer_of_a_plugin_is_chosen_by_path_or_bytes(hailing: Rooms, path: str, body: bytes) -> None:
    await hailing.journal.open({})
    assert (await hailing.take(push_of(body, path))).body == b"HAIL unknown"
    assert envelope(await hailing.push())["code"] == 0
    assert hailing.intake.pushes == {("hail", "unknown"): 1, ("skill", "stored"): 1}
    await hailing.journal.close()


async def test_a_name_that_nothing_can_hold_keeps_no_device_from_being_known_after_a_restart(
    hailing: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hailing.journal.open({})
    parsed = Parsed(message="\ud800", device="\ud800", key=Key("\ud800", "1", b""))
    monkeypatch.setattr(Hail, "parse", lambda _, push: parsed)
    with pytest.raises(UnicodeEncodeError):
        await hailing.take(push_of(b"HAIL ", "/hail/"))
    monkeypatch.undo()
    await hailing.take(push_of(b"HAIL gate hail", "/hail/"))
    assert list(hailing.intake.devices.last_seen) == ["gate"]
    await hailing.journal.close()


class Preparing:
    """A plugin that drops, changes or fails by the event's kind."""

    @hookimpl
    def prepare_event(self, event: Event) -> Any:
        if event.kind == "pre_drop":
            return DROP
        if event.kind == "pre_fail":
            raise ValueError("a bug")
        return event.with_(description="prepared")


async def test_a_plugin_may_drop_an_event_change_it_or_fail(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        rooms.plugins.register(Preparing(), "preparing")
        for kind in ("pre_drop", "pre_fail", "pre_offvehicle"):
            assert envelope(await rooms.push(kind=kind))["code"] == 0
        assert [(event.kind, event.description) for event in rooms.heard.accepted] == [
            ("pre_fail", "发现辆车离开开辆车在场"),
            ("pre_offvehicle", "prepared"),
        ]
        assert rooms.journal.next == 3
        assert b'"description":"prepared"' in (await stored(rooms, 2)).document(2)


async def test_a_picture_is_stored_once_and_read_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        picture = b"\xff\xd8\xff\xe0" + os.urandom(10_000)
        await rooms.push(sample_push(picture=picture))
        record = await stored(rooms, 1)
        event = record.event(1)
        assert event is not None
        assert event.scene is not None
        assert await event.scene.read() == picture
        assert record.size < len(picture) + 10_000
