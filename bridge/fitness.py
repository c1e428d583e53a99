"""Whether a plugin, and what it brings, is fit for this boxbridge; Unfit says what is wrong and what would be right."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import pluggy
from msgspec import Struct

from bridge import API_VERSION, hookspecs
from bridge.config.schema import options_schema
from bridge.errors import did_you_mean
from bridge.loading import Unfit, dotted
from bridge.normalizer import Normalizer
from bridge.output import Output

_Brought = TypeVar("_Brought")

_HOOKS: Final = {hook.__name__: tuple(inspect.signature(hook).parameters) for hook in hookspecs.SPECIFICATIONS}
"""The arguments of each hook."""


# --- The plugin itself


def check_api(plugin: object, name: str) -> None:
    """Raises Unfit for a plugin that was written for an API that this boxbridge has not."""
    match getattr(plugin, "API_VERSION", API_VERSION):
        case (int(first), int(second)) as stated if (first, second) > API_VERSION:
            remedy = f"install a newer boxbridge, or an older version of {name}"
        case (int(first), int()) as stated if first < API_VERSION[0]:
            remedy = f"install a newer {name}"
        case (int(), int()):
            return
        case stated:
            raise Unfit(f"its API_VERSION is {stated!r}: two numbers would be right, as in {API_VERSION!r}")
    there = f"this boxbridge has version {dotted(API_VERSION)} of the plugin API"
    raise Unfit(f"it was written for version {dotted(stated)}, and {there}: {remedy}")


def check_hooks(plugin: object, manager: pluggy.PluginManager) -> None:
    """Raises Unfit for what is marked as a hook and is none, or is written otherwise than the hook."""
    marked = False
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is None:
            _check_unmarked(plugin, name)
            continue
        marked = True
        hook = options.get("specname") or name
        if hook not in _HOOKS:
            raise Unfit(f'there is no hook "{hook}"{did_you_mean(hook, _HOOKS)} (there are: {", ".join(_HOOKS)})')
        function = getattr(plugin, name)
        for argument, parameter in inspect.signature(function).parameters.items():
            if argument not in _HOOKS[hook] and parameter.default is parameter.empty:
                known = ", ".join(_HOOKS[hook]) or "none"
                raise Unfit(f'hook {hook} is given no argument "{argument}" (there are: {known})')
        if inspect.iscoroutinefunction(function) and hook != "deliver":  # nobody would await it
            raise Unfit(f"hook {hook} must be a plain def, not async def")
    if not marked:
        raise Unfit(f"it has no hook: mark functions of these names with @hookimpl: {', '.join(_HOOKS)}")


def _check_unmarked(plugin: object, name: str) -> None:
    """Raises Unfit for a function of a module that is written as a hook, and would never be called."""
    function = getattr(plugin, name, None)
    if name not in _HOOKS or not inspect.isfunction(function) or not inspect.ismodule(plugin):
        return
    if function.__module__ == plugin.__name__ and set(inspect.signature(function).parameters) <= {*_HOOKS[name]}:
        raise Unfit(f"its function {name} is not marked as a hook: write @hookimpl above it")


# --- What it brings


def listed(hook: str, answers: list[Any], *, marked: bool) -> list[Any]:
    """What a plugin's hook returned; raises Unfit where that is no list. pluggy leaves out a None."""
    if marked and not answers:
        raise Unfit(f"{hook} returned None, which is no list: return a list")
    for answer in answers:
        if not isinstance(answer, Iterable):
            raise Unfit(f"{hook} returned {answer!r}, which is no list: return a list")
    return [found for answer in answers for found in answer]


def fit_outputs(brought: Iterable[Any]) -> dict[str, type[Output]]:
    """The classes of outputs that a plugin brings, by type; raises Unfit."""
    return _by_name("output type", [(_checked(output).type, output) for output in brought])


def fit_normalizers(brought: Iterable[Any]) -> dict[str, Normalizer]:
    """The normalizers that a plugin brings, by name; raises Unfit."""
    return _by_name("normalizer", [(_named(normalizer).name, normalizer) for normalizer in brought])


def _checked(output: type[Output]) -> type[Output]:
    if not (isinstance(output, type) and issubclass(output, Output)):
        raise Unfit(f"register_outputs returned {output!r}, which is no subclass of Output: return classes")
    kind = getattr(output, "type", None)
    if not isinstance(kind, str) or not kind.strip() or not kind.isprintable():
        raise Unfit(f'output {output.__name__} has no type: give it `type = "…"`')
    _check_deliver(output)
    _check_unavailable(output)
    if not (isinstance(output.Options, type) and issubclass(output.Options, Struct)):
        raise Unfit(f"Options of output {output.__name__} are no struct: write `class Options(msgspec.Struct)`")
    try:
        options_schema(output.Options)
    except Exception as error:  # of its annotations, types or defaults
        *_, said = str(error).split("\n")
        fault = f"{type(error).__name__}: {said}"
        raise Unfit(f"Options of output {output.__name__} can't be understood: {fault}") from error
    return output


def _check_deliver(output: type[Output]) -> None:
    """Raises Unfit for one that nobody could call, or that would do nothing when called."""
    name = output.__name__
    if output.deliver is Output.deliver:
        raise Unfit(f"output {name} has no deliver(): write one")
    function = inspect.getattr_static(output, "deliver")
    if not inspect.isfunction(function):
        return
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise Unfit(f"deliver() of output {name} holds a yield, so that a call runs nothing of it: take the yield out")
    try:
        inspect.signature(function).bind(output, None)
    except TypeError:
        raise Unfit(f"deliver() of output {name} can't take a delivery: write deliver(self, delivery)") from None


def _check_unavailable(output: type[Output]) -> None:
    """Raises Unfit for a list that nothing an output raises could be held against."""
    named: Any = output.unavailable
    if not isinstance(named, tuple | list) or not all(_is_exception(one) for one in named):
        wanted = "which is no tuple of exceptions: write `unavailable = (ConnectionError,)`"
        raise Unfit(f"unavailable of output {output.__name__} is {named!r}, {wanted}")


def _is_exception(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseException)


def _named(normalizer: Normalizer) -> Normalizer:
    if not isinstance(normalizer, Normalizer):
        raise Unfit(
            f"register_normalizers returned {normalizer!r}, which is no instance of Normalizer: return instances"
        )
    if not isinstance(getattr(normalizer, "name", None), str):
        raise Unfit(f'normalizer {type(normalizer).__name__} has no name: give it `name = "…"`')
    return normalizer


def _by_name(what: str, brought: list[tuple[str, _Brought]]) -> dict[str, _Brought]:
    named = dict(brought)
    if len(named) < len(brought):
        names = [name for name, _ in brought]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unfit(f'{what} "{twice}" is there twice: give one of them another name')
    return named
