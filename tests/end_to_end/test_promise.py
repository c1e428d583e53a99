"""The promise: what was answered with success is delivered, through kills, outages and damage."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.testing import Box, sample_push
from tests.brokers import Mosquitto, Subscriber
from tests.end_to_end.installation import Installation, newest_segment, remove_index
from tests.end_to_end.test_main_job import delivered, message_id

PUSHES = 300


def mqtt(mosquitto: Mosquitto) -> str:
    """One output: the broker."""
    return f'[output.broker]\ntype = "mqtt"\nurl = "{mosquitto.url}"\n'


async def push_all(url: str, bodies: list[bytes], boxes: int = 8) -> list[str]:
    """Push bodies from several boxes at once; returns the msg_ids that were answered with success."""
    waiting = list(reversed(bodies))
    answered: list[str] = []

    async def one_box() -> None:
        async with Box(url) as box:
            while waiting:
                body = waiting.pop()
                try:
                    answer = await box.push(body)
                except (OSError, EOFError, TimeoutError):
                    return
                if answer.success:
                    answered.append(message_id(body))

    await asyncio.gather(*(one_box() for _ in range(boxes)))
    return answered


def cut_last_record(data: Path) -> None:
    """Cut the newest segment in the middle of its last record, as a power cut leaves it."""
    segment = newest_segment(data)
    content = segment.read_bytes()
    last = content.rfind(b"BXr1")
    written = len(content.rstrip(b"\0"))
    os.truncate(segment, last + (written - last) // 2)


def nothing(_data: Path) -> None:
    """Leave the files as the kill left them."""


@pytest.mark.parametrize("harm", [nothing, remove_index], ids=["killed", "index lost"])
def test_all_that_was_answered_while_the_broker_was_away_arrives_after_a_kill(
    tmp_path: Path, mosquitto: Mosquitto, harm: Callable[[Path], None]
) -> None:
    """Given a broker that is away, 300 answered pushes and a kill -9: 300 of 300 arrive, each with its picture."""
    bodies = [sample_push(small=True, device=f"BOX-{number % 7}") for number in range(PUSHES)]
    with Installation(tmp_path, mqtt(mosquitto)) as bridge:
        mosquitto.stop()
        answered = asyncio.run(push_all(bridge.url, bodies))
        bridge.kill()
        harm(bridge.data)
        mosquitto.start()
        with Subscriber(mosquitto) as subscriber:
            bridge.start()
            subscriber.wait(lambda s: len(set(delivered(s))) >= PUSHES, within=30)
            assert len(answered) == PUSHES
            assert set(delivered(subscriber)) == set(answered)
            pictures = [message for message in subscriber.messages if message.topic.endswith("/picture")]
            assert len(pictures) == len(delivered(subscriber))


def test_a_torn_last_record_costs_nothing_that_was_answered(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Given a last record cut in its middle, whose push counts as not answered: its neighbours arrive, and it may
    be pushed again."""
    bodies = [sample_push(small=True) for _ in range(PUSHES)]
    with Installation(tmp_path, mqtt(mosquitto)) as bridge:
        mosquitto.stop()
        answered = [message_id(body) for body in bodies if bridge.push(body)[1]["code"] == 0]
        bridge.kill()
        cut_last_record(bridge.data)
        mosquitto.start()
        with Subscriber(mosquitto) as subscriber:
            bridge.start()
            subscriber.wait(lambda s: len(set(delivered(s))) >= PUSHES - 1, within=30)
            assert set(delivered(subscriber)) == set(answered[:-1])
            assert bridge.push(bodies[-1])[1]["code"] == 0
            subscriber.wait(lambda s: set(delivered(s)) == set(answered))


def test_kills_under_load_lose_nothing_that_was_answered(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Given a kill -9 at some moment of a stream of pushes, five times over: all that was answered arrives."""
    answered: list[str] = []
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, mqtt(mosquitto)) as bridge:
        for moment in (0.05, 0.11, 0.17, 0.23, 0.31):
            answered += asyncio.run(push_and_kill(bridge, moment))
            bridge.start()
        subscriber.wait(lambda s: set(delivered(s)) >= set(answered), within=30)
        assert len(answered) > 20, "too little was pushed to prove anything"


async def push_and_kill(bridge: Installation, moment: float) -> list[str]:
    """Push a stream and kill the daemon in its middle; returns what was answered."""
    bodies = [sample_push(small=True) for _ in range(5000)]
    pushing = asyncio.create_task(push_all(bridge.url, bodies))
    await asyncio.sleep(moment)
    await asyncio.to_thread(bridge.kill)
    return await pushing


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_kill_in_the_middle_of_websocket_messages_loses_nothing_that_was_answered(
    tmp_path: Path, mosquitto: Mosquitto, share: float
) -> None:
    """Given 1,000 messages on 8 connections and a kill -9 among their answers: every answered one arrives."""
    bodies = [sample_push(small=True, channel=number % 16) for number in range(1000)]
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, mqtt(mosquitto)) as bridge:
        answered = asyncio.run(send_and_kill(bridge, bodies, connections=8, after=int(share * len(bodies))))
        assert len(answered) >= share * len(bodies)
        bridge.start()
        subscriber.wait(lambda s: set(delivered(s)) >= set(answered), within=30)


async def send_and_kill(bridge: Installation, bodies: list[bytes], connections: int, after: int) -> list[str]:
    """Send messages without waiting for answers, and kill the daemon after some; returns what was answered."""
    answered: list[str] = []
    enough = asyncio.Event()

    async def send(socket: ClientConnection, share: list[bytes]) -> None:
        with contextlib.suppress(ConnectionClosed):
            for body in share:
                await socket.send(body, text=True)

    async def talk(share: list[bytes]) -> None:
        async with connect(bridge.url.replace("http:", "ws:"), proxy=None) as socket:
            sending = asyncio.create_task(send(socket, share))
            with contextlib.suppress(ConnectionClosed):
                async for message in socket:
                    answer = msgspec.json.decode(message)
                    assert answer["code"] == 0
                    answered.append(answer["msg_id"])
                    if len(answered) >= after:
                        enough.set()
            await sending

    talking = [asyncio.create_task(talk(bodies[number::connections])) for number in range(connections)]
    await enough.wait()
    bridge.kill()  # here and now: this process reads no answer before the daemon is gone
    await asyncio.gather(*talking)
    return answered


def test_an_output_that_is_away_keeps_nobody_waiting(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Given one output whose far side is away, the other gets every event, and the events of the first wait."""
    dead = '[output.erp]\ntype = "webhook"\nurl = "http://127.0.0.1:9/hook"\n'
    with Subscriber(mosquitto) as subscriber, Installation(tmp_path, mqtt(mosquitto) + dead) as bridge:
        answered = asyncio.run(push_all(bridge.url, [sample_push(small=True) for _ in range(200)]))
        subscriber.wait(lambda s: set(delivered(s)) == set(answered))
        erp = next(lane for lane in bridge.status()["outputs"] if lane["name"] == "erp")
        assert (erp["state"], erp["waiting"], erp["dead"]) == ("waiting", 200, 0)
