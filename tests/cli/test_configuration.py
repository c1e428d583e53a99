"""The commands about the configuration, as people call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import tomli
from click.testing import CliRunner

from bridge import __version__
from bridge.cli import configuration
from bridge.cli.main import cli
from bridge.errors import BridgeError

BOXBRIDGE = Path(sys.executable).with_name("boxbridge")

PLUGIN = '''
import asyncio
from pathlib import Path
from msgspec import Struct
from bridge import Output, Secret, Unavailable, hookimpl

class Place(Output):
    """Puts events in a place."""
    type = "place"

    class Options(Struct, kw_only=True):
        state: str = "well"
        key: Secret | None = None

    async def open(self):
        if self.options.state == "away":
            raise Unavailable("connection refused")
        if self.options.state == "slow":
            await asyncio.Event().wait()
        if self.options.state == "odd":
            raise KeyError
        return f"site {self.site}, data {self.data.name}, {self.timezone}, version {self.version}"

    async def deliver(self, delivery):
        pass

@hookimpl
def register_outputs():
    return [Place]
'''

HEAD = """\
site = "plant-a"
data = "data"
timezone = "Asia/Shanghai"
plugins_dir = "plugins"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder of its own, with a drop-in plugin."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "place.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOXBRIDGE_CONFIG", raising=False)
    yield tmp_path
    sys.modules.pop("boxbridge_plugins.place", None)


def boxbridge(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and error text of one command."""
    result = CliRunner().invoke(cli, arguments)
    if isinstance(result.exception, BridgeError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_init_writes_a_configuration_that_check_finds_right() -> None:
    code, said, _ = boxbridge("init", "mqtt", "archive", "-o", "my.toml")
    assert code == 0
    assert (
        said
        == """\
my.toml and boxbridge.schema.json are written. Fill in what is yours, then:
  boxbridge check --connect -c my.toml
  boxbridge run -c my.toml
"""
    )
    assert boxbridge("check", "-c", "my.toml")[0] == 0
    schema = json.loads(Path("boxbridge.schema.json").read_text())
    types = [output["title"] for output in schema["properties"]["output"]["additionalProperties"]["oneOf"]]
    assert {"archive", "mqtt", "webhook"} <= set(types)


def test_init_speaks_chinese() -> None:
    _, said, _ = boxbridge("init", "archive", "--lang", "zh")
    assert said.startswith("已生成 boxbridge.toml 和 boxbridge.schema.json。请填写您自己的内容，然后：\n")
    _, _, refused = boxbridge("init", "archive", "--lang", "zh", "-o", "nowhere/my.toml")
    assert refused.startswith("nowhere/my.toml 无法写入：")


def test_init_writes_boxbridge_toml_if_no_name_is_given() -> None:
    assert boxbridge("init", "archive")[1].endswith("\n  boxbridge check --connect\n  boxbridge run\n")
    assert list(tomli.loads(Path("boxbridge.toml").read_text())["output"]) == ["archive"]


def test_init_does_not_overwrite_unless_it_is_forced() -> None:
    Path("boxbridge.toml").write_text("mine")
    code, _, error = boxbridge("init", "archive")
    assert (code, error) == (
        74,
        "boxbridge.toml is there already; another name with -o, or --force overwrites it.",
    )
    assert Path("boxbridge.toml").read_text() == "mine"
    assert boxbridge("init", "archive", "--force")[0] == 0
    assert Path("boxbridge.toml").read_text() != "mine"


def test_init_names_the_types_there_are() -> None:
    code, _, error = boxbridge("init", "mqtt", "archiv")
    assert (code, error) == (
        2,
        'no output type "archiv", did you mean "archive"? (there are: archive, mqtt, webhook)',
    )
    assert not Path("boxbridge.toml").exists()


def test_init_says_why_it_can_not_write() -> None:
    assert boxbridge("init", "archive", "-o", "no/x.toml")[::2] == (
        74,
        "no/x.toml can't be written: No such file or directory.",
    )


def types_of(schema: str) -> list[str]:
    outputs = json.loads(schema)["properties"]["output"]["additionalProperties"]["oneOf"]
    return [output["title"] for output in outputs]


def test_init_and_schema_know_the_outputs_of_the_configuration_s_own_plugins() -> None:
    Path("boxbridge.toml").write_text(HEAD)
    code, _, _ = boxbridge("init", "place", "-o", "new.toml")
    assert code == 0
    assert 'plugins_dir = "plugins" ' in Path("new.toml").read_text()
    assert "place" in types_of(Path("boxbridge.schema.json").read_text())
    assert boxbridge("check", "-c", "new.toml")[0] == 0
    assert "place" in types_of(boxbridge("schema")[1])
    Path("elsewhere").mkdir()
    Path("boxbridge.toml").rename("elsewhere/old.toml")
    assert "place" not in types_of(boxbridge("schema")[1])
    Path("plugins").rename("elsewhere/plugins")
    assert "place" in types_of(boxbridge("schema", "-c", "elsewhere/old.toml")[1])
    assert boxbridge("init", "place", "-c", "elsewhere/old.toml", "-o", "new.toml", "--force")[0] == 0
    assert 'plugins_dir = "elsewhere/plugins" ' in Path("new.toml").read_text()


def test_init_takes_no_offence_at_a_configuration_that_it_is_to_replace() -> None:
    Path("boxbridge.toml").write_text("[")
    assert boxbridge("init", "archive", "--force")[0] == 0
    assert boxbridge("init", "archive", "-c", "none.toml", "--force")[0] == 78


def test_init_may_print_the_configuration(folder: Path) -> None:
    code, said, error = boxbridge("init", "archive", "-o", "-")
    assert (code, error) == (0, "")
    assert list(tomli.loads(said)["output"]) == ["archive"]
    assert [path.name for path in folder.iterdir()] == ["plugins"]


def test_init_without_a_type_is_a_usage_error() -> None:
    code, _, error = boxbridge("init")
    assert code == 2
    assert "Missing argument 'TYPE...'" in error


def test_check_says_what_the_configuration_comes_to(folder: Path) -> None:
    Path("boxbridge.toml").write_text(
        f'{HEAD}[output.a]\ntype = "place"\n[output.b]\ntype = "place"\nenabled = false\n[device.X]\nid = "gate-3"\n'
    )
    code, said, _ = boxbridge("check")
    assert code == 0
    assert (
        said
        == f"""\
boxbridge.toml is right.
  site        plant-a   Asia/Shanghai
  data        {folder}/data
  server      0.0.0.0:8600
  journal     quota 20%, settled events 7d, history 400d, dead letters 30d
  control     127.0.0.1:8601
  outputs     a (place)    b (place, paused)
  devices     X is gate-3
"""
    )


def test_check_warns_of_a_disk_with_hardly_room_for_a_journal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a share of a small disk, or a disk that others have filled; and none that can't be asked."""
    Path("boxbridge.toml").write_text(HEAD)
    small = (4096, 4096, 7680, 7680, 7680, 0, 0, 0, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(small))
    code, said, _ = boxbridge("check")
    assert code == 0
    expected = f"warning: the journal may have 6.3 MB of the disk below {folder}/data, and should have 100.0 MB: when "
    assert expected in said
    assert "警告：" in boxbridge("check", "--lang", "zh")[1]
    assert "事件日志只能使用 6.3 MB" in boxbridge("check", "--lang", "zh")[1]
    filled = (4096, 4096, 76_800_000, 100, 100, 0, 0, 0, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(filled))
    assert "the journal may have 0 B of" in boxbridge("check")[1]
    monkeypatch.setattr(os, "statvfs", Mock(side_effect=PermissionError))
    assert "warning" not in boxbridge("check")[1]


def test_check_says_all_that_is_wrong() -> None:
    Path("x.toml").write_text(f'{HEAD}[output.a]\ntype = "place"\nstat = 1\nkey = "${{NO_SUCH_KEY}}"\n')
    code, said, error = boxbridge("check", "-c", "x.toml")
    assert (code, said) == (78, "")
    assert (
        error
        == """\
x.toml:7:1  output.a: unknown key "stat", did you mean "state"?
x.toml:8:7  output.a.key: ${NO_SUCH_KEY} is not set
2 errors. Nothing was started."""
    )


@pytest.mark.parametrize(
    ("output", "key", "bounds"),
    [
        ('"mqtt"\nurl = "mqtt://h"', "connect_timeout", "a duration between 100ms and 1h"),
        ('"mqtt"\nurl = "mqtt://h"', "ack_timeout", "a duration between 100ms and 1h"),
        ('"webhook"\nurl = "http://127.0.0.1"', "connect_timeout", "a duration between 100ms and 1h"),
    ],
)
def test_a_built_in_output_waits_for_longer_than_nothing(output: str, key: str, bounds: str) -> None:
    Path("boxbridge.toml").write_text(f'{HEAD}[output.a]\ntype = {output}\n{key} = "0s"\n')
    code, _, error = boxbridge("check")
    assert code == 78
    assert f'output.a.{key}: "0s" is not {bounds}, such as "30s"' in error


def test_max_packet_is_larger_than_nothing() -> None:
    Path("boxbridge.toml").write_text(f'{HEAD}[output.a]\ntype = "mqtt"\nurl = "mqtt://h"\nmax_packet = "0B"\n')
    assert 'output.a.max_packet: "0B" is not a size of at least 1kB, such as "16MB"' in boxbridge("check")[2]


def test_two_outputs_that_would_disturb_each_other_are_refused(folder: Path) -> None:
    client = 'type = "mqtt"\nurl = "mqtt://127.0.0.1"\nclient_id = "gate"\n'
    Path("boxbridge.toml").write_text(
        f'{HEAD}[output.a]\ntype = "archive"\n[output.b]\ntype = "archive"\npath = "data/archive"\n'
        f"[output.c]\n{client}[output.d]\n{client}"
    )
    for command in ("check", "run"):
        code, said, error = boxbridge(command)
        assert (code, said) == (78, "")
        assert (
            error
            == f"""\
boxbridge.toml:9:8    output.b.path: output a has {folder}/data/archive already: each needs its own
boxbridge.toml:17:13  output.d.client_id: output c has client gate at mqtt://127.0.0.1 already: each needs its own
2 errors. Nothing was started."""
        )


def test_the_configuration_may_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("elsewhere.toml").write_text(HEAD)
    monkeypatch.setenv("BOXBRIDGE_CONFIG", "elsewhere.toml")
    assert boxbridge("check")[1].startswith("elsewhere.toml is right.\n")


def test_check_reads_the_service_s_environment_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "env").write_text("PLACE_KEY=hunter2\n")
    monkeypatch.setattr("bridge.cli.options.ENVIRONMENT_FILE", folder / "env")
    Path("boxbridge.toml").write_text(f'{HEAD}[output.a]\ntype = "place"\nkey = "${{PLACE_KEY}}"\n')
    assert boxbridge("check")[0] == 0


def test_check_connect_tries_every_output_that_is_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "PATIENCE", 0.2)
    outputs = "".join(
        f'[output.{state}]\ntype = "place"\nstate = "{state}"\n' for state in ("well", "away", "slow", "odd", "off")
    )
    Path("boxbridge.toml").write_text(f"{HEAD}{outputs}enabled = false\n")
    code, said, error = boxbridge("check", "--connect")
    assert said.splitlines()[-4:] == [
        f"well (place)  ok, site plant-a, data data, Asia/Shanghai, version {__version__}",
        "away (place)  connection refused",
        "slow (place)  no answer within 0.2 s",
        "odd (place)   KeyError",
    ]
    assert (code, error) == (69, "3 of 4 outputs can't be reached.")


def test_check_connect_is_fine_if_all_outputs_are() -> None:
    Path("boxbridge.toml").write_text(f'{HEAD}[output.a]\ntype = "place"\n')
    assert boxbridge("check", "--connect")[0] == 0


def test_config_shows_what_is_in_force_without_secrets() -> None:
    Path("boxbridge.toml").write_text(f'{HEAD}[output.a]\ntype = "place"\nkey = "hunter2"\n')
    code, said, _ = boxbridge("config")
    assert code == 0
    assert tomli.loads(said)["output"]["a"] == {
        "type": "place",
        "enabled": True,
        "from": "now",
        "backlog": "30d",
        "timeout": "30s",
        "retry_for": "24h",
        "state": "well",
        "key": "<secret>",
    }
    assert "hunter2" not in said


def test_schema_prints_that_of_the_configuration_or_of_events() -> None:
    assert json.loads(boxbridge("schema")[1])["title"] == "boxbridge"
    assert boxbridge("schema", "config") == boxbridge("schema")
    assert "specversion" in boxbridge("schema", "event")[1]
    assert boxbridge("schema", "else")[0] == 2


def test_the_installed_command_says_errors_and_exits_78() -> None:
    Path("boxbridge.toml").write_text("sit = 1\n")
    done = subprocess.run([BOXBRIDGE, "check"], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == (
        'boxbridge.toml:1:1  unknown key "sit", did you mean "site"?\n1 error. Nothing was started.\n'
    )
