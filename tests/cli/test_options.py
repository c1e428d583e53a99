"""What commands share about the configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.options import load, service_environment, source_of
from bridge.config.settings import ServerSettings, Settings
from bridge.errors import ConfigError, NoConfiguration

PRINTER = """
from bridge import Output, hookimpl

class Printer(Output):
    type = "printer"
    def deliver(self, delivery):
        print(delivery.event.id)

@hookimpl
def register_outputs():
    return [Printer]
"""


def configuration(folder: Path, text: str) -> Path:
    file = folder / "boxbridge.toml"
    file.write_text(f'plugins_dir = "plugins"\n{text}')
    (folder / "plugins").mkdir(exist_ok=True)
    return file


def test_load_gives_settings_and_the_plugins_that_lie_in_plugins_dir(tmp_path: Path) -> None:
    file = configuration(tmp_path, '[output.screen]\ntype = "printer"\n')
    (tmp_path / "plugins" / "printer.py").write_text(PRINTER)
    settings, plugins = load(file)
    assert isinstance(settings, Settings)
    assert settings.output["screen"].type in plugins.outputs


def test_a_broken_plugin_is_told_where_the_configuration_needs_it(tmp_path: Path) -> None:
    file = configuration(tmp_path, '[output.screen]\ntype = "printer"\n')
    (tmp_path / "plugins" / "printer.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert f"plugin printer ({tmp_path}/plugins/printer.py)" in str(caught.value)
    assert "needs the module nowhere_to_be_found, which is not there" in str(caught.value)


def test_a_broken_plugin_that_nobody_needs_harms_nobody(tmp_path: Path) -> None:
    (file := configuration(tmp_path, "")).touch()
    (tmp_path / "plugins" / "printer.py").write_text("import nowhere_to_be_found\n")
    assert load(file)[0].output == {}


def test_without_a_configuration_there_are_the_defaults_but_not_for_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "TZ": "Asia/Tokyo"}
    assert source_of(None, environment).server == ServerSettings()
    assert str(source_of(None, environment).timezone) == "Asia/Tokyo"
    with pytest.raises(NoConfiguration):
        source_of(tmp_path / "none.toml", environment)


def test_the_service_s_environment_file_lies_below_the_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "env"
    file.write_text("# SECRET=no\n; A=no\n\nSECRET=s3 cret\nQUOTED=\"a 'b'\"\n SPACED = x \nMINE=theirs\nnonsense\n")
    monkeypatch.setenv("MINE", "mine")
    environment = service_environment(file)
    assert [environment[name] for name in ("SECRET", "QUOTED", "SPACED", "MINE")] == ["s3 cret", "a 'b'", "x", "mine"]
    assert "A" not in environment
    assert "# SECRET" not in environment


def test_no_environment_file_is_nothing_special(tmp_path: Path) -> None:
    assert "PATH" in service_environment(tmp_path / "none")
