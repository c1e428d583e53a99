"""`boxbridge outputs test`: a marked sample through the running output, and what came of it in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.end_to_end.installation import Installation
from tests.end_to_end.web import WebServer

ARCHIVE = '[output.local]\ntype = "archive"\n'


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that keeps what it is sent."""
    with WebServer() as server:
        yield server


def test_a_sample_goes_the_whole_way_and_is_marked_as_one(tmp_path: Path, web: WebServer) -> None:
    """Given keys that would skip it: it is delivered all the same, not repeated, and in no journal."""
    erp = f'[output.erp]\ntype = "webhook"\nurl = "{web.url}"\nonly = {{ kind = ["fire"] }}\n'
    with Installation(tmp_path, ARCHIVE + erp) as bridge:
        bridge.until(lambda: bridge.log.read_bytes().count(b"is open") == 2)
        for name in ("local", "erp"):
            tried = msgspec.json.decode(bridge.command("outputs", "test", name, "--json"))
            assert tried["output"] == name
        assert (
            f"输出 local 已接收测试事件 {tried['event'][:4]}"
            in bridge.command("outputs", "test", "local", "--lang", "zh").decode()
        )
        assert b"output erp took the test event" in bridge.command("outputs", "test", "erp")
        headers = [web.wait().headers for _ in range(2)]
        marks = [(one["x-boxbridge-test"], one["x-boxbridge-kind"]) for one in headers]
        assert marks == [("true", "test")] * 2
        assert len(list((bridge.data / "archive").glob("*/boxbridge-test/1/*.jpg"))) == 2
        assert bridge.command("events") == b""
        assert bridge.status()["journal"]["next"] == 1

        web.status = 400
        said = bridge.command("outputs", "test", "erp", code=69)
        assert b"output erp did not take the test event" in said
        assert b"HTTP 400 Bad Request" in said
        assert b'there is no output "nobody": there are local, erp' in bridge.command(
            "outputs", "test", "nobody", code=65
        )
        bridge.command("outputs", "pause", "erp")
        assert b"output erp does not run now" in bridge.command("outputs", "test", "erp", code=69)


def test_an_output_that_is_away_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Installation(tmp_path, ARCHIVE + 'path = "file"\n') as bridge:
        bridge.until(lambda: b"is waiting" in bridge.log.read_bytes())
        said = bridge.command("outputs", "test", "local", code=69)
    assert b"output local is not open now, so nothing was sent: archive" in said
