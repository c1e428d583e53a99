"""One life of a journal in a process of its own: devices push, an output takes, and all of it is told as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bridge import Delivery, Output, PictureLost, hookimpl
from bridge.config.settings import OutputSettings, Settings
from bridge.dispatch.dispatcher import Dispatcher
from bridge.errors import FileTrouble
from bridge.journal import index, known, recovery, thinning, writer
from bridge.journal.journal import Journal, JournalUnavailable, Keep, Record, Stored
from bridge.output import NoOptions, Rejected, Retry, Unavailable
from bridge.plugins import Plugins
from tests.faults.history import Teller, digest, events_of, is_poison, pictures_of
from tests.journal.journals import TINY, a_push

KEEP_ALL = Keep(settled=1e9, dead=1e9)
KEEP_NOTHING = Keep(settled=-1, dead=1e9)
PATIENCE = 60.0

Job = dict[str, Any]
Mend = Callable[[], None]


def hasten() -> None:
    """Wait milliseconds where the journal would wait seconds for a better disk; do at once what takes many segments."""
    recovery._AGAIN_SECONDS = (0.001, 0.001)  # type: ignore[assignment,misc]
    writer._REOPEN_SECONDS = (0.005,)  # type: ignore[assignment,misc]
    known._LAZY_SECONDS = 0.02  # type: ignore[misc]
    index._CHECKPOINT_BYTES = 1  # type: ignore[misc]
    thinning._MERGE = 2  # type: ignore[misc]


class Life:
    """A journal that is open, its outputs, and the devices that push to it."""

    def __init__(self, folder: Path, teller: Teller, keep: Keep, *, dead_output: bool = False) -> None:
        self.say = teller.say
        self.journal = Journal(folder, keep, TINY)
        self.refused: list[str] = []
        self._outputs = ["sink", "away"] if dead_output else ["sink"]
        plugins = Plugins()
        plugins.register(_Bringing(_sink(self.say), _Away), "test")
        self._dispatcher = Dispatcher(self.journal, plugins)
        self._settings = Settings(
            site="plant-a",
            data=folder,
            timezone=ZoneInfo("UTC"),
            output={name: OutputSettings(type=name, options=NoOptions()) for name in self._outputs},
        )

    async def open(self) -> None:
        """Start; raises FileTrouble."""
        await self.journal.open(dict.fromkeys(self._outputs, "oldest"))
        self.say("open")
        await self._dispatcher.apply(self._settings)

    async def close(self) -> None:
        """End in good order."""
        await self._dispatcher.stop()
        await self.journal.close()

    async def push(self, msg_id: str) -> Stored | None:
        """A device pushes once; None where it is told to try again."""
        push, parsed = a_push(msg_id, events=events_of(msg_id), pictures=pictures_of(msg_id))
        self.say("sent", msg_id)
        try:
            stored = await self.journal.append(push, parsed, parsed.events)
        except JournalUnavailable:
            self.say("refused", msg_id)
            self.refused.append(msg_id)
            return None
        self.say("answered", msg_id, stored.sequence, stored.duplicate)
        return stored

    async def push_all(self, msg_ids: Iterable[str]) -> None:
        """Many devices push at the same time."""
        await asyncio.gather(*map(self.push, msg_ids))

    async def retain(self) -> None:
        """A pass of retention; one that fails is tried again later."""
        with contextlib.suppress(OSError):
            await self.journal._in_writer(self.journal._writer.housekeeping)

    async def log_cursors(self) -> None:
        """Bring to disk where the outputs stand, at once."""
        await self.journal._in_writer(self.journal._writer._log_cursors)

    async def index_all(self) -> None:
        """Bring the index up to date, at once."""
        await self.journal._in_writer(self.journal._writer.known.write_index)

    async def lose_index(self) -> None:
        """Have the index made again in the midst of things."""
        known = self.journal._writer.known

        def lose() -> None:
            with contextlib.suppress(OSError):
                known._index.set_aside()
            known.write_index()

        await self.journal._in_writer(lose)

    @property
    def is_settled(self) -> bool:
        """Whether the output has nothing left to do."""
        return self.journal.cursors["sink"].waiting(self.journal.next) == 0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that must come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def living(life: Life) -> AsyncIterator[Life]:
    """A life from its start to its end."""
    await life.open()
    try:
        yield life
    finally:
        await life.close()


async def do_walk(job: Job, folder: Path, teller: Teller, mend: Mend) -> None:
    """A whole walk; then the disk is mended, and what was refused must be taken."""
    life = await started(lambda: Life(folder, teller, KEEP_NOTHING), mend)
    await walk(life, job["name"])
    mend()
    await recover_from(life)
    if not job["hard"]:
        await life.close()


async def do_past(job: Job, folder: Path, teller: Teller, _mend: Mend) -> None:
    """Fill several segments, deliver all but the end, and begin no retention: the next life has something to let go."""
    life = Life(folder, teller, KEEP_ALL)
    await life.open()
    while len(life.journal.log.segments) < 3:
        await life.push(f"{job['name']}-{life.journal.next}")
    await until(lambda: life.is_settled, "all is delivered")
    await life.push(f"{job['name']}-poison")
    await until(lambda: life.is_settled, "all is delivered")
    await life.log_cursors()
    await life.index_all()
    await life.push_all([f"{job['name']}-end0", f"{job['name']}-end1"])


async def do_rest(_job: Job, folder: Path, teller: Teller, _mend: Mend) -> None:
    """Start and end, and nothing else."""
    async with living(Life(folder, teller, KEEP_ALL)):
        pass


async def do_push(job: Job, folder: Path, teller: Teller, mend: Mend) -> None:
    """Push, deliver and let go for ever, until something ends it, or every device did its part."""
    life = await started(lambda: Life(folder, teller, KEEP_NOTHING, dead_output=job["dead_output"]), mend)

    async def device(name: str) -> None:
        for n in range(job["lives"] or 10**6):
            if await life.push(f"{name}-{n}") is None:
                await asyncio.sleep(0.001)

    async def keeper() -> None:
        while True:
            await asyncio.sleep(0.01)
            await life.retain()

    keeping = asyncio.create_task(keeper())
    await asyncio.gather(*(device(f"{job['name']}-{number}") for number in range(3)))
    keeping.cancel()
    os._exit(0)


async def do_prove(job: Job, folder: Path, teller: Teller, mend: Mend) -> None:
    """Start on what a fault left, and tell what is there. Every device pushes once more what it ever sent."""
    life, again = Life(folder, teller, KEEP_ALL), job["again"]
    async with living(life):
        await until(lambda: life.is_settled, "the outputs have all that was there")
        teller.say("settled")
        if life.journal.closed_because is not None:
            teller.say("wrong", "no push is taken:", life.journal.closed_because)
        for msg_id in again:
            await life.push(msg_id)
        await until(lambda: life.is_settled, "the outputs have all that was pushed again")
        for entry in life.journal.cursors["sink"].dead_letters():
            read = await life.journal.read(entry.sequence)
            if not isinstance(read, Record):
                teller.say("unreadable", entry.sequence)
        await _tell_contents(life)


async def _tell_contents(life: Life) -> None:
    """What can be read from disk, with all its pictures."""
    sequence, journal = life.journal.log.first, life.journal
    while sequence < journal.next:
        read = journal.log.read_blocking(sequence)
        if isinstance(read, Record):
            try:
                proof = digest(read.pictures.read_blocking(entry.sha256) for entry in read.blob.pictures)
            except PictureLost:
                life.say("spoiled", read.blob.msg_id)
            else:
                if proof != digest(pictures_of(read.blob.msg_id)):
                    life.say("wrong", read.blob.msg_id, "is kept with other pictures")
            life.say("kept", read.sequence, read.blob.msg_id)
        sequence = read.until


async def started(make: Callable[[], Life], mend: Mend) -> Life:
    """Open; on a disk that fails this may be refused with a sentence, and must go well once the disk is mended."""
    life = make()
    try:
        await life.open()
    except FileTrouble as error:
        life.say("unopened", str(error).replace(" ", "_"))
        mend()
        life = make()
        await life.open()
    return life


async def walk(life: Life, name: str) -> None:
    """All that a journal ever does: accepting, delivering, another segment, retention, a rebuild, an output more."""
    for n in range(2):
        await life.push(f"{name}-one{n}")
    await life.push(f"{name}-poison")
    await life.push_all([f"{name}-many0", f"{name}-many1", f"{name}-many0"])
    first = life.journal.log.segments[-1]
    for n in range(12):
        await life.push(f"{name}-roll{n}")
        if life.journal.log.segments[-1] is not first:
            break
    await asyncio.sleep(0.005)  # what can be delivered is; on a disk that fails nobody knows how much that is
    await life.log_cursors()
    for _ in life.journal.log.segments:  # one at a time is thinned; then small ones become one
        await life.retain()
    await life.lose_index()
    await life.journal.place_output("later", "now")
    life.journal.places.notes.turn_away("refused", device="box", peer="127.0.0.1", reason="as a test")
    await life.push(f"{name}-last")


async def recover_from(life: Life) -> None:
    """The disk is well again: so must be the journal, without a restart."""
    await until(lambda: life.journal.closed_because is None, "pushes are taken again")
    refused, life.refused = life.refused, []
    for msg_id in refused:
        if await life.push(msg_id) is None:
            life.say("wrong", msg_id, "is refused on a disk that is well:", life.journal.closed_because)


def _sink(say: Callable[..., None]) -> type[Output]:
    class Sink(Output):
        type = "sink"

        async def deliver(self, delivery: Delivery) -> None:
            msg_id, number = delivery.event.description.split(" ")
            try:
                proof = digest([await picture.read() for picture in delivery.event.pictures])
            except PictureLost:
                proof = "lost"  # as the outputs do: the event itself is delivered
            except OSError as error:
                raise Retry(str(error)) from error
            if is_poison(msg_id):
                say("dead", msg_id, number)
                raise Rejected("poison")
            say("delivered", msg_id, number, proof)

    return Sink


class _Away(Output):
    type = "away"

    async def open(self) -> str | None:
        raise Unavailable("it is away")

    def deliver(self, delivery: Delivery) -> None:
        raise Unavailable("it is away")


class _Bringing:
    def __init__(self, *outputs: type[Output]) -> None:
        self._outputs = list(outputs)

    @hookimpl
    def register_outputs(self) -> list[type[Output]]:
        return self._outputs
