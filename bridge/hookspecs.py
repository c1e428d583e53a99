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
    """Return the classes of outputs that the plugin brings. Called once at start, and by commands that list them."""


@hookspec
def register_normalizers() -> Iterable[Normalizer]:  # type: ignore[empty-body]
    """Return the normalizers that the plugin brings. Called once at start; earlier registered ones are asked first."""


@hookspec
def prepare_event(event: Event) -> Event | _Drop | None:
    """Enrich, rename or drop an event before it is stored.

    Implementations are called one after the other on the event loop, each with the event that the one before it
    returned. Return a changed copy (`event.with_(…)`), `DROP`, or None to leave it as it is. It must be quick: the
    device waits. One that raises, or makes an event that no document can hold, is logged and leaves it as it was.
    """


@hookspec(firstresult=True)
def deliver(output: Output, delivery: Delivery) -> Awaitable[str | None] | str | None:
    """Carry out one delivery; the core's own implementation calls `output.deliver(delivery)`.

    A plugin may wrap it (`@hookimpl(wrapper=True)`) to measure or change what an output is given, or replace it. For
    an output with `async def deliver` the result is an awaitable that has not run yet; for a plain one the hook is
    called in the output's thread. Exceptions mean what they mean in `Output.deliver`.
    """


@hookspec
def event_accepted(event: Event) -> None:
    """An event is on disk and its push is being answered. On the event loop; one that raises is only logged."""


@hookspec
def event_delivered(output: str, delivery: Delivery, seconds: float) -> None:
    """An output has taken an event. `seconds`: how long this attempt took. On the event loop, as above."""


@hookspec
def event_failed(output: str, delivery: Delivery, reason: str) -> None:
    """An attempt failed and the event is to be tried again, or its output is away. On the event loop, as above."""


@hookspec
def event_dead(output: str, delivery: Delivery, reason: str) -> None:
    """An event became a dead letter of an output. On the event loop, as above."""


@hookspec
def output_state_changed(output: str, state: str, reason: str) -> None:
    """An output's state changed: `open`, `waiting` (the far side is away) or `paused`. On the event loop, as above."""


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
    """Add commands to `boxbridge`, as `group.add_command(…)`; they may ask the installation when they run."""


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
