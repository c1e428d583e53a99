"""The dispatcher starts a lane for each output, and exchanges only what changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from bridge import Delivery, Original, Output, Rejected, Unavailable
from bridge.config.settings import Settings
from bridge.dispatch.policy import Verdict
from bridge.options import Duration
from bridge.output import OutputContext
from bridge.testing import sample_event
from tests.rooms import Far, async_output, opened, plain_output, until

pytestmark = pytest.mark.anyio


def changed(settings: Settings, output: str, **changes: object) -> Settings:
    """The settings with other values for one output."""
    outputs = settings.output | {output: msgspec.structs.replace(settings.output[output], **changes)}
    return msgspec.structs.replace(settings, output=outputs)


@pytest.mark.parametrize("make", [async_output, plain_output], ids=["async", "plain"])
async def test_an_event_that_comes_alone_is_delivered_at_once(tmp_path: Path, far: Far, make: object) -> None:
    moments: dict[str, float] = {}

    def note(delivery: Delivery) -> None:
        moments[delivery.event.id] = time.monotonic()

    far.answer = note
    async with opened(tmp_path, make("sink", far)) as rooms:  # type: ignore[operator]
        await until(lambda: rooms.report().state == "open")
        delays = []
        for _ in range(10):
            await rooms.push()
            answered = time.monotonic()
            await until(rooms.is_settled)
            delays.append(moments[rooms.heard.ids()[-1]] - answered)
    assert sorted(delays)[len(delays) // 2] < 0.05


async def test_each_output_gets_every_event(tmp_path: Path, far: Far) -> None:
    other = Far()
    async with opened(tmp_path, async_output("one", far), plain_output("two", other)) as rooms:
        ids = await rooms.push_some(5)
        await until(lambda: rooms.is_settled("one") and rooms.is_settled("two"))
    assert far.ids() == other.ids() == ids


async def test_the_report_says_how_an_output_stands(tmp_path: Path, far: Far) -> None:
    before = time.time()
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.settle(5)
        (report,) = rooms.dispatcher.reports()
        assert (report.name, report.type, report.state, report.reason) == ("sink", "sink", "open", "found")
        assert before <= report.since <= time.time()
        assert report.retry_in is None
        await rooms.push_some(2)
        await until(rooms.is_settled)
        (report,) = rooms.dispatcher.reports()
        assert (report.waiting, report.under_way, report.dead, report.delivered) == (0, 0, 0, 2)


async def test_it_settles_when_each_output_was_tried_once(tmp_path: Path, far: Far) -> None:
    def away() -> None:
        raise Unavailable("down", after=100)

    far.opening = away
    async with opened(tmp_path, async_output("sink", far), async_output("other", Far())) as rooms:
        await rooms.dispatcher.settle(5)
        assert [report.state for report in rooms.dispatcher.reports()] == ["waiting", "open"]


async def test_a_reload_leaves_alone_what_did_not_change(tmp_path: Path, far: Far) -> None:
    other = Far()
    async with opened(tmp_path, async_output("same", far), async_output("other", other)) as rooms:
        await rooms.dispatcher.settle(5)
        lane = rooms.lane("same")
        await rooms.dispatcher.apply(changed(rooms.settings, "other", timeout=Duration("5s")))
        await rooms.dispatcher.settle(5)
        assert rooms.lane("same") is lane
        assert far.calls == ["open"]
        assert other.calls == ["open", "close", "open"]
        ids = await rooms.push_some(1)
        await until(lambda: far.ids() == other.ids() == ids)


async def test_a_reload_with_another_place_exchanges_all(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.settle(5)
        settings = msgspec.structs.replace(rooms.settings, timezone=ZoneInfo("UTC"))
        await rooms.dispatcher.apply(settings)
        assert far.output.timezone == ZoneInfo("UTC")
        await rooms.dispatcher.settle(5)
    assert far.calls == ["open", "close", "open", "close"]


async def test_a_reload_stops_outputs_at_the_same_time(tmp_path: Path) -> None:
    """Given outputs that each take their time to close, none waits for another."""
    fars = {"one": Far(), "two": Far(), "three": Far()}
    closing = asyncio.Barrier(len(fars))

    def slow(name: str) -> type[Output]:
        class Slow(async_output(name, fars[name])):  # type: ignore[misc]
            async def close(self) -> None:
                await super().close()
                await closing.wait()

        return Slow

    async with opened(tmp_path, *map(slow, fars)) as rooms:
        await rooms.dispatcher.settle(5)
        async with asyncio.timeout(5):
            await rooms.dispatcher.apply(msgspec.structs.replace(rooms.settings, output={}))
    assert [far.calls for far in fars.values()] == [["open", "close"]] * 3


async def test_an_output_that_is_disabled_keeps_its_place(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        before = await rooms.push_some(1)
        await until(rooms.is_settled)
        await rooms.dispatcher.apply(changed(rooms.settings, "sink", enabled=False))
        assert rooms.dispatcher.reports() == []
        meanwhile = await rooms.push_some(2)
        await rooms.dispatcher.apply(rooms.settings)
        await until(rooms.is_settled)
    assert far.ids() == before + meanwhile


async def test_an_output_that_is_removed_and_comes_back_goes_on_where_it_stood(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.settle(5)
        await rooms.dispatcher.apply(msgspec.structs.replace(rooms.settings, output={}))
        assert far.calls == ["open", "close"]
        meanwhile = await rooms.push_some(2)
        await rooms.dispatcher.apply(rooms.settings)
        await until(lambda: far.ids() == meanwhile)


async def test_an_output_that_a_reload_adds_begins_with_the_next_event(tmp_path: Path, far: Far) -> None:
    new = Far()
    async with opened(tmp_path, async_output("sink", far), async_output("new", new)) as rooms:
        both = rooms.settings
        alone = msgspec.structs.replace(both, output={"sink": both.output["sink"]})
        await rooms.dispatcher.apply(alone)
        await rooms.push_some(2)
        added = msgspec.structs.replace(
            both, output=alone.output | {"added": msgspec.structs.replace(both.output["new"])}
        )
        await rooms.dispatcher.apply(added)
        ids = await rooms.push_some(1)
        await until(lambda: new.taken and len(far.taken) == 3)
        assert new.ids() == ids


async def test_an_output_that_a_reload_adds_disabled_begins_where_it_was_added(tmp_path: Path, far: Far) -> None:
    new = Far()
    async with opened(tmp_path, async_output("sink", far), async_output("new", new)) as rooms:
        both = rooms.settings
        await rooms.push_some(1)
        added = msgspec.structs.replace(both, output=both.output | {"added": both.output["new"]})
        await rooms.dispatcher.apply(changed(added, "added", enabled=False))
        ids = await rooms.push_some(2)
        await until(lambda: rooms.is_settled("new"))
        new.taken.clear()
        await rooms.dispatcher.apply(added)
        await until(lambda: new.ids() == ids)


async def test_two_outputs_of_one_type_stand_apart(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        settings = rooms.settings
        twice = msgspec.structs.replace(settings, output=settings.output | {"again": settings.output["sink"]})
        await rooms.dispatcher.apply(twice)
        (event,) = await rooms.push_some(1)
        await until(lambda: far.ids() == [event, event])
        assert sorted(rooms.heard.delivered) == [("again", event), ("sink", event)]


async def test_an_output_whose_constructor_fails_is_paused_and_the_others_go_on(tmp_path: Path, far: Far) -> None:
    class Unmade(async_output("unmade", Far())):  # type: ignore[misc]
        def __init__(self, context: OutputContext) -> None:
            super().__init__(context)
            raise KeyError("a bug")

    async with opened(tmp_path, Unmade, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(1)
        await until(lambda: far.ids() == ids)
        await until(lambda: rooms.report("unmade").state == "paused")
        assert rooms.report("unmade").reason == "it could not be made: KeyError: 'a bug'"
        assert rooms.report("unmade").waiting == 1


async def test_while_its_place_is_changed_an_output_is_stopped_and_then_goes_on(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.settle(5)
        async with rooms.dispatcher.apart("sink", rooms.settings):
            assert far.calls == ["open", "close"]
            ids = await rooms.push_some(1)
        await until(lambda: far.ids() == ids)


async def test_what_it_took_since_the_start_is_counted_over_pauses_and_other_tables(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push_some(2)
        await until(rooms.is_settled)
        async with rooms.dispatcher.apart("sink", rooms.settings):
            pass
        await rooms.push_some(1)
        await until(rooms.is_settled)
        assert rooms.report().delivered == 3
        assert rooms.dispatcher.figures["sink"].seconds.count == 3


async def test_one_that_is_no_longer_configured_is_not_started_when_its_place_was_changed(
    tmp_path: Path, far: Far
) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.settle(5)
        without = msgspec.structs.replace(rooms.settings, output={})
        await rooms.dispatcher.apply(without)
        async with rooms.dispatcher.apart("sink", without):
            pass
        assert rooms.dispatcher.reports() == []
    assert far.calls == ["open", "close"]


async def test_what_is_no_dead_letter_is_not_delivered_again(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(1)
        await until(rooms.is_settled)
        assert not rooms.dispatcher.again("sink", 1)
        ids += await rooms.push_some(1)
        await until(lambda: far.ids() == ids)


async def test_a_dead_letter_that_is_to_be_tried_again_while_its_output_is_stopped_waits_for_it(
    tmp_path: Path, far: Far
) -> None:
    def reject(_: Delivery) -> None:
        raise Rejected("no")

    far.answer = reject
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        ids = await rooms.push_some(1)
        await until(lambda: rooms.report().dead)
        await rooms.dispatcher.stop()
        assert rooms.dispatcher.again("sink", 1)
        far.answer = lambda _: None
        await rooms.dispatcher.apply(rooms.settings)
        await until(lambda: far.ids() == ids)


async def test_it_settles_at_once_without_outputs_and_in_time_with_one_that_hangs(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path) as rooms:
        await rooms.dispatcher.settle(60)
    far.opening = lambda: asyncio.sleep(60)
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.dispatcher.settle(0.01)
        assert rooms.report().state == "opening"


async def test_an_output_is_not_closed_while_it_is_tried_and_a_trial_counts_for_nothing(
    tmp_path: Path, far: Far
) -> None:
    """Given a trial under way: a trouble of the output closes it only when the trial has ended."""
    tried, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: Delivery) -> None:
        tried.set()
        await go_on.wait()
        raise Rejected("not this one")

    far.answer = wait
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await until(lambda: rooms.report().state == "open")
        event = sample_event(small=True)
        delivery = Delivery(event=event, document=b"{}", original=Original("POST", "/", "", "", ()), test=True)
        trial = asyncio.create_task(rooms.lane().try_out(delivery))
        await tried.wait()
        rooms.lane().lost(ConnectionError("gone"))
        await until(lambda: rooms.lane().door.trouble)
        assert await rooms.lane().try_out(delivery) is None
        assert "close" not in far.calls
        go_on.set()
        verdict = await trial
        await until(lambda: "close" in far.calls)
        assert verdict == Verdict("rejected", "not this one")
        assert rooms.dispatcher.figures["sink"].outcomes[("rejected",)] == 0


async def test_an_output_that_draws_on_scenes_is_reckoned_with_twice_their_size(tmp_path: Path, far: Far) -> None:
    class Drawing(msgspec.Struct):
        annotated: bool

    async with opened(tmp_path, async_output("sink", far)) as rooms:
        await rooms.push()
        await until(lambda: far.taken)
        await rooms.dispatcher.apply(changed(rooms.settings, "sink", options=Drawing(annotated=True)))
        await rooms.push()
        await until(lambda: len(far.taken) == 2)
    plain, drawn = (
        delivery.size - len(delivery.document) - sum(picture.size for picture in delivery.event.pictures)
        for delivery in far.taken
    )
    assert far.taken[1].event.scene is not None
    assert (plain, drawn) == (0, far.taken[1].event.scene.size)


async def test_an_output_is_told_what_stands_around_it(tmp_path: Path, far: Far) -> None:
    async with opened(tmp_path, async_output("one", far), plain_output("two", Far())) as rooms:
        await rooms.push()
        await until(lambda: far.taken)
        around = far.output.surroundings()
        assert dict(around.outputs) == {"one": "one", "two": "two"}
        assert list(around.devices) == [far.taken[0].event.device.id]


@pytest.mark.parametrize("make", [async_output, plain_output], ids=["async", "plain"])
async def test_what_an_output_says_of_a_delivery_is_kept_with_it(
    tmp_path: Path, far: Far, make: Callable[[str, Far], type[Output]]
) -> None:
    far.answer = lambda _: "scene left out"
    async with opened(tmp_path, make("sink", far)) as rooms:
        await rooms.push()
        await until(lambda: rooms.report("sink").delivered)
        change = rooms.journal.cursors["sink"]._changes[-1]
        assert (change.outcome, change.reason) == ("delivered", "scene left out")


async def test_one_that_is_no_longer_configured_clears_up_at_its_far_side_once(tmp_path: Path, far: Far) -> None:
    class Tidy(async_output("tidy", far)):  # type: ignore[misc]
        async def forget(self) -> str:
            return "all is gone"

    async with opened(tmp_path, Tidy) as rooms:
        await rooms.dispatcher.apply(msgspec.structs.replace(rooms.settings, output={}))
        assert await rooms.dispatcher.forget("tidy") == "all is gone"
        assert await rooms.dispatcher.forget("tidy") is None
