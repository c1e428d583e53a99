"""A data folder that is mounted read-only, as after a disk error: what only reads works, and the rest says why not."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.testing import sample_push
from tests.end_to_end.installation import COMMAND, Installation
from tests.journal.journals import running, store

MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
READ_ONLY = "Read-only file system"


def line(folder: Path, *command: object) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", MOUNTED, *map(str, (folder, *command))]


def read_only(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command that finds this folder read-only; nobody else does."""
    return subprocess.run(line(folder, *command), capture_output=True, text=True, timeout=60, check=False)


def _can_be_mounted() -> bool:
    return (
        os.geteuid() == 0 and bool(shutil.which("unshare")) and not read_only(Path(__file__).parent, "true").returncode
    )


pytestmark = pytest.mark.skipif(not _can_be_mounted(), reason="only root can mount, and not in every container")


async def make_journal(folder: Path) -> None:
    async with running(folder) as journal:
        await store(journal, "m", pictures=(b"picture",))


@pytest.fixture
def bridge(tmp_path: Path) -> Installation:
    """An installation with a stopped journal."""
    installation = Installation(tmp_path, f'[output.local]\ntype = "archive"\npath = "{tmp_path / "archive"}"\n')
    asyncio.run(make_journal(installation.data / "journal"))
    return installation


def test_check_and_export_read_it(bridge: Installation) -> None:
    checked = read_only(bridge.data, COMMAND, "journal", "check", "-c", bridge.config)
    assert (checked.returncode, checked.stderr) == (0, "")
    exported = read_only(bridge.data, COMMAND, "journal", "export", bridge.folder / "out", "-c", bridge.config)
    assert (exported.returncode, exported.stderr) == (0, "")
    assert exported.stdout == f"{bridge.folder / 'out'}: events: 1, pictures: 1\n"


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("run",), "can't listen on {data}/boxbridge.sock: "),
        (("journal", "rebuild"), "the index in {data}/journal can't be made: "),
        (("doctor", "disk"), "{data}/boxbridge-doctor.tmp: "),
    ],
)
def test_what_has_to_write_says_so(bridge: Installation, command: tuple[str, ...], what: str) -> None:
    ended = read_only(bridge.data, COMMAND, *command, "-c", bridge.config)
    assert ended.returncode == 74
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(what.format(data=bridge.data))
    assert READ_ONLY in last
    assert "Traceback" not in ended.stderr


def test_a_journal_alone_that_is_read_only_stays_whole(bridge: Installation) -> None:
    with bridge:
        assert bridge.push(sample_push(small=True))[0] == 200
        assert bridge.stop() == 0
    before = {path.name: path.read_bytes() for path in (bridge.data / "journal").glob("*.seg")}
    with bridge.log.open("wb") as log:
        daemon = subprocess.Popen(line(bridge.data / "journal", COMMAND, "run", "-c", bridge.config), stderr=log)
    try:
        bridge.until(lambda: "output local (archive) is open" in bridge.log.read_text())
        assert "the journal takes nothing more; devices are told to try again" in bridge.log.read_text()
    finally:
        daemon.terminate()
        assert daemon.wait(20) == 0
    assert {path.name: path.read_bytes() for path in (bridge.data / "journal").glob("*.seg")} == before
