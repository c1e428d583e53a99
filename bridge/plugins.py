"""The plugins of a process: built-ins, installed packages and drop-in files, found and asked through one door."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy
import structlog
from msgspec import Struct

from bridge import __version__, hookspecs
from bridge.event import Event, decode_document, encode_document
from bridge.fitness import check_api, check_hooks, fit_normalizers, fit_outputs, listed
from bridge.loading import Unfit, import_entry, import_file, sentence, undisturbed
from bridge.normalizer import Normalizer
from bridge.output import Delivery, Output
from bridge.repeats import Repeats
from bridge.stopwatch import Stopwatch

log = structlog.get_logger("boxbridge.plugins")

GROUP = "boxbridge"
BUILT_IN = ("skill",)
"""Normalizers that come with the core, asked before all others."""


class LoadedPlugin(Struct, frozen=True, kw_only=True):
    """A plugin that is there, for `boxbridge plugins`."""

    name: str
    origin: str
    """The distribution it came in, or the drop-in file."""
    version: str
    hooks: tuple[str, ...]
    outputs: tuple[str, ...]
    normalizers: tuple[str, ...]


class BrokenPlugin(Struct, frozen=True, kw_only=True):
    """A plugin that could not be loaded; it stops the start only where the configuration needs it."""

    name: str
    reason: str
    """One sentence with the file and line."""


class _Implementation(Struct, frozen=True):
    """What one plugin does for a hook that runs on the event loop."""

    plugin_name: str
    argnames: Sequence[str]
    function: Callable[..., Any]


class _Core:
    """The core's own part in the hooks."""

    @hookspecs.hookimpl(trylast=True)
    def deliver(self, output: Output, delivery: Delivery) -> Any:
        return output.deliver(delivery)


class Plugins:
    """All plugins of this process: call `hook.NAME(…)` to ask them."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("boxbridge")
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(_Core(), "core")
        self.hook: Any = self._manager.hook
        self._in_order: dict[str, list[_Implementation]] = {}
        """Implementations by hook, kept because each event asks for them."""
        self.outputs: dict[str, type[Output]] = {}
        self.normalizers: dict[str, Normalizer] = {}
        self.loaded: list[LoadedPlugin] = []
        self.broken: list[BrokenPlugin] = []
        self._repeats = Repeats(log)

    def load(self, plugins_dir: Path | None = None) -> Plugins:
        """Load what is installed and what lies in the folder; what fails is in `broken`."""
        for name in BUILT_IN:
            module = f"bridge.protocols.{name}"
            self._add(name, "boxbridge", __version__, lambda module=module: importlib.import_module(module))
        for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
            distribution = entry.dist
            origin = distribution.name if distribution else entry.value
            version = distribution.version if distribution else ""
            self._add(entry.name, origin, version, lambda entry=entry: import_entry(entry))
        for file in sorted(plugins_dir.glob("*.py")) if plugins_dir else []:
            self.load_file(file)
        return self

    def load_file(self, file: Path) -> None:
        """Load one drop-in file; where it fails it is in `broken`."""
        self._add(file.stem, str(file), "", lambda: import_file(file))

    def register(self, plugin: object, name: str, origin: str = "", version: str = "") -> None:
        """Add one plugin object; raises ValueError with what is wrong with it, or what it raises itself."""
        check_api(plugin, name)
        check_hooks(plugin, self._manager)
        self._manager.register(plugin, name)
        self._in_order.clear()
        try:
            self._take(plugin, name, origin, version)
        except BaseException:
            self._manager.unregister(plugin)
            raise

    def unregister(self, name: str) -> None:
        """Take out one that only listened: what a plugin brought stays."""
        self._manager.unregister(name=name)
        self._in_order.clear()
        self.loaded = [plugin for plugin in self.loaded if plugin.name != name]

    def _take(self, plugin: object, name: str, origin: str, version: str) -> None:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        hooks = tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))

        def own(hook: str) -> list[Any]:
            return listed(hook, self._manager.subset_hook_caller(hook, others)(), marked=hook in hooks)

        outputs = fit_outputs(own("register_outputs"))
        taken = sorted(outputs.keys() & self.outputs.keys())
        if taken:
            there = self.outputs[taken[0]].__module__
            raise Unfit(f'output type "{taken[0]}" is already there, from {there}: give this one another `type`')
        normalizers = fit_normalizers(own("register_normalizers"))
        taken = sorted(normalizers.keys() & self.normalizers.keys())
        if taken:
            there = type(self.normalizers[taken[0]]).__module__
            raise Unfit(f'normalizer "{taken[0]}" is already there, from {there}: give this one another `name`')
        self.outputs |= outputs
        self.normalizers |= normalizers
        self.loaded.append(
            LoadedPlugin(
                name=name,
                origin=origin,
                version=version,
                hooks=hooks,
                outputs=tuple(outputs),
                normalizers=tuple(normalizers),
            )
        )

    def _add(self, name: str, origin: str, version: str, load: Any) -> None:
        try:
            if self._manager.has_plugin(name):
                raise Unfit(f'there is a plugin "{name}" already: give it another name')
            with undisturbed():
                self.register(load(), name, origin, version)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything; it must not harm the others
            self.broken.append(BrokenPlugin(name=name, reason=f"plugin {name} ({origin}): {sentence(error, origin)}"))

    def _implementations(self, hook: str) -> list[_Implementation]:
        """Those of one hook: `tryfirst` first, `trylast` last, else in the order in which plugins were loaded."""
        if hook not in self._in_order:
            found = sorted(getattr(self.hook, hook).get_hookimpls(), key=lambda one: one.trylast - one.tryfirst)
            self._in_order[hook] = [
                _Implementation(one.plugin_name, one.argnames, self._watched(one, hook)) for one in found
            ]
        return self._in_order[hook]

    def _watched(self, implementation: Any, hook: str) -> Callable[..., Any]:
        """Its function; one that is not our own is named in the log, once a minute, when it holds the event loop."""
        function: Callable[..., Any] = implementation.function
        if str(getattr(function, "__module__", "")).partition(".")[0] == "bridge":
            return function
        plugin, stopwatch = implementation.plugin_name, Stopwatch()

        def watched(*arguments: Any) -> Any:
            began = stopwatch.start()
            try:
                return function(*arguments)
            finally:
                if seconds := stopwatch.held(began):
                    self._repeats.warn("the plugin held the event loop; nobody was served meanwhile", hook, plugin,
                                       plugin=plugin, hook=hook, seconds=round(seconds, 3))  # fmt: skip

        return watched

    def prepare_event(self, event: Any) -> Any:
        """Let each plugin change the event in turn; returns the event or DROP.

        A change counts only when the event's document can be written and read.
        """
        for implementation in self._implementations("prepare_event"):
            before = encode_document(event)
            try:
                changed = implementation.function(*[event for _ in implementation.argnames])
                if changed is hookspecs.DROP:
                    return changed
                if not isinstance(changed, Event | None):
                    raise TypeError(f"prepare_event returned {type(changed).__name__}, which is no event")
                decode_document(encode_document(changed or event))
            except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
                self._failed("prepare_event", implementation.plugin_name, error, {"event": event})
                # What it had of the event may have been changed in its hands.
                event = decode_document(before).reading_as(event)
            else:
                event = changed or event
        return event

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call an observing hook; a plugin that raises is logged and harms nobody."""
        for implementation in self._implementations(hook):
            try:
                implementation.function(*[arguments[name] for name in implementation.argnames])
            except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
                self._failed(hook, implementation.plugin_name, error, arguments)

    def _failed(self, hook: str, plugin: str, error: BaseException, told: Mapping[str, Any]) -> None:
        """Once a minute: one that fails with every event would fill the log, and hold up all others by it."""
        named = {"hook": hook, "plugin": plugin, **_about(told)}
        self._repeats.warn("plugin failed", hook, plugin, **named, exc_info=error)


def _about(told: Mapping[str, Any]) -> dict[str, str]:
    """Which output and event a hook was told of."""
    named = {"output": told["output"]} if "output" in told else {}
    event = told["delivery"].event if "delivery" in told else told.get("event")
    return named | ({"event_id": event.id} if event else {})
