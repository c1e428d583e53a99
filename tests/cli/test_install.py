"""`boxbridge plugins install` and `uninstall`, in an environment of the test's own, from a folder of wheels."""

from __future__ import annotations

import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import bridge

COMMAND = "from bridge.cli.main import main; raise SystemExit(main())"
PLUGIN = """
from bridge import Output, hookimpl

class Screen(Output):
    type = "screen"
    def deliver(self, delivery):
        print(delivery.event.id)

@hookimpl
def register_outputs():
    return [Screen]
"""


class Environment:
    """A virtual environment that has what this one has, and what is installed into it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.python = folder / "bin/python"
        (site,) = folder.glob("lib/python3*/site-packages")
        ours = [Path(bridge.__file__).parent.parent, *map(Path, {sysconfig.get_path("purelib")})]
        (site / "ours.pth").write_text("".join(f"{path}\n" for path in (*ours, ours[0] / "plugins")))

    def boxbridge(self, folder: Path, *arguments: str, code: int = 0) -> str:
        """Run a command of boxbridge there; returns what it says."""
        ended = subprocess.run(
            [self.python, "-c", COMMAND, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One for all tests here: making it takes seconds."""
    return Environment(tmp_path_factory.mktemp("environment"))


def wheel(
    folder: Path, version: str = "1.0", text: str = PLUGIN, needs: str = "boxbridge", group: str = "boxbridge"
) -> Path:
    """A wheel of the distribution boxbridge-screen."""
    file = folder / f"boxbridge_screen-{version}-py3-none-any.whl"
    information = f"boxbridge_screen-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("boxbridge_screen.py", text)
        archive.writestr(
            f"{information}/METADATA",
            f"Metadata-Version: 2.1\nName: boxbridge-screen\nVersion: {version}\nRequires-Dist: {needs}\n",
        )
        archive.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{information}/entry_points.txt", f"[{group}]\nscreen = boxbridge_screen\n")
        archive.writestr(f"{information}/RECORD", "")
    return file


def test_a_wheel_is_installed_listed_and_taken_away(environment: Environment, tmp_path: Path) -> None:
    file = wheel(tmp_path)
    said = environment.boxbridge(tmp_path, "plugins", "install", file.name, "--find-links", ".")
    assert (
        said == "boxbridge-screen 1.0 is installed, and brings: output screen. Restart boxbridge to have it loaded.\n"
    )
    assert "boxbridge-screen" in environment.boxbridge(tmp_path, "plugins")
    said = environment.boxbridge(tmp_path, "plugins", "uninstall", "boxbridge-screen", "--lang", "zh")
    assert said == "已卸载 boxbridge-screen。请重新启动 boxbridge，使其不再运行。\n"
    assert "boxbridge-screen" not in environment.boxbridge(tmp_path, "plugins")


def test_a_name_is_found_in_the_folder_and_a_changed_wheel_replaces_the_same_version(
    environment: Environment, tmp_path: Path
) -> None:
    file = wheel(tmp_path)
    assert "brings: output screen." in environment.boxbridge(
        tmp_path, "plugins", "install", "boxbridge-screen", "--find-links", str(tmp_path)
    )
    wheel(tmp_path, text=PLUGIN.replace('"screen"', '"panel"'))
    said = environment.boxbridge(tmp_path, "plugins", "install", str(file), "--find-links", str(tmp_path))
    assert "brings: output panel." in said
    environment.boxbridge(tmp_path, "plugins", "uninstall", "boxbridge-screen")


def test_a_plugin_never_replaces_boxbridge(environment: Environment, tmp_path: Path) -> None:
    file = wheel(tmp_path, needs="boxbridge>=99")
    said = environment.boxbridge(tmp_path, "plugins", "install", str(file), "--find-links", str(tmp_path), code=1)
    assert "boxbridge>=99" in said
    assert said.endswith("pip install failed, see above; nothing was changed\n")
    assert "boxbridge-screen" not in environment.boxbridge(tmp_path, "plugins")


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"group": "other"}, "brings no plugin: it has no entry point in the group boxbridge"),
        (
            {"text": "import nowhere\n"},
            (
                "can't be loaded; boxbridge plugins uninstall boxbridge-screen takes it away. plugin screen "
                "(boxbridge-screen): it needs the module nowhere, which is not there: install it beside boxbridge"
            ),
        ),
    ],
    ids=["no plugin", "broken"],
)
def test_a_package_that_brings_nothing_is_said(
    environment: Environment, tmp_path: Path, made: dict[str, str], sentence: str
) -> None:
    file = wheel(tmp_path, **made)
    said = environment.boxbridge(tmp_path, "plugins", "install", str(file), "--find-links", str(tmp_path), code=65)
    assert said == f"boxbridge-screen is installed, and {sentence}\n"
    subprocess.run([environment.python, "-m", "pip", "uninstall", "-qy", "boxbridge-screen"], check=True)


def test_what_is_no_package_and_what_is_not_there_is_said(environment: Environment, tmp_path: Path) -> None:
    said = environment.boxbridge(tmp_path, "plugins", "install", ".", code=2)
    assert said == ". is a folder: make a wheel of it first, with pip wheel --no-deps -w dist .\n"
    said = environment.boxbridge(tmp_path, "plugins", "uninstall", "boxbridge", code=2)
    assert said == 'no plugin is installed as "boxbridge": there are none\n'


def test_an_output_in_use_keeps_its_package(environment: Environment, tmp_path: Path) -> None:
    file = wheel(tmp_path)
    environment.boxbridge(tmp_path, "plugins", "install", str(file), "--find-links", str(tmp_path))
    configuration = tmp_path / "boxbridge.toml"
    configuration.write_text('[output.wall]\ntype = "screen"\n')
    said = environment.boxbridge(tmp_path, "plugins", "uninstall", "boxbridge-screen", code=2)
    assert said == "output wall is of type screen, which boxbridge-screen brings: remove its table first\n"
    configuration.unlink()
    environment.boxbridge(tmp_path, "plugins", "uninstall", "boxbridge-screen")


def test_without_pip_the_way_to_it_is_said(environment: Environment, tmp_path: Path) -> None:
    code = COMMAND.replace(
        "from",
        "import importlib.util as i; f = i.find_spec; i.find_spec = lambda n: None if n == 'pip' else f(n); from",
        1,
    )
    ended = subprocess.run(
        [environment.python, "-c", code, "plugins", "install", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, "there is no pip in" in ended.stderr, "-m ensurepip brings it" in ended.stderr) == (
        74,
        True,
        True,
    )
