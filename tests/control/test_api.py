"""People and commands ask a running daemon how it is, for events, and to take its configuration over."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from structlog.testing import capture_logs

from bridge import Delivery, Output, Unavailable
from bridge.journal.rewrite import rewrite
from bridge.journal.segment import Form
from bridge.testing import draw_scene, sample_push
from tests.daemon import Running, bridge_with
from tests.end_to_end.installation import COMMAND
from tests.rooms import Bringing, Disk, Far, async_output, until

pytestmark = pytest.mark.anyio

SINK = '[output.sink]\ntype = "sink"\n'


@pytest.fixture
def far() -> Far:
    """What the output `sink` brings events to."""
    return Far()


async def get(running: Running, path: str, status: int = 200) -> Any:
    """Ask over the unix socket, for JSON."""
    answer = await running.socket.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def push(running: Running, **changes: Any) -> str:
    """Push an event and wait until it can be asked for; returns its id."""
    changes = dict[str, Any](small=True, msg_id=f"m-{time.monotonic_ns()}") | changes
    async with running.box() as box:
        assert (await box.push(sample_push(**changes))).success
    found: list[str] = []

    async def is_found() -> bool:
        answer = await running.socket.get(f"/api/v1/events/{changes['msg_id']}")
        found.extend([answer.json()["id"]] if answer.status_code == 200 else [])
        return bool(found)

    deadline = time.monotonic() + 5
    while not await is_found():
        assert time.monotonic() < deadline
    return found[0]


# --- Health and status


@pytest.mark.parametrize("way", ["control", "socket"])
async def test_it_is_asked_over_loopback_and_over_the_unix_socket(tmp_path: Path, way: str) -> None:
    async with bridge_with(tmp_path) as running:
        client = getattr(running, way)
        for path in ("/livez", "/readyz", "/readyz?verbose"):
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (200, "ok\n")
        assert (await client.get("/api/v1/status")).json()["site"] == "plant-a"


async def test_what_is_asked_for_may_have_so_many_bytes(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        answer = await running.socket.post("/api/v1/unknown/retry", content=b" " * 4_000_000 + b'{"all":true}')
        assert (answer.status_code, answer.json()["error"]) == (400, "the body has more than 4000000 bytes")
        assert (await running.socket.post("/api/v1/unknown/retry", content=b'{"all":true}')).status_code == 200


async def test_the_commands_reach_it_without_a_tcp_port(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, control=False) as running:
        assert (await running.socket.get("/livez")).status_code == 200


async def test_it_is_not_ready_while_no_push_can_be_taken_but_alive(tmp_path: Path, disk: Disk) -> None:
    async with bridge_with(tmp_path) as running:
        disk.fail()
        async with running.box() as box:
            assert (await box.push(sample_push(small=True))).status == 503
        answer = await running.socket.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ready\n")
        verbose = await running.socket.get("/readyz?verbose")
        assert verbose.status_code == 503
        assert verbose.text.startswith("journal: ")
        assert verbose.text.endswith("No space left on device\n")
        assert (await running.socket.get("/livez")).status_code == 200
        assert (await get(running, "/api/v1/status"))["journal"]["closed_because"]
        disk.mend()


async def test_an_output_that_is_away_is_no_reason_not_to_be_ready(tmp_path: Path, far: Far) -> None:
    def away() -> None:
        raise Unavailable("down")

    far.opening = away
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        await until(lambda: running.daemon.dispatcher.lanes["sink"].report().state == "waiting")
        assert (await running.socket.get("/readyz")).status_code == 200


async def test_the_status_says_how_everything_stands(tmp_path: Path, far: Far) -> None:
    tables = SINK + '[output.off]\ntype = "archive"\nenabled = false\n'
    async with bridge_with(tmp_path, tables, Bringing(async_output("sink", far))) as running:
        await push(running)
        async with running.box() as box:
            assert (await box.push(b"hello")).status == 400
        await until(lambda: far.taken)
        status = await get(running, "/api/v1/status")
    assert status["config"] == str(tmp_path / "boxbridge.toml")
    assert status["devices_listen"] == running.daemon.settings.server.listen
    assert abs(time.time() - status["started"]) < 60
    assert [(output["name"], output["state"]) for output in status["resting"]] == [("off", "off")]
    assert status["pushes"] == {"stored": 1, "refused": 1}
    assert list(status["devices"]) == ["DMB3160PWC21J00001"]
    ((refusal),) = status["refused"]
    assert (refusal["peer"], refusal["count"]) == ("127.0.0.1", 1)
    room = status["journal"].pop("room")
    assert 0 < room["taken"] < room["limit"]
    assert 0 < room["held"] < 1
    assert room["hours_left"] > 1
    assert status["journal"] | {"bytes": 0} == {
        "bytes": 0, "segments": 1, "next": 2, "closed_because": None, "parked": {}, "held_by": None, "skipped": {},
    }  # fmt: skip
    assert status["journal"]["bytes"] > 4096
    (sink,) = status["outputs"]
    assert (sink["name"], sink["state"], sink["delivered"], sink["waiting"]) == ("sink", "open", 1, 0)


async def test_an_output_that_is_no_longer_configured_is_parked(tmp_path: Path, far: Far) -> None:
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))):
        pass
    async with bridge_with(tmp_path) as running:
        await push(running)
        assert (await get(running, "/api/v1/status"))["journal"]["parked"] == {"sink": 1}


# --- Events


@pytest.fixture
def scene() -> bytes:
    return draw_scene(seed=2)


@pytest.mark.parametrize("by", ["id", "its beginning", "its beginning in lower case", "msg_id"])
async def test_an_event_is_found_by_its_id_or_its_beginning_or_its_msg_id(tmp_path: Path, by: str) -> None:
    async with bridge_with(tmp_path) as running:
        event = await push(running, msg_id="398654df-1")
        what = {"id": event, "its beginning": event[:20], "its beginning in lower case": event[:12].lower()}
        document = await get(running, f"/api/v1/events/{what.get(by, '398654df-1')}")
    assert (document["id"], document["data"]["msg_id"]) == (event, "398654df-1")
    assert document["source"] == "/plant-a/DMB3160PWC21J00001/1"


async def test_the_document_is_what_the_outputs_got(tmp_path: Path, far: Far) -> None:
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        event = await push(running)
        await until(lambda: far.taken)
        answer = await running.socket.get(f"/api/v1/events/{event}")
    assert answer.content == far.taken[0].document
    assert answer.headers["content-type"] == "application/json"


async def test_the_original_comes_back_byte_for_byte(tmp_path: Path, scene: bytes) -> None:
    body = sample_push(picture=scene, msg_id="m-1")
    async with bridge_with(tmp_path) as running:
        async with running.box() as box:
            assert (await box.push(body, {"Content-Type": "text/json"})).success
        event = await push(running, picture=scene, msg_id="m-2")
        answer = await running.socket.get("/api/v1/events/m-1/original")
        assert answer.content == body
        assert (await running.socket.get(f"/api/v1/events/{event}/original")).content != body


async def test_an_original_is_no_page_whatever_the_device_calls_it(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        async with running.box() as box:
            page = sample_push(small=True, msg_id="m-1")
            assert (await box.push(page, {"Content-Type": "text/html"})).success
        await push(running)
        answer = await running.control.get("/api/v1/events/m-1/original")
    assert answer.content == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_picture_comes_back_with_its_type(tmp_path: Path, scene: bytes) -> None:
    async with bridge_with(tmp_path) as running:
        event = await push(running, picture=scene)
        answer = await running.socket.get(f"/api/v1/events/{event}/picture/0")
    assert answer.content == scene
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"


NO_EVENT = (
    'no event "01NOTHING": give its id, at least 6 characters of its beginning, its msg_id, '
    "or the file name or SHA-256 of its picture"
)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("01NOTHING", NO_EVENT),
        ("{id}/picture/1", "event {id} has no picture 1; its pictures, counted from 0: 1"),
        ("{id}/picture/x", "event {id} has no picture x; its pictures, counted from 0: 1"),
        ("{id}/nonsense", "event {id} has no nonsense; its pictures, counted from 0: 1"),
    ],
)
async def test_what_is_not_there_is_said(tmp_path: Path, path: str, sentence: str) -> None:
    async with bridge_with(tmp_path) as running:
        event = await push(running)
        said = await get(running, f"/api/v1/events/{path.format(id=event)}", 404)
    assert said == {"error": sentence.format(id=event), "exit_code": 65}


async def test_a_beginning_that_several_events_share_is_not_enough(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        first, second = await push(running), await push(running)
        assert first[:6] == second[:6]
        said = await get(running, f"/api/v1/events/{first[:6]}", 404)
        assert "more than one event" in said["error"]
        assert (await get(running, f"/api/v1/events/{second}"))["id"] == second
        assert (await get(running, f"/api/v1/events/%20{second}%0A"))["id"] == second  # as it was copied


async def test_a_picture_that_was_shed_is_said_and_so_is_an_event_that_was_let_go(tmp_path: Path, scene: bytes) -> None:
    async with bridge_with(tmp_path) as running:
        event, journal = await push(running, picture=scene), running.daemon.journal
        await journal._in_writer(journal._writer.begin_segment)  # the newest is never touched

        async def left(form: Form, *, events: bool) -> None:
            def write() -> None:
                assert rewrite(journal.log, journal.log.segments[:1], lambda _: events, lambda _: False, form, 0)

            await journal._in_writer(write)
            journal.log.forget_read()

        await left(Form.SHED, events=True)
        said = await get(running, f"/api/v1/events/{event}/picture/0", 404)
        assert "no longer kept" in said["error"]
        assert (await get(running, f"/api/v1/events/{event}"))["id"] == event
        await left(Form.PINNED, events=False)
        said = await get(running, f"/api/v1/events/{event}", 404)
        assert said["error"] == f"event {event} is no longer kept"


async def test_a_picture_that_was_damaged_on_disk_is_said(
    tmp_path: Path, scene: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)
    async with bridge_with(tmp_path) as running:
        event = await push(running, picture=scene)
        await push(running)  # so that the first is in memory no longer
        (segment,) = (tmp_path / "data/journal").glob("*.seg")
        data = bytearray(segment.read_bytes())
        data[data.index(scene) + 1000] ^= 1
        segment.write_bytes(data)
        said = await get(running, f"/api/v1/events/{event}/picture/0", 404)
        assert "damaged" in said["error"]
        assert (await get(running, f"/api/v1/events/{event}"))["id"] == event


async def test_a_document_that_can_not_be_understood_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)
    async with bridge_with(tmp_path) as running:
        with monkeypatch.context() as other_version:
            other_version.setattr("bridge.journal.blob.encode_document", lambda _: b'{"id":1}')
            async with running.box() as box:
                assert (await box.push(sample_push(small=True, msg_id="m-1"))).success
        await push(running)  # so that the first is in memory no longer
        said = await get(running, "/api/v1/events/m-1", 404)
    assert "holds a document that can't be understood: " in said["error"]


async def test_the_story_of_an_event_that_can_not_be_read_is_found_by_its_pictures_digest(
    tmp_path: Path, scene: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.journal.log._CACHED_EVENTS", 1)
    async with bridge_with(tmp_path) as running:
        with monkeypatch.context() as other_version:
            other_version.setattr("bridge.journal.blob.encode_document", lambda _: b'{"id":1}')
            async with running.box() as box:
                assert (await box.push(sample_push(picture=scene))).success
        await push(running)  # so that the first is in memory no longer
        story = await get(running, f"/api/v1/why/{hashlib.sha256(scene).hexdigest()}")
    assert "holds a document that can't be understood: " in story["lost"]


async def test_an_index_that_can_not_be_asked_now_is_said(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        await push(running, msg_id="m-1")
        await asyncio.to_thread(running.daemon.journal._writer.stop)
        said = await get(running, "/api/v1/events/m-1", 503)
    assert said == {"error": "the journal takes nothing now: boxbridge is stopping", "exit_code": 74}


async def test_a_story_that_the_disk_does_not_give_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bridge_with(tmp_path) as running:
        event = await push(running)
        with monkeypatch.context() as away:

            def fail(*_: object, **__: object) -> None:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

            away.setattr("bridge.journal.segment.Segment.record_at", fail)
            said = await get(running, f"/api/v1/why/{event}", 503)
    assert said == {"error": "the journal can't be read now: Too many open files", "exit_code": 74}


@pytest.mark.parametrize(
    "asked", [f"after={2**63},1", f"after=1,{2**63}", "after=" + "1" * 5000 + ",1", "limit=" + "1" * 5000]
)
async def test_a_number_that_is_too_large_is_asked_wrongly(tmp_path: Path, asked: str) -> None:
    async with bridge_with(tmp_path) as running:
        assert (await get(running, f"/api/v1/events?{asked}", 400))["exit_code"] == 2


@pytest.mark.parametrize("msg_id", ["a/original", "50%2F", "东/门 ?#"])
async def test_a_msg_id_may_have_any_characters(tmp_path: Path, msg_id: str) -> None:
    async with bridge_with(tmp_path) as running:
        async with running.box() as box:
            assert (await box.push(sample_push(small=True, msg_id=msg_id))).success
        await push(running)
        arguments = ["get", msg_id, "-c", str(tmp_path / "boxbridge.toml")]
        for further in ([], ["--original"]):
            command = await asyncio.create_subprocess_exec(COMMAND, *arguments, *further, stdout=PIPE, stderr=PIPE)
            said, error = await asyncio.wait_for(command.communicate(), 30)
            assert (command.returncode, error) == (0, b"")
            found = json.loads(said)
            assert found.get("data", found)["msg_id"] == msg_id


# --- Reload


async def test_a_reload_takes_the_file_over(tmp_path: Path, far: Far) -> None:
    async with bridge_with(tmp_path, "", Bringing(async_output("sink", far))) as running:
        file = tmp_path / "boxbridge.toml"
        changed = file.read_text().replace("plant-a", "plant-b") + SINK + '[device.DMB3160PWC21J00001]\nid = "gate-3"\n'
        file.write_text(changed)
        answer = await running.socket.post("/api/v1/reload")
        assert (answer.status_code, answer.json()) == (
            200,
            {"reloaded": str(file), "after_restart": [], "dropped": []},
        )
        await push(running)
        await until(lambda: far.taken)
        status = await get(running, "/api/v1/status")
    assert b'"source":"/plant-b/gate-3/1"' in far.taken[0].document
    assert (status["site"], [output["name"] for output in status["outputs"]]) == ("plant-b", ["sink"])


async def test_outputs_stand_in_the_order_of_the_configuration_after_a_reload_too(tmp_path: Path, far: Far) -> None:
    tables = SINK + '[output.second]\ntype = "sink"\n'
    async with bridge_with(tmp_path, tables, Bringing(async_output("sink", far))) as running:
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace('"sink"', '"sink"\nin_flight = 1', 1))
        await running.socket.post("/api/v1/reload")
        status = (await running.socket.get("/api/v1/status")).json()
    assert [output["name"] for output in status["outputs"]] == ["sink", "second"]


async def test_a_reload_keeps_what_only_a_restart_takes_over_and_names_it_each_time(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, '[output.local]\ntype = "archive"\n') as running:
        listens = running.daemon.settings.server.listen
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace('"data"', '"elsewhere"').replace(listens, "127.0.0.1:1"))
        for _ in range(2):
            said = (await running.socket.post("/api/v1/reload")).json()
            assert said["after_restart"] == ["data", "server.listen"]
        await push(running)
        await until(lambda: not running.daemon.dispatcher.lanes["local"].report().waiting)
        assert (await get(running, "/api/v1/status"))["devices_listen"] == listens
    assert (tmp_path / "data/archive").is_dir()
    assert not (tmp_path / "elsewhere").exists()


async def test_a_reload_of_a_wrong_file_says_all_that_is_wrong_and_changes_nothing(tmp_path: Path, far: Far) -> None:
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        file = tmp_path / "boxbridge.toml"
        right = file.read_text()
        file.write_text(right + 'timeuot = "1s"\n[output.other]\ntype = "sync"\n')
        answer = await running.socket.post("/api/v1/reload")
        assert answer.status_code == 422
        said = answer.json()
        assert said["exit_code"] == 78
        assert f"{file}:{right.count(chr(10)) + 1}:1" in said["error"]
        assert "timeuot" in said["error"]
        assert 'no output type "sync" (there are: ' in said["error"]
        assert "). New plugins are loaded by a restart\n" in said["error"]
        assert said["error"].endswith("2 errors. The old configuration stays in force.")
        await push(running)
        await until(lambda: far.taken)
        assert far.calls == ["open"]


@pytest.mark.parametrize("text", ["", "# to be written\n"])
async def test_a_reload_of_a_file_with_nothing_in_it_is_refused(tmp_path: Path, far: Far, text: str) -> None:
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        (tmp_path / "boxbridge.toml").write_text(text)
        answer = await running.socket.post("/api/v1/reload")
        assert answer.status_code == 422
        assert "boxbridge.toml  there is nothing in it: every output would be dropped" in answer.json()["error"]
        await push(running)
        await until(lambda: far.taken)


async def test_outputs_that_a_reload_drops_are_named(tmp_path: Path, far: Far) -> None:
    async with bridge_with(tmp_path, SINK, Bringing(async_output("sink", far))) as running:
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace(SINK, ""))
        with capture_logs() as lines:
            assert (await running.socket.post("/api/v1/reload")).json()["dropped"] == ["sink"]
            assert (await running.socket.post("/api/v1/reload")).json()["dropped"] == []
        assert [line["output"] for line in lines if "no longer configured" in line["event"]] == ["sink"]


class Buggy(Output):
    """An output of a plugin with faults of its own."""

    type = "buggy"

    class Options(Struct, eq=False):
        bug: str = ""

        def __post_init__(self) -> None:
            if self.bug == "check":
                raise KeyError(self.bug)

        def __eq__(self, other: object) -> bool:
            if isinstance(other, type(self)) and "equal" in (self.bug, other.bug):
                raise RuntimeError("a bug")
            return NotImplemented

        def __hash__(self) -> int:
            return 0

    async def deliver(self, delivery: Delivery) -> None:
        pass


async def test_a_plugin_that_fails_while_its_options_are_checked_is_a_fault_of_the_file(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, "", Bringing(Buggy)) as running:
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text() + '[output.odd]\ntype = "buggy"\nbug = "check"\n')
        answer = await running.socket.post("/api/v1/reload")
        assert (answer.status_code, answer.json()["exit_code"]) == (422, 78)
        assert (
            ":10:1  output.odd: its checks failed: KeyError: 'check'; mend them in tests.control.test_api\n"
            in answer.json()["error"]
        )


async def test_a_reload_that_fails_halfway_puts_back_what_there_was(tmp_path: Path, far: Far) -> None:
    tables = SINK + '[output.odd]\ntype = "buggy"\n'
    async with bridge_with(tmp_path, tables, Bringing(Buggy, async_output("sink", far))) as running:
        await until(lambda: far.calls == ["open"])
        before = running.daemon.settings
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace('"sink"', '"sink"\nin_flight = 1') + 'bug = "equal"\n')
        answer = await running.socket.post("/api/v1/reload")
        assert (answer.status_code, answer.json()) == (
            422,
            {
                "error": "the reload failed: RuntimeError: a bug. The old configuration stays in force.",
                "exit_code": 1,
            },
        )
        assert running.daemon.settings is before
        await push(running)
        await until(lambda: far.taken)
        assert running.daemon.dispatcher.lanes["sink"].settings is before.output["sink"]


async def test_a_reload_is_no_get(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        assert (await running.socket.get("/api/v1/reload")).status_code == 405
