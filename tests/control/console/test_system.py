"""What the pages say of the installation itself: addresses for boxes, the diagnostics, and that secrets stay inside."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from bridge.config.load import read
from bridge.control.console.contact import addresses, interfaces
from bridge.log import CHATTY, INDISCREET, configure
from bridge.testing import sample_push
from tests.daemon import bridge_with

pytestmark = pytest.mark.anyio

SECRET = "gates-and-cars"
WEBHOOK = f'[output.erp]\ntype = "webhook"\nurl = "http://127.0.0.1:1/"\nbearer = "{SECRET}"\n'


@pytest.fixture
def _logged() -> Iterator[None]:
    """The log as a daemon's process has it; afterwards as tests have it."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in ("", *CHATTY, *INDISCREET)}
    configure(stream=io.StringIO())
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def addresses_of(folder: Path, server: str) -> list[str]:
    file = folder / "boxbridge.toml"
    file.write_text(f"[server]\n{server}\n")
    return [address.url for address in addresses(read(file).settings({}))]


def test_a_box_is_told_each_address_of_this_machine(tmp_path: Path) -> None:
    there = [f"http://{address}:8600/dataPush/DataReportCB" for _, address in interfaces()]
    assert there
    assert addresses_of(tmp_path, 'listen = "0.0.0.0:8600"') == there
    assert addresses_of(tmp_path, 'listen = "[::1]:7"') == ["http://[::1]:7/dataPush/DataReportCB"]


def test_an_address_with_a_token_shows_where_it_goes_and_not_the_token(tmp_path: Path) -> None:
    file = tmp_path / "boxbridge.toml"
    file.write_text(f'[server]\nlisten = "127.0.0.1:7"\ntoken = "{SECRET}"\n')
    (address,) = addresses(read(file).settings({}))
    assert address.url == "http://127.0.0.1:7/<token>/dataPush/DataReportCB"
    assert not address.code


@pytest.mark.usefixtures("_logged")
async def test_the_diagnostics_hold_facts_and_no_secret(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, WEBHOOK) as running, running.box() as box:
        await box.push(sample_push(device="gate-3"))
        packed = (await running.control.get("/system/bundle")).content
        page = (await running.control.get("/system")).text
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = {
            Path(entry.name).name: (archive.extractfile(entry) or io.BytesIO()).read() for entry in archive.getmembers()
        }
    assert set(files) == {
        "configuration.toml",
        "status.json",
        "outputs.json",
        "devices.json",
        "plugins.json",
        "journal.json",
        "metrics.txt",
        "log.txt",
    }
    assert b'bearer = "<secret>"' in files["configuration.toml"]
    assert b"gate-3" in files["devices.json"]
    assert b"journal open" in files["log.txt"]
    assert not [name for name, content in files.items() if SECRET.encode() in content or b"\xff\xd8" in content]
    assert SECRET not in page


async def test_the_journal_is_looked_at(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        page = (await running.control.get("/system")).text
        token = page.split('name="token" value="')[1].split('"')[0]
        checked = await running.control.post("/system/check", data={"token": token})
        assert "The journal is well." in checked.text
        (tmp_path / "data" / "journal" / "00000009.seg").write_bytes(b"not one of ours")
        checked = await running.control.post("/system/check", data={"token": token})
        assert "00000009.seg" in checked.text


async def test_what_is_not_there_is_said_to_people_and_to_programs(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        page = await running.control.get("/none", headers={"Accept": "text/html"})
        assert (page.status_code, "There is no such page." in page.text) == (404, True)
        answer = await running.control.get("/api/v1/none")
        assert (answer.status_code, answer.text) == (404, "Not Found")
        page = await running.control.get("/events/000000")
        assert (page.status_code, "no event &#34;000000" in page.text) == (404, True)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


async def test_of_a_very_large_document_a_page_shows_the_beginning(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running, running.box() as box:
        assert (await box.push(sample_push(small=True, targets=3000))).success
        event = (await running.control.get("/api/v1/events")).json()["events"][0]["id"]
        page = await running.control.get(f"/events/{event}")
        assert len(page.text) < 300_000
        assert "it goes on: save it" in page.text


@pytest.mark.parametrize(
    "path", ["/unknown/{}", "/e/x/picture/{}", "/api/v1/unknown/{}", "/dead?after={0},{0},erp", "/api/v1/dead?limit={}"]
)
async def test_a_number_of_thousands_of_digits_is_none(tmp_path: Path, path: str) -> None:
    async with bridge_with(tmp_path) as running:
        assert (await running.control.get(path.format("9" * 5000))).status_code in (400, 404)


def test_a_daemon_whose_pages_nobody_asks_for_has_nothing_of_them_in_memory() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, bridge.daemon; print(*sys.modules)"], capture_output=True, check=True
    )
    assert not {"jinja2", "segno", "bridge.control.console"} & set(loaded.stdout.decode().split())
