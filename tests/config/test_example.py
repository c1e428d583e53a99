"""The example is right as it stands, and what it comments out is right too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tomli
from msgspec import Meta, Struct

from bridge.config.example import WIDTH, example
from bridge.config.load import read
from bridge.config.password import hashed
from bridge.errors import ConfigError
from bridge.options import Duration, Secret, Size
from bridge.output import Output
from bridge.plugins import Plugins
from tests.certificates import self_signed

REPOSITORY = Path(__file__).parents[2]


class Login(Struct, kw_only=True):
    user: str
    password: Secret


class OddOptions(Struct, kw_only=True, rename={"from_": "from-port"}):
    url: Annotated[str, Meta(description="Where to.", examples=["odd://192.168.1.10"])]
    kind: Literal["one", "two"]
    count: int
    wait: Duration
    key: Annotated[Secret | None, Meta(description="Signs.")] = None
    from_: Annotated[int, Meta(description="A port. " + "Long. " * 20)] = 7
    room: Size | None = None
    hosts: list[str] = []
    login: Login | None = None


class Odd(Output):
    """Brings events somewhere odd.

    And more about it.
    """

    type = "odd"
    Options = OddOptions


class Guarded(Output):
    type = "guarded"

    class Options(Struct):
        api_key: Secret


def settings_of(text: str, folder: Path, outputs: dict[str, type[Output]], environment: dict[str, str]) -> None:
    (folder / "x.toml").write_text(text, "utf-8")
    read(folder / "x.toml", environment).settings(outputs)


def uncommented(text: str) -> str:
    """The example with every key in it taken out of its comment."""
    lines = [re.sub(r"^# (?=\[?[\w.-]+(\]| = ))", "", line) for line in text.splitlines()]
    common = next(index for index, line in enumerate(lines) if line.startswith("# Each table [output.NAME]"))
    rest = lines.index("", common)
    return "\n".join(lines[:common] + lines[rest:])


def test_the_repository_s_example_is_what_is_generated() -> None:
    outputs = Plugins().load().outputs
    assert (REPOSITORY / "config.example.toml").read_text("utf-8") == example(["archive", "mqtt", "webhook"], outputs)


def test_the_repository_s_example_loads() -> None:
    found = read(REPOSITORY / "config.example.toml", {}).settings(Plugins().load().outputs)
    assert [output.type for output in found.output.values()] == ["archive", "mqtt", "webhook"]


def test_an_example_reads_well() -> None:
    block = example(["odd"], {"odd": Odd}).split("\n\n")[-3]
    assert (
        block
        == f"""\
[output.odd]                     # Brings events somewhere odd.
type = "odd"
url = "odd://192.168.1.10"       # Where to.
kind = "one"
count = 1
wait = "30s"
# key = "${{ODD_KEY}}"             # Signs.
#   A port. {"Long. " * 17}Long.
#   Long. Long.
# from-port = 7
# room = "16MB"
# hosts = []
# login = {{ user = "text", password = "${{ODD_PASSWORD}}" }}"""
    )


def test_no_line_is_too_long() -> None:
    assert max(map(len, example(["odd"], {"odd": Odd}).splitlines())) <= WIDTH


def test_an_example_loads_as_it_stands(tmp_path: Path) -> None:
    settings_of(example(["odd", "odd"], {"odd": Odd}), tmp_path, {"odd": Odd}, {})


def test_all_that_is_commented_out_loads_too(tmp_path: Path) -> None:
    text = uncommented(example(["odd"], {"odd": Odd}))
    assert tomli.loads(text)["output"]["odd"].keys() > {"key", "from-port", "room", "hosts", "login"}
    assert tomli.loads(text)["device"]["SERIAL"]["channels"] == {"1": "north"}
    self_signed(tmp_path / "secrets")
    secrets = {"ODD_KEY": "k", "ODD_PASSWORD": "p", "BOX_TOKEN": "gates-and-cars"}
    settings_of(text, tmp_path, {"odd": Odd}, secrets | {"CONSOLE_PASSWORD": hashed("a long one")})


def test_a_secret_that_is_needed_is_asked_for_by_name(tmp_path: Path) -> None:
    text = example(["guarded"], {"guarded": Guarded})
    with pytest.raises(ConfigError, match=r"output\.guarded\.api_key: \$\{GUARDED_API_KEY\} is not set"):
        settings_of(text, tmp_path, {"guarded": Guarded}, {})


def test_two_outputs_of_a_type_have_names_of_their_own() -> None:
    assert list(tomli.loads(example(["odd", "odd"], {"odd": Odd}))["output"]) == ["odd", "odd-2"]
