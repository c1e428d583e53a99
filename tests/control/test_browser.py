"""The TCP port for people, against web pages in a browser on the same machine."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.control.browser import NoForeignPages
from tests.daemon import bridge_with

pytestmark = pytest.mark.anyio

RELOAD = "/api/v1/reload"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8601", "127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:8601", "127.1.2.3"]
)
async def test_it_answers_to_names_of_this_machine(tmp_path: Path, host: str) -> None:
    async with bridge_with(tmp_path) as running:
        assert (await running.control.get("/api/v1/status", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8601", "evil.example", "127.0.0.1.evil.example", "192.168.1.10", "", "["]
)
async def test_a_name_that_was_led_here_gets_nothing(tmp_path: Path, host: str) -> None:
    async with bridge_with(tmp_path) as running:
        for path in ("/api/v1/status", "/metrics", "/livez"):
            answer = await running.control.get(path, headers={"Host": host})
            assert answer.status_code == 403
            assert answer.json()["error"] == (
                f'this is not "{host}": ask for localhost, 127.0.0.1 or the address in control.listen'
            )


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_from_elsewhere_changes_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    async with bridge_with(tmp_path) as running:
        before = running.daemon.settings
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace("plant-a", "plant-b"))
        answer = await running.control.post(RELOAD, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"].endswith("may change nothing here")
        assert running.daemon.settings is before


async def test_its_own_pages_and_programs_may_ask_for_a_reload(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        own = str(running.control.base_url).rstrip("/")
        for headers in ({}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
            assert (await running.control.post(RELOAD, headers=headers)).status_code == 200


async def test_the_unix_socket_is_guarded_by_its_file_alone(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        assert (await running.socket.post(RELOAD, headers={"Host": "anything"})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://box.example:8601"}, 200),
        ({"Origin": "https://box.example:8601"}, 200),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
async def test_where_others_reach_it_any_name_leads_to_the_door_behind(headers: dict[str, str], status: int) -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("who is there?")(scope, receive, send)

    transport = httpx2.ASGITransport(NoForeignPages(door, "0.0.0.0:8601"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://box.example:8601") as client:
        assert (await client.post("/", headers=headers)).status_code == status
