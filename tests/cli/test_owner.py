"""Files of another user, and folders that this one may not use: one sentence with the remedy, from `run` and the rest.

As when root started it once by mistake, and the service's user can't use what that left. Here the roles are turned,
since an installation may be root's alone: the files are nobody's, and the command runs as a root who is let in no more
than others are.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.installation import COMMAND, Installation
from tests.journal.journals import newest_segment, running, store

ARCHIVE = '[output.local]\ntype = "archive"\n'
NOBODY = pwd.getpwnam("nobody")
AS_ANYBODY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


def _can_be_set() -> bool:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return False
    return subprocess.run([*AS_ANYBODY, "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not _can_be_set(), reason="only root can give files away, and needs setpriv to be let in less"
)


async def make_journal(folder: Path) -> None:
    async with running(folder) as journal:
        await store(journal, "m")


@pytest.fixture
def bridge(tmp_path: Path) -> Installation:
    """An installation with a stopped journal."""
    installation = Installation(tmp_path, ARCHIVE)
    asyncio.run(make_journal(installation.data / "journal"))
    return installation


def refused(bridge: Installation, *command: str) -> str:
    """Run a command that must end with 74; returns its last line."""
    line = [*AS_ANYBODY, str(COMMAND), *command, "-c", str(bridge.config)]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 74, ended
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def give_away(path: Path) -> Path:
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    path.chmod(0o700 if path.is_dir() else 0o600)
    return path


WRITERS = [("run",), ("journal", "rebuild")]
ALL = [*WRITERS, ("journal", "check"), ("journal", "export", "/nowhere/out")]


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_a_segment_of_anothers_is_named(bridge: Installation, command: tuple[str, ...]) -> None:
    path = give_away(newest_segment(bridge.data / "journal"))
    remedy = f"chown -R root {path.parent}, or run this as nobody"
    assert refused(bridge, *command) == f"{path} belongs to nobody, and root may not use it: {remedy}"


@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
@pytest.mark.parametrize("name", ["index.sqlite", "lock"])
def test_an_index_or_lock_of_anothers_is_named(bridge: Installation, command: tuple[str, ...], name: str) -> None:
    path = give_away(bridge.data / "journal" / name)
    remedy = f"chown -R root {path.parent}, or run this as nobody"
    assert refused(bridge, *command) == f"{path} belongs to nobody, and root may not use it: {remedy}"


def test_how_many_there_are_is_said(bridge: Installation) -> None:
    for path in (bridge.data / "journal").iterdir():
        give_away(path)
    assert "00000001.seg (and 2 more) belongs to nobody" in refused(bridge, "run")


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_a_folder_of_anothers_is_named(bridge: Installation, command: tuple[str, ...]) -> None:
    path = give_away(bridge.data / "journal")
    remedy = f"chown -R root {path}, or run this as nobody"
    assert refused(bridge, *command) == f"{path} belongs to nobody, and root may not use it: {remedy}"


def test_a_folder_that_can_not_be_made_names_the_one_above(bridge: Installation) -> None:
    shutil.rmtree(bridge.data / "journal")
    give_away(bridge.data).chmod(0o755)
    remedy = f"chown -R root {bridge.data}, or run this as nobody"
    assert refused(bridge, "run") == f"{bridge.data} belongs to nobody, and root may not use it: {remedy}"


def test_files_that_their_owner_may_not_read_are_named(bridge: Installation) -> None:
    path = newest_segment(bridge.data / "journal")
    path.chmod(0)
    assert refused(bridge, "run") == f"{path} may not be used by its owner: chmod -R u+rwX {path.parent}"


def test_what_root_makes_again_is_the_owners(bridge: Installation) -> None:
    folder = bridge.data / "journal"
    for path in [folder, *folder.iterdir()]:
        give_away(path)
    (folder / "index.sqlite").unlink()
    bridge.command("journal", "rebuild")
    assert {path.owner() for path in folder.iterdir()} == {"nobody"}
    assert (folder / "index.sqlite").exists()


def test_a_measurement_where_one_may_not_write_is_one_sentence(bridge: Installation) -> None:
    give_away(bridge.data).chmod(0o755)
    probe = bridge.data / "boxbridge-doctor.tmp"
    assert refused(bridge, "doctor", "disk").startswith(f"{probe}: Permission denied: run this as a user who may write")
