"""What operators do to outputs and their events, through the installed command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.end_to_end.installation import Installation
from tests.end_to_end.test_questions import ARCHIVE, lines, of, push, states, wait_until, webhook
from tests.end_to_end.web import WebServer


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that keeps what it is sent."""
    with WebServer() as server:
        yield server


def came(web: WebServer) -> str:
    """The msg_id of the next event that the web server is sent."""
    return str(msgspec.json.decode(web.wait().body)["data"]["msg_id"])


def outputs(bridge: Installation) -> dict[str, tuple[str, int, int]]:
    """State, waiting and dead events of each output."""
    return {o["name"]: (o["state"], o["waiting"], o["dead"]) for (o) in msgspec.json.decode(
        b"[" + b",".join(bridge.command("outputs", "--json").splitlines()) + b"]"
    )}  # fmt: skip


def test_where_there_is_no_output_it_says_so(tmp_path: Path) -> None:
    with Installation(tmp_path, "") as bridge:
        assert bridge.command("outputs").startswith(b"No output is configured")
        assert bridge.command("outputs", "--json") == b""


def test_dead_letters_are_delivered_again_or_dropped(tmp_path: Path, web: WebServer) -> None:
    """Given three events that the far side refused: after it is mended one is retried, one dropped, then the rest."""
    web.status = 400
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        first, second, third = (push(bridge) for _ in range(3))
        stories = {msg_id: wait_until(bridge, msg_id, "erp", "dead") for msg_id in (first, second, third)}
        ids = {msg_id: story["id"] for msg_id, story in stories.items()}
        letters = lines(bridge, "dead", "list")
        assert {letter["id"] for letter in letters} == set(ids.values())
        assert all(letter["reason"].startswith("HTTP 400 Bad Request") for letter in letters)
        assert lines(bridge, "dead", "list", "--output", "local") == []
        assert b"HTTP 400 Bad Request" in bridge.command("dead", "show", first)
        bridge.kill()
        bridge.start()
        assert len(lines(bridge, "dead", "list")) == 3

        web.status = 200
        while not web.received.empty():
            web.received.get()
        assert bridge.command("dead", "retry", ids[first]) == b"erp: 1 to be delivered again\n"
        again = web.wait()
        assert msgspec.json.decode(again.body)["id"] == ids[first]
        assert again.headers["x-boxbridge-replayed"] == "false"
        story = wait_until(bridge, first, "erp", "delivered")
        assert [step["what"] for step in of(story, "erp")["steps"]] == ["dead", "again", "delivered"]

        assert bridge.command("dead", "drop", second, "--output", "erp") == b"erp: 1 dropped\n"
        story = wait_until(bridge, second, "erp", "dropped")
        assert [step["what"] for step in of(story, "erp")["steps"]] == ["dead", "dropped"]
        assert set(states(bridge, "--state", "dropped")) == {ids[second]}
        bridge.kill()
        bridge.start()
        assert [letter["id"] for letter in lines(bridge, "dead", "list")] == [ids[third]]
        assert bridge.command("dead", "retry", "--all") == b"erp: 1 to be delivered again\n"
        assert came(web) == third
        assert bridge.command("dead", "retry", "--all") == b"there are no dead letters\n"
        assert b"is no dead letter" in bridge.command("dead", "retry", first, code=65)
        assert b"is no dead letter of output erp" in bridge.command("dead", "show", first, "--output", "erp", code=65)
        assert b"ids, or --all" in bridge.command("dead", "drop", code=2)
        assert set(states(bridge, "--state", "dropped")) == {ids[second]}


def test_a_pause_survives_a_kill_and_what_waited_is_delivered_after_it(tmp_path: Path, web: WebServer) -> None:
    """Given an output that a person paused: nothing goes out, over a kill -9 too, until it is resumed."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        assert b"erp is paused" in bridge.command("outputs", "pause", "erp")
        bridge.kill()
        bridge.start()
        waiting = push(bridge)
        story = wait_until(bridge, waiting, "local", "delivered")
        assert (of(story, "erp")["state"], of(story, "erp")["lane"]) == ("waiting", "held")
        assert b"boxbridge outputs resume erp" in bridge.command("why", waiting, "--lang", "en")
        stands = bridge.command("status", "--lang", "en")
        assert re.search(rb"erp \(webhook\)   PAUSED by a person since .*   0 delivered, 1 waiting\n", stands)
        assert b"PAUSED by a person" in bridge.command("outputs")
        assert b"in force" in bridge.command("reload")
        assert outputs(bridge)["erp"] == ("held", 1, 0)
        assert web.received.empty()
        assert b"1 waiting for it" in bridge.command("outputs", "resume", "erp")
        assert came(web) == waiting
        bridge.kill()
        bridge.start()
        assert outputs(bridge)["erp"][0] in ("opening", "open")


def test_a_renamed_output_goes_on_where_it_stood(tmp_path: Path, web: WebServer) -> None:
    """Given a table that was renamed while an event waited: the new name gets it, and the old one holds nothing."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        bridge.command("outputs", "pause", "erp")
        waited = push(bridge)
        assert b"is configured" in bridge.command("outputs", "rename", "erp", "sap", code=1)
        bridge.configure(ARCHIVE + webhook(web).replace("erp", "sap"))
        bridge.command("reload")
        assert outputs(bridge)["erp"] == ("gone", 1, 0)
        told = bridge.command("outputs", "rename", "erp", "sap")
        assert b"goes on where erp stood" in told
        assert outputs(bridge).keys() == {"local", "sap"}
        bridge.command("outputs", "resume", "sap")
        assert came(web) == waited
        bridge.kill()
        bridge.start()
        assert outputs(bridge).keys() == {"local", "sap"}


def test_a_forgotten_output_holds_nothing(tmp_path: Path, web: WebServer) -> None:
    """Given an output that is no longer configured and keeps events: forgotten, it is gone, after a kill too."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        bridge.command("outputs", "pause", "erp")
        push(bridge)
        assert b"is configured" in bridge.command("outputs", "forget", "erp", code=1)
        bridge.configure(ARCHIVE)
        bridge.command("reload")
        assert b"no longer configured" in bridge.command("outputs")
        bridge.kill()
        bridge.start()
        said = bridge.command("outputs", "forget", "erp").splitlines()
        assert len(said) == 2
        assert b"with 1 that waited" in said[0]
        assert said[1].startswith(b"what it may keep at its far side stays there")
        assert outputs(bridge).keys() == {"local"}
        bridge.kill()
        bridge.start()
        assert outputs(bridge).keys() == {"local"}
        assert b'no output "erp"' in bridge.command("outputs", "forget", "erp", code=65)


def test_a_replay_delivers_again_what_was_asked_for_and_says_so(tmp_path: Path, web: WebServer) -> None:
    """Given delivered events of two devices: a dry run counts, a replay brings those of one again, marked."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        north = [push(bridge, device="BOX-N") for _ in range(3)]
        push(bridge, device="BOX-S")
        assert {came(web) for _ in range(4)} >= set(north)
        wish = ("replay", "--output", "erp", "--since", "1h", "--device", "BOX-N", "--rate", "500")
        assert b"erp would get 3 events, in 1 s at least\n" in bridge.command(*wish, "--dry-run")
        assert b"no such events" in bridge.command("replay", "--output", "erp", "--since", "1h", "--kind", "fire")
        assert b"--since TIME" in bridge.command("replay", "--output", "erp", code=2)
        assert web.received.empty()
        assert b"erp gets 3 events" in bridge.command(*wish)
        again = [web.wait() for _ in range(3)]
        assert {msgspec.json.decode(one.body)["data"]["msg_id"] for one in again} == set(north)
        assert {one.headers["x-boxbridge-replayed"] for one in again} == {"true"}
        story = wait_until(bridge, north[0], "erp", "delivered")
        assert [step["what"] for step in of(story, "erp")["steps"]] == ["delivered", "replay", "delivered"]
        bridge.until(lambda: bridge.status()["replays"] == [])
        assert web.received.empty()


def test_a_replay_goes_on_after_a_kill_and_can_be_cancelled(tmp_path: Path, web: WebServer) -> None:
    """Given a replay of some seconds and a kill: the next start goes on with it; cancelled, it delivers no more."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        pushed = [push(bridge) for _ in range(12)]
        assert {came(web) for _ in pushed} == set(pushed)
        bridge.command("replay", "--output", "erp", "--since", "1h", "--rate", "1")
        assert came(web) == pushed[0]
        bridge.kill()
        bridge.start()
        (replay,) = bridge.status()["replays"]
        assert (replay["output"], replay["rate"]) == ("erp", 1)
        assert b"to erp" in bridge.command("status")
        seen = {came(web)}
        while seen != {pushed[-1]}:  # what was under way may come twice, the rest in order
            seen = {came(web)}
        bridge.until(lambda: bridge.status()["replays"] == [])

        bridge.command("replay", "--output", "erp", "--since", "1h", "--rate", "0.1")
        (replay,) = lines(bridge, "replay", "--list")
        assert b"cancelled: " in bridge.command("replay", "--cancel", replay["number"])
        assert bridge.status()["replays"] == []
        bridge.kill()
        bridge.start()
        assert bridge.status()["replays"] == []
        assert b"no replay 99" in bridge.command("replay", "--cancel", "99", code=65)


def test_the_commands_of_the_manual_work_as_they_stand_there(
    tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an event that is dead and a push that nothing understood: every command line of the section answers."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    section = page.partition("## Did that event get out, and if not, why?")[2].partition("\n## ")[0]
    shown = re.findall(r"^boxbridge (.*?)(?:  +#.*)?$", section, re.MULTILINE)
    assert len(shown) > 12
    web.status = 400
    named = '[device.DMB3160PWC21J00001]\nid = "gate-3"\n'
    with Installation(tmp_path, ARCHIVE + webhook(web) + named) as bridge:
        msg_id = push(bridge)
        wait_until(bridge, msg_id, "erp", "dead")
        assert bridge.push(b"nonsense")[0] == 400
        bridge.until(lambda: b"not JSON" in bridge.command("unknown", "list"))
        refused = {"unknown retry": 1, "outputs test": 69}  # still not understood, and HTTP 400
        named_here = {"01JDCEXAMPLE": msg_id, "12": "1"}
        for line in shown:
            code = refused.get(" ".join(line.split()[:2]), 0)
            bridge.command(*(named_here.get(word, word) for word in line.split()), code=code)
