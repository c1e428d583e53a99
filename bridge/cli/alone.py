"""One output alone, without a daemon: given a sample, or what the journal holds, it shows what it makes of each."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import DecodeError

from bridge.cli.journal import journal_folder, trouble_in
from bridge.cli.options import source_of
from bridge.cli.screen import show
from bridge.config.load import Source, no_output_type
from bridge.config.settings import Settings
from bridge.control.trial import trial_of
from bridge.dispatch.call import Caller, is_plain
from bridge.dispatch.dispatcher import made
from bridge.dispatch.policy import Verdict, delivered, judge
from bridge.errors import BadData, OutputUnreachable, UsageError
from bridge.journal.folder import survey
from bridge.journal.log import Log
from bridge.journal.push import Record
from bridge.journal.segment import Segment
from bridge.output import Delivery, Output
from bridge.plugins import Plugins
from bridge.protocols.skill import SkillNormalizer
from bridge.testing import sample_push
from bridge.words import say, translated

log = structlog.get_logger("boxbridge.dispatch")
_TABLE: Final[tuple[str, ...]] = ("site", "timezone", "late_after", "plugins_dir", "device")
"""What an output's settings depend on, besides its own table."""


def run_alone(config: Path | None, plugin: Path | None, name: str, newest: int, lang: str) -> None:
    """Try the output of this name; raises BridgeError, OutputUnreachable where it did not take everything.

    Its data folder is a temporary one: what a daemon keeps there is not touched.
    """
    with tempfile.TemporaryDirectory(prefix="boxbridge-alone-") as folder:
        settings, plugins = _load(source_of(config), plugin, name, Path(folder))
        deliveries = _newest(config, newest) if newest else [_sample(settings)]
        output = made(plugins.outputs[settings.output[name].type], settings.context(name))
        failed = asyncio.run(_Alone(output, settings, plugins, lang).run(deliveries))
    if failed:
        raise OutputUnreachable(f"output {name} did not take {failed}, see above")


def _load(source: Source, plugin: Path | None, name: str, folder: Path) -> tuple[Settings, Plugins]:
    """Settings with the one output, and the plugins, the file's too; raises ConfigError and BadData."""
    plugins = Plugins().load(source.plugins_dir)
    brought = _brought(plugins, plugin) if plugin else []
    outputs = source.tables.get("output", {})
    table = outputs.get(name) if isinstance(outputs, dict) else None
    if table is None:
        table = {"type": brought[0] if len(brought) == 1 else _type(name, plugins)}
    kept = {key: source.tables[key] for key in _TABLE if key in source.tables}
    alone = Source(
        file=source.file,
        tables={**kept, "data": str(folder), "output": {name: table}},
        places=source.places,
        environment=source.environment,
    )
    return alone.settings(plugins.outputs, [broken.reason for broken in plugins.broken]), plugins


def _brought(plugins: Plugins, file: Path) -> list[str]:
    """The types of outputs that a file brings; raises BadData where it can't be loaded."""
    file = file.absolute()
    # From `plugins_dir`, or installed in a way that leaves it in its place: it must not be there twice.
    if there := [type_ for type_, output in plugins.outputs.items() if _is_in(file, output)]:
        return there
    plugins.load_file(file)
    for broken in plugins.broken:
        if f"({file})" in broken.reason:
            raise BadData(broken.reason)
    return [type_ for loaded in plugins.loaded if loaded.origin == str(file) for type_ in loaded.outputs]


def _is_in(file: Path, output: type[Output]) -> bool:
    """Whether the code of an output is in this file."""
    return Path(inspect.getfile(output)).resolve() == file.resolve()


def _type(name: str, plugins: Plugins) -> str:
    if name in plugins.outputs:
        return name
    unknown = no_output_type(name, plugins.outputs, [])
    raise UsageError(f"there is no table [output.{name}], and {unknown}")


def _sample(settings: Settings) -> Delivery:
    body = sample_push(kind="test", device="boxbridge-test", targets=2)
    return trial_of(body, SkillNormalizer().parse, settings.site)


def _newest(config: Path | None, count: int) -> list[Delivery]:
    """The newest events of the journal, oldest first; it only reads, so a daemon may be at work."""
    folder = journal_folder(None, config)
    with trouble_in(folder):
        journal = Log(folder)
        for path, header in survey(folder).segments:
            journal.add(Segment(path, header))
        found: deque[Delivery] = deque(maxlen=count)
        for segment in reversed(journal.segments):
            found.extend(_deliveries(journal.pushes(segment.base)))
            if len(found) == count:
                break
        return list(found)


def _deliveries(records: Iterable[object]) -> Iterator[Delivery]:
    for record in records:
        if not isinstance(record, Record):
            continue
        for sequence in range(record.sequence, record.until):
            try:
                event = record.event(sequence)
            except DecodeError as error:
                log.warning("a record can't be understood; passed over", sequence=sequence, error=str(error))
                continue
            if event is not None:
                document = record.document(sequence)
                yield Delivery(event=event, document=document, original=record.original(), replayed=True)


class _Alone:
    """The life of one output, in which each event gets one attempt."""

    def __init__(self, output: Output, settings: Settings, plugins: Plugins, lang: str) -> None:
        self._output = output
        self._timeout = settings.output[output.name].timeout
        self._deliver = plugins.hook.deliver
        self._lang = lang
        self._caller = Caller(output.name, 1, self._held)

    async def run(self, deliveries: Iterable[Delivery]) -> int:
        """Open, deliver each, close; returns how many were not taken."""
        try:
            return await self._live(deliveries)
        finally:
            self._caller.close()

    async def _live(self, deliveries: Iterable[Delivery]) -> int:
        name, lang = self._output.name, self._lang
        verdict, found = await self._call(self._output.open, plain=is_plain(self._output.open))
        if verdict.kind != "delivered":
            raise OutputUnreachable(f"output {name} did not open: {verdict.reason}")
        show(say(lang, "alone open", name=name, found=translated(lang, str(found or ""))))
        failed = 0
        for delivery in deliveries:
            began = time.perf_counter()
            verdict, _ = await self._call(
                lambda delivery=delivery: self._deliver(output=self._output, delivery=delivery),
                plain=is_plain(self._output.deliver),
            )
            failed += verdict.kind != "delivered"
            show(self._line(delivery, verdict, time.perf_counter() - began))
        verdict, _ = await self._call(self._output.close, plain=is_plain(self._output.close))
        if verdict.kind != "delivered":
            show(say(lang, "alone not closed", reason=translated(lang, verdict.reason)))
        return failed

    async def _call(self, function: Any, *, plain: bool) -> tuple[Verdict, Any]:
        try:
            answer = await self._caller.call(function, self._timeout, self._overdue, plain=plain)
        except Exception as error:
            verdict = judge(error, self._output.unavailable)
            if verdict.unexpected:
                log.warning("output failed", output=self._output.name, exc_info=error)
            return verdict, None
        return delivered(answer), answer

    def _line(self, delivery: Delivery, verdict: Verdict, seconds: float) -> str:
        event = delivery.event
        line = f"{event.id}  {event.kind}  {event.device.id}/{event.channel.id}  {seconds * 1000:.0f} ms"
        told = say(self._lang, f"alone {verdict.kind}")
        reason = translated(self._lang, verdict.reason)
        return f"{line}  {say(self._lang, 'because', state=told, reason=reason) if reason else told}"

    def _held(self, seconds: float) -> None:
        log.warning("the output's code held the event loop", output=self._output.name, seconds=round(seconds, 3))

    def _overdue(self) -> None:
        log.warning("no answer within the output's timeout; waiting for its thread", output=self._output.name)
