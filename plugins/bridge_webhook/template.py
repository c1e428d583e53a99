"""Bodies that a Jinja2 template of the configuration gives. The only module that needs Jinja2.

The text is its owner's, the values come from devices: so it is sandboxed, sees fields and calls nothing of them, and a
name that is not there is an error and never an empty text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import jinja2
import msgspec
import pybase64
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from bridge import Delivery, Rejected, did_you_mean
from bridge_webhook.sample import sample_delivery

_PROPERTIES = {"scene", "extension"}
"""What of an event or a picture is no field, and may be asked for all the same."""


class Template:
    """A template that compiles; raises ValueError, with its line, where it does not."""

    def __init__(self, text: str, timezone: tzinfo) -> None:
        environment = _Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        environment.policies["json.dumps_function"] = _json
        environment.filters["localtime"] = functools.partial(_localtime, timezone)
        try:
            self._parsed = environment.parse(text)
            self._template = environment.from_string(self._parsed)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"line {error.lineno} of the template: {error.message}") from None

    def render(self, delivery: Delivery, pictures: Mapping[int, bytes] | None, annotated: Mapping[int, bytes]) -> bytes:
        """The body; raises Rejected, with the template's line. Pictures by their place; None: not in the body."""
        try:
            return self._render(_values(delivery, pictures, annotated))
        except ValueError as error:
            raise Rejected(str(error)) from error

    def _render(self, values: dict[str, Any]) -> bytes:
        try:
            return self._template.render(values).encode()
        except Exception as error:  # the template's owner may have written anything
            line = _line(error)
            said = f"{error}" if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {error}"
            raise ValueError(
                f"line {line} of the template: {said}" if line else f"the template fails: {said}"
            ) from error

    def check(self, content_type: str, *, inline: bool) -> None:
        """Give the sample's body; raises ValueError where that fails, or is no JSON though it should be."""
        delivery, pictures = sample_delivery()
        values = _values(delivery, pictures if inline else None, {})
        self._check_names(values)
        body = self._render(values)
        if not re.match(r"application/([\w.-]+\+)?json\b", content_type):
            return
        try:
            json.loads(body)
        except ValueError as error:
            line = body.decode().split("\n")[getattr(error, "lineno", 1) - 1].strip()
            raise ValueError(
                f"gives no JSON where a name holds quotes, at: {line[:120]}; "
                "write {{ … | tojson }} without quotes around it"
            ) from None

    def _check_names(self, known: Mapping[str, Any]) -> None:
        """Raises ValueError for a name that is not there, in parts too that the sample does not come to."""
        unknown = meta.find_undeclared_variables(self._parsed) - known.keys()
        for node in self._parsed.find_all(nodes.Name):
            if node.name in unknown:
                what = f'"{node.name}" is not known{did_you_mean(node.name, known)} (there are: {", ".join(known)})'
                raise ValueError(f"line {node.lineno} of the template: {what}")


def faults_of_template(text: str, content_type: str, *, inline: bool) -> Iterator[str]:
    """`template: what is wrong` where the text compiles not or fails with the sample event."""
    try:
        Template(text, UTC).check(content_type, inline=inline)
    except ValueError as error:
        yield f"template: {error}"


class _Environment(ImmutableSandboxedEnvironment):
    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Of an event its fields alone: none of its methods, which read files and change copies."""
        if isinstance(obj, Struct):
            return attr in obj.__struct_fields__ or attr in _PROPERTIES
        return super().is_safe_attribute(obj, attr, value)


def _values(delivery: Delivery, pictures: Mapping[int, bytes] | None, annotated: Mapping[int, bytes]) -> dict[str, Any]:
    """What a template sees."""
    seen = {
        "event": delivery.event,
        "attempt": delivery.attempt,
        "late": delivery.late,
        "replayed": delivery.replayed,
        "test": delivery.test,
        "skipped": delivery.skipped,
        "link": delivery.link,
    }
    if pictures is None:
        return seen
    texts = [_base64(pictures.get(place)) for place in range(len(delivery.event.pictures))]
    scene = delivery.event.scene
    return seen | {
        "pictures": texts,
        "scene": texts[delivery.event.pictures.index(scene)] if scene else "",
        "annotated": _base64(next(iter(annotated.values()), None)),
    }


def _base64(picture: bytes | None) -> str:
    return pybase64.b64encode(picture or b"").decode()


def _json(value: Any, **_: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()  # of a name that is not there, str() raises what is wrong


def _localtime(timezone: tzinfo, time: datetime, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    return time.astimezone(timezone).strftime(pattern)


def _line(error: BaseException) -> int | None:
    """The template's line that an error comes from: Jinja2 puts it into the traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
