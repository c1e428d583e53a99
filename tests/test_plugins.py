"""Plugins come through one door, whatever they are, and one that is broken harms nobody."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge import DROP, Delivery, Event, Normalizer, Output, Rejected, hookimpl, loading
from bridge.errors import ConfigError
from bridge.event import decode_document, encode_document
from bridge.listener import Listener, tcp_socket
from bridge.plugins import Plugins
from bridge.testing import draw_scene, sample_event, sample_push
from bridge.testing.deliveries import sample_delivery
from bridge.testing.ports import HOST, free_port
from bridge.words import translated
from tests.daemon import bridge_with
from tests.rooms import Bringing, Far, async_output, opened, plain_output, until

pytestmark = pytest.mark.anyio

SNIPPETS = re.findall(
    r"^```python\n(.*?)^```", (Path(__file__).parent.parent / "docs/plugins.md").read_text(), re.MULTILINE | re.DOTALL
)
PRINTER = next(snippet for snippet in SNIPPETS if "class Printer" in snippet)
PLATES = next(snippet for snippet in SNIPPETS if "class Plates" in snippet)
CONTRACT = next(snippet for snippet in SNIPPETS if "class TestPlates" in snippet)


def write(folder: Path, name: str, text: str) -> Path:
    """A drop-in file."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def has_chinese(broken: str) -> bool:
    """Whether a sentence about a broken plugin is known by its own pattern; what Python itself says stays as it is."""
    fault = broken.partition("): ")[2]
    told = translated("zh", broken)
    return told.startswith("插件 ") and (fault not in told)


# --- The door


def test_built_ins_come_through_entry_points_and_the_core() -> None:
    plugins = Plugins().load()
    assert plugins.broken == []
    assert {"mqtt", "archive", "webhook"} <= plugins.outputs.keys()
    assert list(plugins.normalizers) == ["skill"]
    mqtt = next(plugin for plugin in plugins.loaded if plugin.name == "mqtt")
    assert (mqtt.origin, mqtt.outputs, mqtt.hooks) == ("boxbridge", ("mqtt",), ("register_outputs",))


def test_an_installed_package_brings_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "boxbridge_screen-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: boxbridge-screen\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text("[boxbridge]\nscreen = boxbridge_screen\n")
    write(tmp_path, "boxbridge_screen.py", PRINTER)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = Plugins().load()
    monkeypatch.delitem(sys.modules, "boxbridge_screen")
    assert plugins.broken == []
    loaded = next(plugin for plugin in plugins.loaded if plugin.name == "screen")
    assert (loaded.origin, loaded.version, loaded.outputs) == ("boxbridge-screen", "1.2", ("printer",))


@pytest.mark.parametrize(
    ("named", "what"),
    [("boxbridge_gone", "boxbridge_gone"), ("boxbridge_here:Gone", "boxbridge_here:Gone")],
    ids=["module", "object"],
)
def test_an_entry_point_that_is_gone_is_a_sentence_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, what: str
) -> None:
    information = tmp_path / "boxbridge_gone-1.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: boxbridge-gone\nVersion: 1.2\n")
    (information / "entry_points.txt").write_text(f"[boxbridge]\ngone = {named}\n")
    write(tmp_path, "boxbridge_here.py", PRINTER)
    monkeypatch.syspath_prepend(tmp_path)
    (broken,) = Plugins().load().broken
    monkeypatch.delitem(sys.modules, "boxbridge_here", raising=False)
    assert broken.reason == (
        f"plugin gone (boxbridge-gone): its entry point names {what}, which is not there: "
        "install boxbridge-gone anew, or take it away: boxbridge plugins uninstall boxbridge-gone"
    )


def test_two_plugins_that_bring_one_type_are_the_first_and_a_broken_one(tmp_path: Path) -> None:
    write(tmp_path, "one.py", PRINTER)
    write(tmp_path, "two.py", PRINTER)
    plugins = Plugins().load(tmp_path)
    (broken,) = plugins.broken
    assert broken.reason == (
        f'plugin two ({tmp_path}/two.py): output type "printer" is already there, from boxbridge_plugins.one: '
        "give this one another `type`"
    )
    assert "one" in [loaded.name for loaded in plugins.loaded]


def test_a_drop_in_file_brings_an_output(tmp_path: Path) -> None:
    file = write(tmp_path, "screen.py", PRINTER)
    plugins = Plugins().load(tmp_path)
    loaded = next(plugin for plugin in plugins.loaded if plugin.name == "screen")
    assert (loaded.origin, loaded.version, loaded.outputs) == (str(file), "", ("printer",))
    assert issubclass(plugins.outputs["printer"], Output)


def test_a_folder_that_is_not_there_has_no_plugins(tmp_path: Path) -> None:
    assert Plugins().load(tmp_path / "nowhere").broken == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def f(:\n", r"line 1: invalid syntax"),
        ("x = 1\nraise ValueError('not\\ntoday')\n", r"line 2: ValueError: not today"),
        ("\n\nimport nowhere\n",
         r"line 3: it needs the module nowhere, which is not there: install it beside boxbridge"),
        ("from bridge import Tomorrow\n",
         r"line 1: cannot import name 'Tomorrow' from 'bridge': .* 1.0 of the plugin API; install a newer one, or .*"),
        ("API_VERSION = (1, 1)\n",
         r"it was written for version 1.1, and .* 1.0 of the plugin API: .*, or an older version of bad"),
        ("API_VERSION = (2, 0)\n", r"it was written for version 2.0, and .* an older version of bad"),
        ("API_VERSION = (0, 9)\n", r"it was written for version 0.9, and .*: install a newer bad"),
        ("API_VERSION = '1'\n", r"its API_VERSION is '1': two numbers would be right, as in \(1, 0\)"),
        ("import sys\nsys.exit('no')\n", r"line 2: SystemExit: no"),
        ("import bridge\nbridge.nonsense\n", r"line 2: AttributeError: module 'bridge' has no attribute 'nonsense'"),
        ("from bridge import hookimpl\n@hookimpl\ndef register_outputs():\n    return 1 / 0\n",
         r"line 4: ZeroDivisionError: division by zero"),
        ("from bridge import hookimpl\n@hookimpl\ndef register_output():\n    return []\n",
         r'there is no hook "register_output", did you mean "register_outputs"\? \(there are: register_outputs, .*\)'),
        ("from bridge import hookimpl\n@hookimpl\ndef event_accepted(evnt):\n    pass\n",
         r'hook event_accepted is given no argument "evnt" \(there are: event\)'),
        ("from bridge import hookimpl\n@hookimpl\nasync def event_accepted(event):\n    pass\n",
         r"hook event_accepted must be a plain def, not async def"),
        (b"\xff\xfe".decode("latin-1") + "\n", r"line 1: .*"),
        ("x = 1\0\n", r"it is no Python source: source code string cannot contain null bytes"),
        ("import asyncio\nraise asyncio.CancelledError\n", r"line 2: CancelledError: "),
        ("x = 1\n", r"it has no hook: mark functions of these names with @hookimpl: register_outputs, .*"),
        ("def register_outputs():\n    return []\n",
         r"its function register_outputs is not marked as a hook: write @hookimpl above it"),
        ("from bridge import hookimpl\n@hookimpl\ndef register_outputs():\n    pass\n",
         r"register_outputs returned None, which is no list: return a list"),
        ("from bridge import hookimpl\n@hookimpl\ndef register_outputs():\n    return int\n",
         r"register_outputs returned <class 'int'>, which is no list: return a list"),
    ],
    ids=["syntax", "exception", "import", "newer name", "newer", "newer by far", "older", "no version", "exit",
         "face", "in a hook", "unknown hook", "argument", "async", "bytes", "null byte", "cancelled", "no hook",
         "unmarked", "returns None", "returns no list"],
)  # fmt: skip
def test_a_broken_drop_in_is_a_sentence_with_file_and_line(tmp_path: Path, text: str, sentence: str) -> None:
    file = write(tmp_path, "bad.py", text)
    write(tmp_path, "good.py", PRINTER)
    plugins = Plugins().load(tmp_path)
    (broken,) = plugins.broken
    assert broken.name == "bad"
    assert re.fullmatch(rf"plugin bad \({re.escape(str(file))}\): {sentence}", broken.reason)
    assert "printer" in plugins.outputs
    assert all(plugin.name != "bad" for plugin in plugins.loaded)
    assert has_chinese(broken.reason)


def test_a_syntax_error_in_what_a_drop_in_imports_names_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(tmp_path / "lib", "far_away.py", "x = (\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    write(tmp_path / "plugins", "bad.py", "import far_away\n")
    (broken,) = Plugins().load(tmp_path / "plugins").broken
    assert f"{other}, line 1: " in broken.reason


HANGING = """
import time

while True:
    try:
        time.sleep(60)
    except Exception:
        pass
"""


def test_one_that_hangs_at_its_import_is_interrupted_and_the_others_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "LOAD_SECONDS", 0.2)
    file = write(tmp_path, "hanging.py", HANGING)
    write(tmp_path, "screen.py", PRINTER)
    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0
    plugins = Plugins().load(tmp_path)
    (broken,) = plugins.broken
    assert broken.reason == (
        f"plugin hanging ({file}): line 6: it was not loaded within 0.2 s: what takes long belongs into open()"
    )
    assert "printer" in plugins.outputs
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0) == before


def test_plugins_are_loaded_in_any_thread(tmp_path: Path) -> None:
    write(tmp_path, "screen.py", PRINTER)
    with ThreadPoolExecutor(1) as pool:
        assert "printer" in pool.submit(Plugins().load, tmp_path).result().outputs


def test_what_one_prints_or_does_to_the_log_while_it_is_loaded_disturbs_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "import logging\nprint('hello')\nlogging.getLogger().addHandler(logging.StreamHandler())\n"
    write(tmp_path, "loud.py", text + PRINTER)
    handlers = [*logging.getLogger().handlers]
    assert "printer" in Plugins().load(tmp_path).outputs
    assert capsys.readouterr() == ("", "hello\n")
    assert logging.getLogger().handlers == handlers


async def test_a_broken_plugin_keeps_nobody_from_starting_but_who_needs_it(tmp_path: Path) -> None:
    file = write(tmp_path / "plugins", "bad.py", "raise ValueError('not today')\n")
    with structlog.testing.capture_logs() as log:
        async with bridge_with(tmp_path) as running, running.box() as box:
            assert (await box.push(sample_push(small=True))).success
    assert [line["reason"] for line in log if line["event"] == "a plugin could not be loaded"] == [
        f"plugin bad ({file}): line 1: ValueError: not today"
    ]
    with pytest.raises(ConfigError, match="not today"):
        async with bridge_with(tmp_path, '[output.screen]\ntype = "bad"\n'):
            pass


# --- What a plugin brings


class Untyped(Output):
    async def deliver(self, delivery: Delivery) -> None: ...


class Undelivering(Output):
    type = "mute"


class Nameless(Output):
    type = "\n"


class Yielding(Output):
    type = "yielding"

    def deliver(self, delivery: Delivery) -> Any:
        yield delivery


class AsyncYielding(Output):
    type = "yielding"

    async def deliver(self, delivery: Delivery) -> Any:
        yield delivery


class Taking(Output):
    type = "taking"

    def deliver(self) -> None:  # type: ignore[override]
        """Forgot what it is given."""


class Static(Output):
    type = "static"

    @staticmethod
    def deliver(delivery: Delivery) -> None:
        """Needs nothing of itself."""


class OddOptions(Output):
    type = "odd"

    class Options(Struct):
        number: complex = 1j

    async def deliver(self, delivery: Delivery) -> None: ...


class Lonely(Output):
    type = "lonely"
    unavailable = ConnectionError  # type: ignore[assignment]

    async def deliver(self, delivery: Delivery) -> None: ...


class Quoting(Output):
    type = "quoting"
    unavailable = ("httpx2.TransportError",)  # type: ignore[assignment]

    async def deliver(self, delivery: Delivery) -> None: ...


class WrongOptions(Output):
    type = "wrong"
    Options = dict  # type: ignore[assignment]

    async def deliver(self, delivery: Delivery) -> None: ...


class Unnamed(Normalizer):
    pass


class Named(Normalizer):
    name = "skill"


SINK = async_output("sink", Far())


@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        (Bringing(Untyped), 'output Untyped has no type: give it `type = "…"`'),
        (Bringing(Undelivering), "output Undelivering has no deliver(): write one"),
        (
            Bringing(Lonely),
            (
                "unavailable of output Lonely is <class 'ConnectionError'>, which is no tuple of exceptions: write "
                "`unavailable = (ConnectionError,)`"
            ),
        ),
        (
            Bringing(Quoting),
            (
                "unavailable of output Quoting is ('httpx2.TransportError',), which is no tuple of exceptions: write "
                "`unavailable = (ConnectionError,)`"
            ),
        ),
        (Bringing(WrongOptions), "Options of output WrongOptions are no struct: write `class Options(msgspec.Struct)`"),
        (Bringing(Nameless), 'output Nameless has no type: give it `type = "…"`'),
        (
            Bringing(Yielding),
            "deliver() of output Yielding holds a yield, so that a call runs nothing of it: take the yield out",
        ),
        (
            Bringing(AsyncYielding),
            "deliver() of output AsyncYielding holds a yield, so that a call runs nothing of it: take the yield out",
        ),
        (Bringing(Taking), "deliver() of output Taking can't take a delivery: write deliver(self, delivery)"),
        (
            Bringing(OddOptions),
            "Options of output OddOptions can't be understood: TypeError: type <class 'complex'> is not supported",
        ),
        (
            Bringing("mqtt"),
            "register_outputs returned 'mqtt', which is no subclass of Output: return classes",
        ),
        (Bringing(SINK, SINK), 'output type "sink" is there twice: give one of them another name'),
        (
            Bringing(async_output("mqtt", Far())),
            'output type "mqtt" is already there, from bridge_mqtt.output: give this one another `type`',
        ),
        (Bringing(normalizers=(Unnamed(),)), 'normalizer Unnamed has no name: give it `name = "…"`'),
        (
            Bringing(normalizers=(Named(),)),
            'normalizer "skill" is already there, from bridge.protocols.skill: give this one another `name`',
        ),
        (
            Bringing(normalizers=("x",)),
            "register_normalizers returned 'x', which is no instance of Normalizer: return instances",
        ),
    ],
    ids=lambda value: None if isinstance(value, Bringing) else value,
)
def test_what_a_plugin_brings_is_looked_at(plugin: object, sentence: str) -> None:
    plugins = Plugins().load()
    outputs, normalizers = dict(plugins.outputs), dict(plugins.normalizers)
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        plugins.register(plugin, "bringing")
    assert (plugins.outputs, plugins.normalizers) == (outputs, normalizers)
    assert has_chinese(f"plugin bringing (x): {sentence}")
    assert "bringing" not in [loaded.name for loaded in plugins.loaded]


def test_deliver_may_be_a_static_method() -> None:
    plugins = Plugins()
    plugins.register(Bringing(Static), "static")
    assert plugins.outputs == {"static": Static}


def test_a_plugin_of_a_name_that_is_taken_is_broken(tmp_path: Path) -> None:
    write(tmp_path, "mqtt.py", PRINTER)
    (broken,) = Plugins().load(tmp_path).broken
    assert 'there is a plugin "mqtt" already' in broken.reason


# --- prepare_event and observers


class Preparing:
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.given: list[Event] = []

    @hookimpl
    def prepare_event(self, event: Event) -> Any:
        self.given.append(event)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(event) if callable(self.answer) else self.answer


class First(Preparing):
    @hookimpl(tryfirst=True)
    def prepare_event(self, event: Event) -> Any:
        return super().prepare_event(event)


class Arguments:
    """Names no argument at all."""

    @hookimpl
    def prepare_event(self) -> Any:
        return DROP


def prepared(*plugins: object) -> tuple[Any, list[Any]]:
    """What becomes of the sample event, and what was logged."""
    loaded = Plugins()
    for number, plugin in enumerate(plugins):
        loaded.register(plugin, f"test {number}")
    with structlog.testing.capture_logs() as log:
        return loaded.prepare_event(sample_event(small=True)), list(log)


def appending(text: str) -> Any:
    return lambda event: event.with_(description=event.description + text)


def test_a_plugin_after_one_that_failed_can_read_the_pictures() -> None:
    read: list[int] = []
    failing, reading = (
        Preparing(KeyError("a bug")),
        Preparing(lambda event: read.append(len(event.scene.read_blocking()))),
    )
    prepared(failing, reading)
    assert failing.given
    assert read


def test_one_that_holds_the_event_loop_is_named_with_its_seconds_once_a_minute() -> None:
    def slow(_: Event) -> None:
        time.sleep(0.12)

    loaded = Plugins()
    loaded.register(Preparing(slow), "slow")
    loaded.register(Preparing(None), "quick")
    with structlog.testing.capture_logs() as log:
        for _ in range(2):
            loaded.prepare_event(sample_event(small=True))
    (line,) = log
    assert (line["plugin"], line["hook"], line["seconds"] >= 0.12) == ("slow", "prepare_event", True)


def test_one_that_fails_with_every_event_does_not_fill_the_log() -> None:
    loaded = Plugins()
    loaded.register(Preparing(KeyError("a bug")), "failing")
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            loaded.prepare_event(sample_event(small=True))
    assert [(line["event"], line["hook"], line["plugin"]) for line in log] == [
        ("plugin failed", "prepare_event", "failing")
    ]
    assert isinstance(log[0]["exc_info"], KeyError)


def test_one_that_fails_says_of_which_event_and_output() -> None:
    class Failing:
        @hookimpl
        def event_accepted(self, event: Event) -> None:
            raise KeyError("a bug")

        @hookimpl
        def event_dead(self, output: str, delivery: Delivery, reason: str) -> None:
            raise KeyError("a bug")

        @hookimpl
        def output_state_changed(self) -> None:
            raise KeyError("a bug")

    loaded, dead = Plugins(), sample_delivery(small=True)
    loaded.register(Failing(), "failing")
    with structlog.testing.capture_logs() as log:
        loaded.tell("event_accepted", event=dead.event)
        loaded.tell("event_dead", output="sink", delivery=dead, reason="no such gate")
        loaded.tell("output_state_changed", output="sink", state="open", reason="")
    assert [(line["hook"], line.get("output"), line.get("event_id")) for line in log] == [
        ("event_accepted", None, dead.event.id),
        ("event_dead", "sink", dead.event.id),
        ("output_state_changed", "sink", None),
    ]


def test_each_plugin_gets_what_the_one_before_it_returned() -> None:
    first, second = Preparing(appending("1")), Preparing(appending("2"))
    event, _ = prepared(first, Preparing(None), second)
    assert event.description.endswith("12")
    assert second.given[0].description.endswith("1")


def test_a_plugin_may_wish_to_be_first() -> None:
    event, _ = prepared(Preparing(appending("2")), First(appending("1")))
    assert event.description.endswith("12")


def test_a_dropped_event_is_dropped_and_later_plugins_are_not_asked() -> None:
    later = Preparing(None)
    event, _ = prepared(Preparing(DROP), later)
    assert event is DROP
    assert later.given == []
    assert prepared(Arguments())[0] is DROP


def with_what_no_document_holds(event: Event) -> Event:
    return event.with_(extra={"plate": object()})


def of_a_wrong_type(event: Event) -> Event:
    return event.with_(kind=3)


def spoiling_it_in_place(event: Event) -> None:
    event.extra["plate"] = object()


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("a bug"),
        SystemExit(1),
        True,
        {"kind": "x"},
        with_what_no_document_holds,
        of_a_wrong_type,
        spoiling_it_in_place,
    ],
    ids=["raises", "leaves", "no event", "a dict", "no document", "wrong type", "in place"],
)
def test_one_that_fails_or_returns_no_event_is_logged_and_changes_nothing(answer: Any) -> None:
    event, log = prepared(Preparing(appending("1")), Preparing(answer), Preparing(appending("2")))
    assert event.description.endswith("12")
    assert decode_document(encode_document(event)) == event
    assert [line["plugin"] for line in log] == ["test 1"]


async def test_a_push_is_kept_and_answered_whatever_a_plugin_does_to_its_event(tmp_path: Path) -> None:
    class Leaving:
        @hookimpl
        def event_accepted(self, event: Event) -> None:
            raise SystemExit(1)

    async with opened(tmp_path) as rooms:
        for number, plugin in enumerate((Preparing(spoiling_it_in_place), Preparing(SystemExit(1)), Leaving())):
            rooms.plugins.register(plugin, f"test {number}")
        assert (await rooms.push()).status == 200
        assert len(rooms.heard.accepted) == 1


class Observing:
    """Notes what it is told, and then fails."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def _note(self, *what: Any) -> None:
        self.told.append(what)
        raise ValueError("a bug")

    @hookimpl
    def event_accepted(self, event: Event) -> None:
        self._note("accepted", event.id)

    @hookimpl
    def event_delivered(self, output: str, seconds: float) -> None:
        self._note("delivered", output, seconds < 5)

    @hookimpl
    def event_dead(self, reason: str, delivery: Delivery) -> None:
        self._note("dead", delivery.event.id, reason)

    @hookimpl
    def output_state_changed(self, output: str, state: str, reason: str) -> None:
        self._note("state", output, state, reason)


async def test_observers_are_told_and_may_fail_without_harm(tmp_path: Path) -> None:
    observer, far = Observing(), Far()

    def reject_second(delivery: Delivery) -> None:
        if len(far.given) == 2:
            raise Rejected("too large")

    far.answer = reject_second
    async with opened(tmp_path, async_output("sink", far)) as rooms:
        rooms.plugins.register(observer, "observing")
        await until(lambda: rooms.report().state == "open")
        first, second = await rooms.push_some(2)
        await until(rooms.is_settled)
    assert sorted(observer.told) == [
        *sorted([("accepted", first), ("accepted", second)]),
        ("dead", second, "too large"),
        ("delivered", "sink", True),
        ("state", "sink", "open", "found"),
        ("state", "sink", "stopped", ""),
    ]


async def test_an_event_is_accepted_before_any_output_has_it(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    class Both:
        @hookimpl
        def event_accepted(self, event: Event) -> None:
            told.append((event.id, "accepted"))

        @hookimpl
        def event_delivered(self, delivery: Delivery) -> None:
            told.append((delivery.event.id, "delivered"))

    async with opened(tmp_path, async_output("one", Far()), plain_output("two", Far())) as rooms:
        rooms.plugins.register(Both(), "both")
        await asyncio.gather(*(rooms.push_some(20) for _ in range(8)))
        await until(lambda: rooms.is_settled("one") and rooms.is_settled("two"))
    first = dict(reversed(told))
    assert len(first) == 160
    assert set(first.values()) == {"accepted"}


# --- deliver


class Wrapping:
    """Goes around every delivery."""

    def __init__(self) -> None:
        self.around: list[str] = []

    @hookimpl(wrapper=True)
    def deliver(self, output: Output, delivery: Delivery) -> Generator[None, Any, Any]:
        delivering = yield
        if delivering is None:
            self.around.append(f"{output.name} plain {delivery.attempt}")
            return None

        async def around() -> None:
            await delivering
            self.around.append(f"{output.name} async {delivery.attempt}")

        return around()


async def test_a_plugin_may_wrap_the_delivery_of_both_kinds_of_outputs(tmp_path: Path) -> None:
    wrapping, one, two = Wrapping(), Far(), Far()
    async with opened(tmp_path, async_output("one", one), plain_output("two", two)) as rooms:
        rooms.plugins.register(wrapping, "wrapping")
        ids = await rooms.push_some(1)
        await until(lambda: len(wrapping.around) == 2)
    assert sorted(wrapping.around) == ["one async 1", "two plain 1"]
    assert one.ids() == two.ids() == ids


class Replacing:
    """Delivers elsewhere, for one output."""

    def __init__(self) -> None:
        self.took: list[str] = []

    @hookimpl
    def deliver(self, output: Output, delivery: Delivery) -> Awaitable[None] | None:
        return self._take(delivery) if output.name == "one" else None

    async def _take(self, delivery: Delivery) -> None:
        self.took.append(delivery.event.id)


async def test_a_plugin_may_replace_the_delivery_of_one_output(tmp_path: Path) -> None:
    replacing, one, two = Replacing(), Far(), Far()
    async with opened(tmp_path, async_output("one", one), async_output("two", two)) as rooms:
        rooms.plugins.register(replacing, "replacing")
        ids = await rooms.push_some(1)
        await until(lambda: rooms.is_settled("one") and rooms.is_settled("two"))
    assert (replacing.took, one.ids(), two.ids()) == (ids, [], ids)


# --- register_commands

COMMAND = """
import click
from bridge import hookimpl

@click.command("hello")
@click.option("--name", default="gate")
def hello(name):
    "Says hello."
    click.echo(f"hello {name}")

@hookimpl
def register_commands(group):
    group.add_command(hello)
    group.add_command(click.Command("run", callback=lambda: click.echo("not ours")))
"""


class Commanding:
    @hookimpl
    def register_commands(self, group: click.Group) -> None:
        group.add_command(click.Command("hello"))


def test_a_plugin_object_may_add_commands() -> None:
    plugins, group = Plugins(), click.Group()
    plugins.register(Commanding(), "commanding")
    plugins.hook.register_commands(group=group, installation=None)
    assert list(group.commands) == ["hello"]


def test_a_command_of_a_plugin_runs_beside_ours(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "hello.py", COMMAND)
    (tmp_path / "boxbridge.toml").write_text('plugins_dir = "plugins"\n')

    def boxbridge(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("boxbridge")), *arguments]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert boxbridge("hello", "--name", "north") == "hello north\n"
    shown = boxbridge("--help")
    assert "Says hello." in shown
    assert "not ours" not in boxbridge("run", "--help")
    (tmp_path / "boxbridge.toml").write_text("this is not TOML")
    assert "Says hello." not in boxbridge("--help")


# --- The plugins of the documentation


async def test_the_printer_of_the_documentation_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "plugins", "printer.py", PRINTER)
    async with bridge_with(tmp_path, '[output.screen]\ntype = "printer"\n') as running, running.box() as box:
        assert (await box.push(sample_push(small=True))).success
        await until(lambda: running.daemon.dispatcher.lanes["screen"].report().delivered == 1)
    printed = capsys.readouterr().out
    assert "pre_offvehicle DMB3160PWC21J00001 {'车辆在场': 0, '车辆离开': 2}" in printed


async def test_the_plates_of_the_documentation_are_posted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setitem(os.environ, "PLATES_KEY", "s3cret")
    posted: list[tuple[dict[str, str], str, bytes]] = []

    async def take(request: Request) -> Response:
        body = await request.body()
        posted.append((dict(request.query_params), request.headers["x-key"], body))
        return Response(status_code=503 if len(posted) == 1 else 204, headers={"retry-after": "0"})

    port = free_port()
    service = Listener(Starlette(routes=[Route("/events", take, methods=["POST"])]), [tcp_socket(f"{HOST}:{port}")])
    await service.start()
    write(tmp_path / "plugins", "plates.py", PLATES)
    table = f'[output.gate]\ntype = "plates"\nurl = "http://{HOST}:{port}/events"\nkey = "${{PLATES_KEY}}"\ngate = 7\n'
    scene = draw_scene(seed=1)
    async with bridge_with(tmp_path, table) as running, running.box() as box:
        assert (await box.push(sample_push(picture=scene, msg_id="m-1"))).success
        lane = running.daemon.dispatcher.lanes["gate"]
        await until(lambda: lane.report().delivered == 1)
        assert (lane.ledger.figures.outcomes[("unavailable",)], lane.report().dead) == (1, 0)
    await service.stop()
    (event_id,) = {query["id"] for query, _, _ in posted}
    assert posted == [({"gate": "7", "id": event_id}, "s3cret", scene)] * 2
    assert "s3cret" not in caplog.text


def test_the_plates_of_the_documentation_keep_the_contract_beside_them(tmp_path: Path) -> None:
    write(tmp_path, "boxbridge_plates.py", PLATES)
    write(tmp_path, "test_plates.py", CONTRACT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not grow"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert "contract of Plates: 15 kept =" in ended.stdout, ended.stdout


@pytest.mark.parametrize("snippet", [snippet for snippet in SNIPPETS if "@hookimpl" in snippet])
def test_every_plugin_of_the_documentation_loads(tmp_path: Path, snippet: str) -> None:
    write(tmp_path, "shown.py", snippet)
    plugins = Plugins().load(tmp_path)
    assert plugins.broken == []
    assert "shown" in [loaded.name for loaded in plugins.loaded]


async def test_the_other_plugins_of_the_documentation_do_what_they_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [snippet for snippet in SNIPPETS if "@hookimpl" in snippet and "class" not in snippet]
    for number, snippet in enumerate(shown):
        write(tmp_path / "plugins", f"shown_{number}.py", snippet)
    write(tmp_path / "plugins", "printer.py", PRINTER)
    tables = '[output.local]\ntype = "archive"\n[output.screen]\ntype = "printer"\n'
    async with bridge_with(tmp_path, tables) as running, running.box() as box:
        nobody = sample_push(small=True).replace(b'"count" : 2', b'"count" : 0')
        assert (await box.push(nobody)).success
        assert (await box.push(sample_push(small=True))).success
        await until(lambda: [r.delivered for r in running.daemon.dispatcher.reports()] == [1, 1])
        assert running.daemon.journal.next == 2
        (event,) = (await running.control.get("/api/v1/status")).json()["devices"]
        assert event == "DMB3160PWC21J00001"
    assert len(re.findall(r"^local has \w{26}$", capsys.readouterr().out, re.MULTILINE)) == 1
    (document,) = (tmp_path / "data/archive").glob("2*/*/*/*[!l].json")
    assert '"shift":"' in document.read_text()
