"""The door to the port for people: who is asked for the password, and what it takes to come in."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from bridge.config.password import hashed, is_hash, proves
from bridge.control import door
from bridge.control.session import COOKIE
from tests.daemon import Running, bridge_with

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
HASH = hashed(PASSWORD)
LINE = f'password = "{HASH}"\n'
HTML = {"Accept": "text/html"}


async def sign_in(running: Running, password: str = PASSWORD, there: str = "/") -> httpx2.Response:
    """Fill in the form of the login page."""
    page = await running.control.get("/login")
    form = {"token": token_in(page), "password": password, "next": there}
    return await running.control.post("/login", data=form)


def token_in(page: httpx2.Response) -> str:
    found = re.search(r'name="token" value="(\w+)"', page.text)
    assert found
    return found[1]


def test_a_hash_proves_its_password_and_no_other() -> None:
    assert is_hash(HASH)
    assert hashed(PASSWORD) != HASH
    assert proves(PASSWORD, HASH)
    assert not proves(PASSWORD + " ", HASH)


@pytest.mark.parametrize(
    "text",
    ["", "hunter2", "scrypt:99:8:1:AAAA:BBBB", HASH + "x", HASH.replace(":15:", ":31:")],
    ids=["empty", "plain", "of another cost", "longer", "costlier"],
)
def test_what_is_no_hash_is_told_from_one(text: str) -> None:
    assert not is_hash(text)


async def test_everybody_is_asked_where_there_is_a_password(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        for path in ("/", "/outputs", "/api/v1/status", "/metrics", "/api/v1/events/012345/picture/0"):
            assert (await running.control.get(path)).status_code == 401
            asked = await running.control.get(path, headers=HTML)
            assert asked.status_code == 303
            assert asked.headers["location"].startswith("/login?next=%2F")
        assert (await running.control.post("/api/v1/reload")).status_code == 401
        assert (await running.control.post("/outputs/erp/pause")).status_code == 401
        assert (await running.control.get("/livez")).status_code == 200
        assert (await running.socket.get("/api/v1/status")).status_code == 200


async def test_the_right_password_begins_a_session(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        answer = await sign_in(running, there="/outputs?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/outputs?x=1")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        page = await running.control.get("/outputs", headers=HTML)
        assert page.status_code == 200
        await running.control.post("/logout", data={"token": token_in(page)})
        running.control.cookies.set(COOKIE, re.findall(rf"{COOKIE}=([\w-]+)", cookie)[0])
        assert (await running.control.get("/outputs", headers=HTML)).status_code == 303


@pytest.mark.parametrize(
    "there", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/ok\r\nX: y", "evil"]
)
async def test_signing_in_leads_nowhere_else(tmp_path: Path, there: str) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        assert (await sign_in(running, there=there)).headers["location"] == "/"


async def test_wrong_passwords_are_slowed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_FREE_TRIES", 2)
    async with bridge_with(tmp_path, password=LINE) as running:
        assert (await sign_in(running, "wrong")).status_code == 403
        assert (await sign_in(running, "wrong")).status_code == 403
        slowed = await sign_in(running)
        assert slowed.status_code == 429
        assert slowed.headers["retry-after"] == "1"
        basic = await running.control.get("/metrics", auth=("any", PASSWORD))
        assert basic.status_code == 429


async def test_a_program_shows_the_password_itself(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        for _ in range(3):
            assert (await running.control.get("/metrics", auth=("any", PASSWORD))).status_code == 200
        assert (await running.control.post("/api/v1/reload", auth=("any", PASSWORD))).status_code == 200
        assert (await running.control.get("/metrics", auth=("any", "wrong"))).status_code == 401
        assert (await running.control.get("/metrics", headers={"Authorization": "Basic !"})).status_code == 401


async def test_a_session_changes_nothing_through_the_api_nor_without_the_forms_token(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        await sign_in(running)
        assert (await running.control.get("/api/v1/status")).status_code == 200
        assert (await running.control.post("/api/v1/reload")).status_code == 401
        for form in ({}, {"token": ""}, {"token": "0" * 64}, {"token": running.daemon.version}):
            assert (await running.control.post("/system/reload", data=form)).status_code == 403


async def test_another_password_signs_everybody_out(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        await sign_in(running)
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace(HASH, hashed("another one")))
        await running.daemon.reload()
        assert (await running.control.get("/", headers=HTML)).status_code == 303


async def test_a_reload_without_a_password_opens_no_port_that_others_reach(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, password=LINE) as running:
        everywhere = door.PasswordDoor(lambda *_: None, door.Doorkeeper(running.daemon), "0.0.0.0:8601")  # type: ignore[arg-type]
        file = tmp_path / "boxbridge.toml"
        file.write_text(file.read_text().replace(LINE, ""))
        await running.daemon.reload()
        transport = httpx2.ASGITransport(everywhere)
        async with httpx2.AsyncClient(transport=transport, base_url="http://10.0.0.1") as client:
            assert (await client.get("/api/v1/status")).status_code == 401
