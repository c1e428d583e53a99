"""Which topic everything goes to. Ids become segments through `bridge.escape`, so two ids never share a topic."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from string import Formatter
from typing import Annotated, Final

from msgspec import Meta, Struct

from bridge import Event, Picture, did_you_mean, escape

_SITE: Final = ("base", "site")
_CHANNEL: Final = (*_SITE, "device", "channel", "kind", "late")
_NAMES: Final = {
    "state": _SITE,
    "info": _SITE,
    "device": (*_SITE, "device"),
    "event": _CHANNEL,
    "picture": _CHANNEL,
    "further": (*_CHANNEL, "role", "n"),
}
"""What each template may name."""
_NEEDED: Final = {"device": ("device",), "event": ("late",), "picture": ("late",), "further": ("late",)}
_REMEMBERED: Final = 4096


class Templates(Struct, frozen=True, kw_only=True):
    """Where everything goes. `{late}` is `late/` for old news and nothing otherwise."""

    state: Annotated[str, Meta(description="online, stopped or offline: how boxbridge is.")] = "{base}/{site}/state"
    info: Annotated[str, Meta(description="Version, outputs and devices.")] = "{base}/{site}/info"
    device: Annotated[str, Meta(description="online or offline: how a device is.")] = "{base}/{site}/{device}/state"
    event: Annotated[
        str, Meta(description="The event document.", examples=["{base}/{site}/{device}/{channel}/{late}event/{kind}"])
    ] = "{base}/{site}/{device}/{channel}/{late}event"
    picture: Annotated[str, Meta(description="The scene.")] = "{base}/{site}/{device}/{channel}/{late}picture"
    further: Annotated[str, Meta(description="Further pictures of an event, numbered by role.")] = (
        "{base}/{site}/{device}/{channel}/{late}picture/{role}/{n}"
    )

    def faults(self) -> Iterator[str]:
        """What is wrong with them, "template: what is wrong"."""
        taken: dict[str, str] = {}
        for field in self.__struct_fields__:
            template = getattr(self, field)
            yield from _faults_of(field, template)
            if taken.setdefault(template, field) != field:
                yield f'{field}: "{template}" is where {taken[template]} goes already'


def _faults_of(field: str, template: str) -> Iterator[str]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        yield f'{field}: "{template}" is no topic: {error}'
        return
    named = [name + (f"!{how}" if how else "") + (f":{form}" if form else "")
             for _, name, form, how in parts if name is not None]  # fmt: skip
    for name in named:
        if name not in _NAMES[field]:
            hint = did_you_mean(name, _NAMES[field]) or f" (there are: {', '.join(_NAMES[field])})"
            yield f'{field}: "{name}" is no name in this topic{hint}'
    for name in _NEEDED.get(field, ()):
        if name not in named:
            why = "or old news would come where people act on it" if name == "late" else "or all would share one topic"
            yield f"{field}: needs {{{name}}} in it, {why}"
    fixed = "".join(text for text, *_ in parts)
    if any(character in fixed for character in "+#\0") or template[:1] in ("", "$", "/") or template[-1] == "/":
        yield f'{field}: "{template}" is no topic; "boxbridge/{{site}}/{field}" would be one'


class Topics:
    """The topics of one site."""

    def __init__(self, base: str, site: str, templates: Templates | None = None) -> None:
        self._templates = templates or Templates()
        self._fixed = {"base": base, "site": escape(site)}
        self._filled = functools.lru_cache(_REMEMBERED)(self._fill)

    @property
    def state(self) -> str:
        """Where `online`, `stopped` or `offline` stands, retained."""
        return self._templates.state.format(**self._fixed)

    @property
    def info(self) -> str:
        """Where version, outputs and devices stand, retained."""
        return self._templates.info.format(**self._fixed)

    def device(self, device: str) -> str:
        """Where `online` or `offline` stands for a device, retained."""
        return self._templates.device.format(**self._fixed, device=escape(device))

    def event(self, event: Event, *, late: bool) -> str:
        """Where the document goes; old news has a topic of its own."""
        return self._filled(self._templates.event, event.device.id, event.channel.id, event.kind, late)

    def scene(self, device: str, channel: str, kind: str) -> str:
        """Where a scene goes that is no old news."""
        return self._filled(self._templates.picture, device, channel, kind, False)

    def event_of(self, device: str, channel: str, kind: str) -> str:
        """Where an event of this kind goes that is no old news."""
        return self._filled(self._templates.event, device, channel, kind, False)

    def pictures(self, event: Event, *, late: bool) -> Iterator[tuple[str, Picture]]:
        """Each picture with its topic: `picture` for the scene, `picture/<role>/<n>` for further ones, n from 1."""
        counted: dict[str, int] = {}
        scene = event.scene
        whose = event.device.id, event.channel.id, event.kind, late
        for picture in event.pictures:
            if picture is scene:
                yield self._filled(self._templates.picture, *whose), picture
            else:
                counted[picture.role] = counted.get(picture.role, 0) + 1
                yield self._filled(self._templates.further, *whose, picture.role, counted[picture.role]), picture

    def annotated(self, event: Event, *, late: bool) -> str:
        """Where the annotated copy of the scene goes: below the scene, in the place of a role."""
        return f"{self._filled(self._templates.picture, event.device.id, event.channel.id, event.kind, late)}/annotated"

    def _fill(self, template: str, device: str, channel: str, kind: str, late: bool, role: str = "", n: int = 0) -> str:
        return template.format(
            **self._fixed,
            device=escape(device),
            channel=escape(channel),
            kind=escape(kind),
            late="late/" if late else "",
            role=escape(role),
            n=n,
        )
