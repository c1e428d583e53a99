"""Did that event get out, and if not, why? Asked of a running daemon, through the installed command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.journal.record import PREFIX_SIZE, Kind
from bridge.testing import sample_push
from bridge.testing.ports import HOST
from tests.brokers import Mosquitto, Subscriber
from tests.end_to_end.installation import Installation
from tests.end_to_end.test_main_job import delivered, message_id
from tests.end_to_end.web import WebServer
from tests.journal.journals import damage, newest_segment, records

DEVICE = "DMB3160PWC21J00001"


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that keeps what it is sent."""
    with WebServer() as server:
        yield server


def webhook(web: WebServer) -> str:
    """An output whose far side can be told what to answer."""
    return f'[output.erp]\ntype = "webhook"\nurl = "{web.url}"\n'


def mqtt(mosquitto: Mosquitto) -> str:
    """An output whose far side can be stopped."""
    return f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"\n'


ARCHIVE = '[output.local]\ntype = "archive"\n'


def push(bridge: Installation, **changes: Any) -> str:
    """Push an event, which is answered with success; returns its msg_id."""
    body = sample_push(small=True, **changes)
    assert bridge.push(body)[1]["code"] == 0
    return message_id(body)


def lines(bridge: Installation, *command: object) -> list[dict[str, Any]]:
    """What a command says in JSON, a document a line."""
    return [msgspec.json.decode(line) for line in bridge.command(*command, "--json").splitlines()]


def states(bridge: Installation, *command: object) -> dict[str, dict[str, str]]:
    """How each event stands with each output, by id, as `events` lists them."""
    return {event["id"]: event["outputs"] for event in lines(bridge, "events", *command)}


def wait_until(bridge: Installation, msg_id: str, output: str, state: str) -> dict[str, Any]:
    """Wait until an event stands so with an output; returns its story."""
    story: dict[str, Any] = {}

    def stands() -> bool:
        story.update(msgspec.json.decode(bridge.ask(f"/api/v1/why/{msg_id}")))
        return any((one["name"], one["state"]) == (output, state) for one in story["outputs"])

    bridge.until(stands)
    return story


def of(story: dict[str, Any], output: str) -> dict[str, Any]:
    """One output's part of a story."""
    found: dict[str, Any] = next(one for one in story["outputs"] if one["name"] == output)
    return found


def test_events_are_listed_by_what_people_ask(tmp_path: Path, mosquitto: Mosquitto, web: WebServer) -> None:
    """Given one output that takes, one that refuses and one that is away: the list tells them apart."""
    web.status = 400
    with Installation(tmp_path, ARCHIVE + webhook(web) + mqtt(mosquitto)) as bridge:
        mosquitto.stop()
        first = push(bridge, device="BOX-1")
        second = push(bridge, device="BOX-2")
        for msg_id in (first, second):
            wait_until(bridge, msg_id, "erp", "dead")
            wait_until(bridge, msg_id, "local", "delivered")
        all_ = lines(bridge, "events")
        assert [event["device"] for event in all_] == ["BOX-2", "BOX-1"]
        assert all_[0]["outputs"] == {"local": "delivered", "erp": "dead", "broker": "waiting"}
        assert [event["device"] for event in lines(bridge, "events", "--device", "BOX-1")] == ["BOX-1"]
        assert len(lines(bridge, "events", "--kind", "pre_offvehicle", "--since", "2h", "--limit", "1")) == 1
        assert lines(bridge, "events", "--since", "2h", "--until", "1h") == []
        assert lines(bridge, "events", "--kind", "fire") == []
        assert set(states(bridge, "--state", "dead")) == {event["id"] for event in all_}
        assert states(bridge, "--state", "dead", "--output", "local") == {}
        assert len(states(bridge, "--state", "waiting", "--output", "broker")) == 2
        assert b"erp DEAD  broker waiting" in bridge.command("events")
        assert bridge.command("dead", "list", "--output", "local") == b""
        assert bridge.command("replay", "--list") == b""
        assert b'no state "dad"' in bridge.command("events", "--state", "dad", code=2)
        assert b'"yesterday" is no time' in bridge.command("events", "--since", "yesterday", code=2)
        assert b'no output "nobody"' in bridge.command("events", "--output", "nobody", code=65)

        bridge.kill()
        bridge.start()
        assert {event["id"]: event["outputs"]["erp"] for event in lines(bridge, "events")} == {
            event["id"]: "dead" for event in all_
        }


def test_why_tells_an_events_whole_story(tmp_path: Path, mosquitto: Mosquitto, web: WebServer) -> None:
    """Given an event that came twice, was archived, refused by one far side and waits for another: why says all."""
    web.status = 400
    body = sample_push(small=True)
    with Installation(tmp_path, ARCHIVE + webhook(web) + mqtt(mosquitto)) as bridge:
        mosquitto.stop()
        bridge.until(lambda: b"is waiting" in bridge.log.read_bytes())
        assert bridge.push(body)[1]["code"] == 0
        assert bridge.push(body)[1]["code"] == 0
        wait_until(bridge, message_id(body), "erp", "dead")
        story = wait_until(bridge, message_id(body), "local", "delivered")
        assert (story["peer"], story["device"]) == (HOST, DEVICE)
        assert [again["count"] for again in story["repetitions"]] == [1]
        assert [step["what"] for step in of(story, "local")["steps"]] == ["delivered"]
        for place in of(story, "local")["where"].splitlines():
            assert Path(place).exists()
        (refused,) = of(story, "erp")["steps"]
        assert (refused["what"], refused["attempt"]) == ("dead", 1)
        assert refused["reason"].startswith("HTTP 400 Bad Request")
        broker = of(story, "broker")
        assert (broker["state"], broker["lane"], broker["steps"][-1]["what"]) == ("waiting", "waiting", "waiting")
        assert broker["lane_reason"]
        assert broker["retry"]

        told = bridge.command("why", story["id"][:12], "--lang", "en").decode()
        assert "HTTP 400 Bad Request" in told
        assert "it waits for the output, which is away" in told
        assert f"boxbridge dead retry {story['id']} --output erp" in told
        assert "等待输出恢复" in bridge.command("why", story["id"], "--lang", "zh").decode()

        picture = next(place for place in of(story, "local")["where"].splitlines() if place.endswith(".jpg"))
        for what in (picture, Path(picture).name, story["pictures"][0]["sha256"]):
            assert lines(bridge, "why", what)[0]["id"] == story["id"]
        assert b'no event "01NOTHING"' in bridge.command("why", "01NOTHING", code=65)

        bridge.kill()
        mosquitto.start()
        bridge.start()
        with Subscriber(mosquitto) as subscriber:
            subscriber.wait(lambda s: delivered(s) or s.on(f"boxbridge/plant-a/{DEVICE}/1/picture"))
        story = wait_until(bridge, message_id(body), "broker", "delivered")
        assert of(story, "broker")["steps"][-1]["what"] == "delivered"
        assert f"boxbridge/plant-a/{DEVICE}/1/event" in of(story, "broker")["where"]
        assert [step["what"] for step in of(story, "erp")["steps"]] == ["dead"]
        assert [again["count"] for again in story["repetitions"]] == [1]


def test_why_tells_what_came_of_a_device_around_a_time_and_what_did_not(tmp_path: Path) -> None:
    """Given an event, its repetition and a push that is no JSON: all three are told, over a kill -9 too."""
    body = sample_push(small=True)
    with Installation(tmp_path, ARCHIVE) as bridge:
        for _ in range(3):
            assert bridge.push(body)[1]["code"] == 0
        assert bridge.push(b"no JSON at all")[0] == 400
        assert bridge.push(b"no JSON at all")[0] == 400
        other = push(bridge, device="BOX-2")  # brings to disk what was turned away before it
        wait_until(bridge, other, "local", "delivered")
        bridge.kill()
        bridge.start()
        (told,) = lines(bridge, "why", "--device", DEVICE, "--at", "0s")
        (event,) = told["events"]
        assert event["outputs"] == {"local": "delivered"}
        away = {one["outcome"]: (one["count"], one["peer"], one["event"]) for one in told["turned_away"]}
        assert away == {"duplicate": (2, HOST, event["id"]), "refused": (2, HOST, "")}
        assert (told["before"], told["after"], told["others"]) == (event["received"], None, [])
        sentences = bridge.command("why", "--device", DEVICE, "--at", "0s", "--lang", "en").decode()
        assert f"2 times the push of {event['id']} again" in sentences
        assert "2 pushes from 127.0.0.1 refused" in sentences
        assert "Silent since" in sentences
        (told,) = lines(bridge, "why", "--device", DEVICE, "--at", "3h")
        assert (told["events"], told["turned_away"], told["before"]) == ([], [], None)
        assert "没有收到事件" in bridge.command("why", "--device", DEVICE, "--at", "3h", "--lang", "zh").decode()
        bridge.kill()
        bridge.start()
        unknown = bridge.command("why", "--device", "BOX-9", "--at", "0s", code=65).decode()
        assert unknown == f"nothing was ever received of a device BOX-9; devices that pushed: BOX-2, {DEVICE}\n"
        assert b"--device ID --at TIME" in bridge.command("why", "--device", "BOX-9", code=2)


def test_why_tells_of_a_device_of_which_all_is_refused(tmp_path: Path) -> None:
    with Installation(tmp_path, f'{ARCHIVE}[device.{DEVICE}]\naddress = "10.0.0.0/8"\n') as bridge:
        assert bridge.push(sample_push(small=True))[1]["code"] == 403
        told = bridge.command("why", "--device", DEVICE, "--at", "0s", "--lang", "en").decode()
        assert "1 push from 127.0.0.1 refused" in told
        assert told.endswith("no event came in this time\nNo event of it ever came.\n")


def test_a_devices_text_does_nothing_to_the_terminal_that_shows_it(tmp_path: Path) -> None:
    body = sample_push(small=True).replace(b"pre_offvehicle", rb"\u001b]0;owned\u0007\u009b2J")
    with Installation(tmp_path, ARCHIVE) as bridge:
        assert bridge.push(body)[1]["code"] == 0
        story = wait_until(bridge, message_id(body), "local", "delivered")
        for command in (["events"], ["why", story["id"]], ["get", story["id"]], ["events", "--json"], ["status"]):
            said = bridge.command(*command)
            assert b"\x1b" not in said
            assert "\x9b".encode() not in said
        assert rb"\x1b]0;owned\x07" in bridge.command("events")
        assert lines(bridge, "events")[0]["kind"] == "\x1b]0;owned\x07\x9b2J"


def test_why_tells_which_rule_skipped_an_event(tmp_path: Path) -> None:
    chosen = 'only = { kind = ["pre_*"] }\nat_most = { count = 1, per = "1h", by = ["device"] }\n'
    with Installation(tmp_path, ARCHIVE + chosen) as bridge:
        wait_until(bridge, push(bridge), "local", "delivered")
        too_many, not_meant = push(bridge), push(bridge, kind="fire")
        story = wait_until(bridge, not_meant, "local", "skipped")
        assert [step["reason"] for step in of(story, "local")["steps"]] == ["its kind is not among those of `only`"]
        wait_until(bridge, too_many, "local", "skipped")
        assert len(states(bridge, "--state", "skipped")) == 2
        assert b"skipped, never sent: `at_most` (1 in 1h) had passed before it" in bridge.command("why", too_many)
        told = bridge.command("why", not_meant, "--lang", "zh").decode()
        assert "已跳过，未发送：其 kind 不在 `only` 之列" in told
        assert "missed" not in bridge.command("status").decode()
        bridge.kill()
        bridge.start()
        assert len(states(bridge, "--state", "skipped")) == 2


def test_of_an_event_whose_record_is_damaged_the_rest_is_told(tmp_path: Path, web: WebServer) -> None:
    """Given an event that one output has and one gave up, when its record rots, both know of it what they knew."""
    web.status = 400
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        msg_id = push(bridge)
        event = wait_until(bridge, msg_id, "erp", "dead")["id"]
        bridge.stop()
        segment = newest_segment(tmp_path / "data" / "journal")
        (record,) = records(segment, Kind.PUSH)
        damage(segment, record.offset + PREFIX_SIZE + 9)
        bridge.start()

        said = bridge.command("why", msg_id).decode()
        assert f"received; more is not known: the record of event {event} is damaged on disk" in said
        assert f"Event {event}: pre_offvehicle, " in said
        assert "local (archive): delivered" in said
        assert f"boxbridge dead drop {event} --output erp" in said
        assert "dead retry" not in said
        shown = bridge.command("dead", "show", event).decode()
        assert "HTTP 400 Bad Request" in shown
        assert f"boxbridge dead drop {event} --output erp" in shown
        assert "dead retry" not in shown
