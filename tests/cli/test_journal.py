"""`boxbridge journal`, as it is installed: on stopped journals, on damaged ones, beside a daemon."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import tarfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest

from bridge.journal import segment
from bridge.journal.inspect import What
from bridge.journal.record import Kind
from bridge.testing import sample_push
from tests.end_to_end.installation import COMMAND, Installation
from tests.journal.journals import damage, newest_segment, records, running, store
from tests.rooms import opened

pytestmark = pytest.mark.anyio
ARCHIVE = '[output.local]\ntype = "archive"\n'


def journal(*arguments: object, code: int = 0, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run a command of the group; it must end with this code."""
    line = [str(COMMAND), "journal", *map(str, arguments)]
    ended = subprocess.run(line, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60, check=False)
    assert ended.returncode == code, ended
    return ended


async def stopped(folder: Path, count: int = 5) -> Path:
    """A stopped journal with some pushes."""
    async with running(folder) as opened:
        for n in range(count):
            await store(opened, f"m{n}", pictures=(b"picture %d " % n * 300,))
    return folder


async def test_check_of_a_sound_journal_is_one_line_and_0(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    said = journal("check", "--folder", folder).stdout
    assert said.startswith(f"{folder}: 1 segment, ")
    assert said.endswith("events 1 to 5; events read: 5, pictures: 5: all is well\n")


async def test_a_fast_check_does_not_call_well_what_it_did_not_read(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    said = journal("check", "--fast", "--folder", folder).stdout
    assert said.endswith("; of the newest segment, events read: 5, pictures: 5: all is well\n")
    path = newest_segment(await stopped(folder))  # the second start begins a segment
    damage(folder / "00000001.seg", records(folder / "00000001.seg", Kind.PUSH)[2].offset + 60)
    assert path.name == "00000002.seg"
    said = journal("check", "--fast", "--folder", folder).stdout
    assert said.endswith("; of the newest segment, events read: 0, pictures: 0: well; the others were not read\n")
    said = journal("check", "--fast", "--lang", "zh", "--folder", folder).stdout
    assert said.endswith("；仅读取最新一段：事件 0，图片 0：该段正常；其余各段未读取\n")


async def test_check_names_damage_and_ends_with_65(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    path = newest_segment(folder)
    damage(path, records(path, Kind.PUSH)[2].offset + 60)
    ended = journal("check", "--folder", folder, code=65)
    assert ended.stdout.startswith(f"{path.name}: event 3 (")
    assert ended.stderr == f"1 fault in {folder}\n"
    report: dict[str, Any] = msgspec.json.decode(journal("check", "--json", "--folder", folder, code=65).stdout)
    assert (report["sound"], report["events"], report["next"]) == (False, 4, 6)
    (finding,) = report["findings"]
    assert (finding["what"], finding["sequence"], finding["file"]) == ("event", 3, path.name)


async def test_check_speaks_chinese_too(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    damage(newest_segment(folder), records(newest_segment(folder), Kind.PUSH)[2].offset + 60)
    ended = journal("check", "--lang", "zh", "--folder", folder, code=65)
    assert re.search(r"事件 3（[0-9A-Z]{26}）已损坏（字节 \d+ 至 \d+）", ended.stdout)
    assert "已读取：事件 4，图片 4" in ended.stdout
    assert ended.stderr == f"{folder} 中有 1 处问题\n"


async def test_check_shows_progress_at_a_terminal(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    ours, theirs = pty.openpty()
    try:
        said = journal("check", "--folder", folder, stderr=theirs).stdout
        assert b"100%" in os.read(ours, 10_000)
        assert "%" not in said
    finally:
        os.close(ours)
        os.close(theirs)


def test_check_works_beside_a_daemon(tmp_path: Path) -> None:
    with Installation(tmp_path, ARCHIVE) as bridge:
        bridge.push(sample_push(small=True))
        assert b"events read: 1, pictures: 1: all is well" in bridge.command("journal", "check")
        bridge.push(sample_push(small=True))
        bridge.until(lambda: all(output["waiting"] == 0 for output in bridge.status()["outputs"]))


async def test_a_newer_format_is_refused_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(segment, "FORMAT_VERSION", 2)
        folder = await stopped(tmp_path / "journal")
    path = newest_segment(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    said = journal("check", "--folder", folder, code=65).stderr
    what = f"{path} has format 2; this version reads up to 1"
    assert said == f"{what}. Nothing was touched: use the newer version\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "journal"
    remedy = "the first `boxbridge run` makes a journal, or name one with --folder"
    assert journal("check", "--folder", missing, code=74).stderr == f"{missing} is not there: {remedy}\n"


async def test_rebuild_makes_a_damaged_index_again(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    (folder / "index.sqlite").write_bytes(b"nonsense" * 1000)
    damage(newest_segment(folder), records(newest_segment(folder), Kind.PUSH)[2].offset + 60)
    journal("check", "--folder", folder, code=65)
    assert "; events in it: 4\n" in journal("rebuild", "--folder", folder).stdout
    (finding,) = msgspec.json.decode(journal("check", "--json", "--folder", folder, code=65).stdout)["findings"]
    assert finding["what"] == "event"


async def test_rebuild_names_damage_in_the_language_and_time_zone_of_its_reader(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    damage(newest_segment(folder), records(newest_segment(folder), Kind.PUSH)[2].offset + 60)
    config = tmp_path / "boxbridge.toml"
    config.write_text('timezone = "Pacific/Kiritimati"\n')
    said = journal("rebuild", "--lang", "zh", "--folder", folder, "--config", config).stderr
    assert "error    事件已损坏或缺失  sequence=3 count=1\n" in said
    assert "damage" not in re.sub(r"file=\S+", "", said)
    logged = datetime.strptime(said[:16], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo("Pacific/Kiritimati"))
    assert abs(datetime.now(UTC) - logged).total_seconds() < 600


def test_rebuild_beside_a_daemon_names_it_and_touches_nothing(tmp_path: Path) -> None:
    with Installation(tmp_path, ARCHIVE) as bridge:
        bridge.push(sample_push(small=True))
        before = (bridge.data / "journal" / "index.sqlite").stat()
        said = bridge.command("journal", "rebuild", code=74).decode()
        assert bridge.process is not None
        assert f"journal is in use by process {bridge.process.pid}: stop it first" in said
        assert (bridge.data / "journal" / "index.sqlite").stat().st_ino == before.st_ino


async def test_an_index_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    folder = await stopped(tmp_path / "journal")
    (folder / "index.sqlite-wal").mkdir()
    said = journal("rebuild", "--folder", folder, code=74).stderr.splitlines()[-1]
    assert said.startswith(f"the index in {folder} can't be made: ")
    assert said.endswith("Is a directory: '" + str(folder / "index.sqlite-wal") + "'; the next start tries again")


async def pushed(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """A stopped journal with four real pushes of two devices; and their bodies by msg_id."""
    bodies = {f"m{n}": sample_push(small=True, device=f"gate-{n % 2}", msg_id=f"m{n}") for n in range(4)}
    async with opened(folder) as rooms:
        for body in bodies.values():
            await rooms.push(body)
    return folder / "journal", bodies


async def test_export_takes_documents_pictures_and_requests(tmp_path: Path) -> None:
    folder, bodies = await pushed(tmp_path)
    out = tmp_path / "out"
    said = journal("export", out, "--original", "--folder", folder).stdout
    assert said == f"{out}: events: 4, pictures: 4\n"
    (day,) = out.iterdir()
    documents = [msgspec.json.decode(path.read_bytes()) for path in day.glob("*.json")]
    assert len(documents) == 4
    for document in documents:
        (picture,) = document["data"]["pictures"]
        assert sha256((day / f"{document['id']}.picture0.jpg").read_bytes()).hexdigest() == picture["sha256"]
        assert (day / f"{document['id']}.original").read_bytes() == bodies[document["data"]["msg_id"]]
    assert not out.with_name("out.part").exists()


async def test_export_into_an_archive_is_the_same(tmp_path: Path) -> None:
    folder, _ = await pushed(tmp_path)
    journal("export", tmp_path / "out", "--folder", folder)
    journal("export", tmp_path / "out.tar", "--folder", folder)
    expected = {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in (tmp_path / "out").glob("*/*")}
    with tarfile.open(tmp_path / "out.tar") as tar:
        members = {member.name: tar.extractfile(member) for member in tar}
        assert {name: file.read() for name, file in members.items() if file} == expected
    assert len(expected) == 8


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--device", "gate-1"], 2),
        (["--device", "gate-7"], 0),
        (["--kind", "pre_offvehicle"], 4),
        (["--kind", "fire"], 0),
        (["--since", "1h"], 4),
        (["--until", "1h"], 0),
        (["--since", "2001-01-01", "--until", "2001-01-02"], 0),
    ],
)
async def test_export_takes_what_is_asked_for(tmp_path: Path, filters: list[str], count: int) -> None:
    folder, _ = await pushed(tmp_path)
    said = journal("export", tmp_path / "out", *filters, "--folder", folder).stdout
    assert said == f"{tmp_path / 'out'}: events: {count}, pictures: {count}\n"


async def test_export_makes_no_folder_that_is_named_like_another_kind_of_archive(tmp_path: Path) -> None:
    folder, _ = await pushed(tmp_path)
    for name in ("out.tar.gz", "out.ZIP"):
        said = journal("export", tmp_path / name, "--folder", folder, code=74).stderr
        assert said.startswith(f"{tmp_path / name}: of archives only .tar is written")
        assert "只支持 .tar" in journal("export", tmp_path / name, "--lang", "zh", "--folder", folder, code=74).stderr
    journal("export", tmp_path / "out.TAR", "--folder", folder)
    assert tarfile.is_tarfile(tmp_path / "out.TAR")


async def test_export_knows_a_device_by_its_serial_number_too(tmp_path: Path) -> None:
    """Given a configuration that names a device: what it pushed before and after that is taken."""
    folder, _ = await pushed(tmp_path)
    config = tmp_path / "boxbridge.toml"
    config.write_text('[device.SERIAL]\nid = "gate-1"\n[device.gate-0]\nid = "gate-1"\n')
    for name, count in (("SERIAL", 2), ("gate-1", 2), ("gate-0", 4)):
        out = tmp_path / name
        said = journal("export", out, "--device", name, "--folder", folder, "--config", config).stdout
        assert said == f"{out}: events: {count}, pictures: {count}\n"


async def test_export_names_what_is_damaged_and_passes_it_over(tmp_path: Path) -> None:
    folder, _ = await pushed(tmp_path)
    path = newest_segment(folder)
    _, second, third, _ = records(path, Kind.PUSH)
    damage(path, second.offset + 60)
    damage(path, third.offset + third.prefix.fixed_size + 9)
    ended = journal("export", tmp_path / "out", "--folder", folder, code=65)
    assert ended.stdout == f"{tmp_path / 'out'}: events: 3, pictures: 2\n"
    first, other, last = ended.stderr.splitlines()
    assert re.fullmatch(rf"{path.name}: event 2 \([0-9A-Z]{{26}}\) is damaged or missing: passed over", first)
    assert "is damaged on disk" in other
    assert other.endswith("taken without it")
    assert last == "damaged, and not in it: 2, see above"


def test_export_works_beside_a_daemon_and_leaves_no_mark(tmp_path: Path) -> None:
    with Installation(tmp_path, ARCHIVE) as bridge:
        bridge.push(sample_push(small=True))
        assert b"out.tar: events: 1, pictures: 1\n" in bridge.command("journal", "export", tmp_path / "out.tar")
        again = bridge.command("journal", "export", tmp_path / "out.tar", code=74).decode()
        assert again == f"{tmp_path / 'out.tar'} is there already: move it away, or name another\n"


async def test_export_to_where_there_is_no_room_keeps_nothing(tmp_path: Path) -> None:
    folder, _ = await pushed(tmp_path)
    said = journal("export", tmp_path / "no" / "out", "--folder", folder, code=74).stderr
    assert said == f"{tmp_path / 'no' / 'out.part'}: No such file or directory; nothing was kept of it\n"
    said = journal("export", "out", "--since", "soon", "--folder", folder, code=2).stderr
    assert said.startswith('"soon" is no time: give one such as "20:15"')


def test_the_commands_of_the_manual_work_as_they_stand_there(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    section = page.partition("## Is the journal whole, and is the disk fit for it?")[2].partition("\n## ")[0]
    shown = re.findall(r"^boxbridge (.*?)(?:  +#.*)?$", section, re.MULTILINE)
    assert len(shown) == 6
    with Installation(tmp_path, ARCHIVE) as bridge:
        bridge.push(sample_push(small=True))
        bridge.stop()
        for line in shown:
            bridge.command(*line.replace("/mnt/usb", str(tmp_path)).split())


def test_the_manual_has_all_that_check_can_find() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    table = page.partition("| `what`, with `--json` |")[2].partition("\n\n")[0]
    named = [what for line in table.splitlines()[2:] for what in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(named) == sorted(get_args(What))
