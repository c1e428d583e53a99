"""Every hook that a plugin may implement. The docstrings are the reference documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import click
import pluggy

from bridge.event import Event
from bridge.normalizer import Normalizer
from bridge.output import Delivery, Output, OutputContext

hookspec = pluggy.HookspecMarker("boxbridge")
hookimpl = pluggy.HookimplMarker("boxbridge")
"""Marks a function or method as the implementation of the hook of the same name. It may leave out arguments."""


class _Drop:
    def __repr__(self) -> str:
        return "DROP"


DROP: Final = _Drop()
"""What `prepare_event` returns for an event that nobody wants: it is answered with success and kept nowhere."""


@hookspec
def register_outputs() -> Iterable[type[Output]]:  # type: ignore[empty-body]
    """Return the classes of outputs that the plugin brings.

    Called once when the plugin is loaded, by the daemon and by each command that needs plugins; so it must be quick and
    touch nothing. One that raises, or returns what is no output, makes the plugin a broken one: it stops the start only
    where the configuration needs it.
    """


@hookspec
def register_normalizers() -> Iterable[Normalizer]:  # type: ignore[empty-body]
    """Return the normalizers that the plugin brings: instances, of which each serves all pushes of its protocol.

    Called once when the plugin is loaded, as `register_outputs`; what it raises has the same effect. Normalizers are
    asked in the order in which plugins were loaded, the built-in one first.
    """


@hookspec
def prepare_event(event: Event) -> Event | _Drop | None:
    """Enrich, rename or drop an event before it is stored.

    Called by the intake, for each event of a push, after the configuration's aliases and before the journal: on the
    event loop, for one event at a time, each implementation with the event that the one before it returned. Return a
    changed copy (`event.with_(…)`), `DROP`, or None to leave it as it is. While it runs nobody is served and the device
    waits, so it must be quick and must not block. One that raises, or makes an event that no document can hold, is
    logged and leaves the event as it was. A push that comes twice may be seen twice; only one of both is stored.
    """


@hookspec(firstresult=True)
def deliver(output: Output, delivery: Delivery) -> Awaitable[str | None] | str | None:
    """Carry out one delivery; the core's own implementation calls `output.deliver(delivery)`.

    Called by each output's lane, once an attempt, for as many at once as the output's `in_flight` says. A plugin may
    wrap it (`@hookimpl(wrapper=True)`) to measure or change what an output is given, or replace it by returning
    something else than None. For an output with `async def deliver` it is called on the event loop, and the result is
    an awaitable that has not run yet; for a plain one it is called in a thread of the output's, where it may block. Its
    time counts for the output's `timeout`. Exceptions mean what they mean in `Output.deliver`, for this output.
    """


@hookspec
def event_accepted(event: Event) -> None:
    """An event is on disk, and its push is being answered.

    Called by the intake on the event loop, once an event, one at a time and before any output is given it; while it
    runs nobody is served, so it must not block. What it returns counts for nothing, and one that raises is only logged:
    this holds for the four hooks below too.
    """


@hookspec
def event_delivered(output: str, delivery: Delivery, seconds: float) -> None:
    """An output has taken an event. Called by its lane on the event loop, as `event_accepted`.

    `output`: its name in the configuration. `seconds`: how long this attempt took. A replay, or a repetition after a
    crash, tells it once more for the same event.
    """


@hookspec
def event_failed(output: str, delivery: Delivery, reason: str) -> None:
    """An attempt failed: the event is tried again, or its output is away. On the event loop, as `event_accepted`.

    `reason`: a sentence, 2000 characters at most. Where the output is away, it is told for each event that was under
    way.
    """


@hookspec
def event_dead(output: str, delivery: Delivery, reason: str) -> None:
    """An event became a dead letter of an output, with this reason. On the event loop, as `event_accepted`.

    One whose record is damaged has no delivery: it is only logged.
    """


@hookspec
def output_state_changed(output: str, state: str, reason: str) -> None:
    """An output's state changed. On the event loop, as `event_accepted`.

    `state`: `open`, `waiting` (the far side is away; it is tried again by itself), `paused` (until people resume it),
    or `stopped` (the daemon ends, or the configuration has another output of this name). `reason`: why; with `open`
    what was found.
    """


class Installation(Protocol):
    """What a command of a plugin may ask of the installation that it is called for.

    `config`: the configuration file where the command was given one; else it is looked for as always.
    """

    language: str
    """What its user reads: `en` or `zh`."""

    def outputs(self, type: str, config: Path | None = None) -> Sequence[OutputContext]:  # noqa: A002 - the key's name
        """What the configuration says of the outputs of a type; an error that it raises ends the command."""

    def ask(self, path: str, config: Path | None = None) -> Any:
        """What the running daemon answers at a path of its API, as JSON; raises as above, or LookupError for a 404."""


@hookspec
def register_commands(group: click.Group, installation: Installation) -> None:
    """Add commands to `boxbridge`, as `group.add_command(…)`; they may ask the installation when they run.

    Called where a command is named that is not built in, and for the list of all; never in the daemon. Names that are
    built in can't be replaced. What it raises is logged, and the other commands work.
    """


SPECIFICATIONS: tuple[Any, ...] = (
    register_outputs,
    register_normalizers,
    prepare_event,
    deliver,
    event_accepted,
    event_delivered,
    event_failed,
    event_dead,
    output_state_changed,
    register_commands,
)
