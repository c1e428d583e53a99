"""What the far side's answers, and its silence, lead to."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpcore2
import pytest
from starlette.responses import PlainTextResponse, Response

from bridge import Rejected, Retry, Secret, Stopped, Unavailable
from bridge.testing.ports import free_port
from bridge_webhook import client
from bridge_webhook.options import Basic
from tests.plugins.deliveries import SCENE, delivery_of
from tests.plugins.webhook.receivers import Receiver, hostile, opened, webhook_to

pytestmark = pytest.mark.anyio


class Finder:
    """Notes the thread that a module is looked for in, and leaves the finding to others."""

    def __init__(self, module: str) -> None:
        self.threads: list[threading.Thread] = []
        self._module = module

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._module:
            self.threads.append(threading.current_thread())


async def test_the_library_is_loaded_beside_the_event_loop(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Finder("bridge_webhook.client")
    monkeypatch.delitem(sys.modules, "bridge_webhook.client")
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    async with opened(receiver.url()):
        assert finder.threads
        assert threading.main_thread() not in finder.threads


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_2xx_is_delivered(receiver: Receiver, status: int) -> None:
    receiver.answer = Response(status_code=status)
    async with opened(receiver.url()) as webhook:
        await webhook.deliver(delivery_of())


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (302, Rejected),
        (400, Rejected),
        (401, Stopped),
        (403, Stopped),
        (404, Retry),
        (407, Rejected),
        (408, Unavailable),
        (409, Rejected),
        (410, Stopped),
        (425, Unavailable),
        (429, Unavailable),
        (500, Retry),
        (501, Retry),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (599, Retry),
    ],
)
async def test_other_answers_mean_what_their_status_says(
    receiver: Receiver, status: int, means: type[Exception]
) -> None:
    receiver.answer = PlainTextResponse("no\nthanks", status, {"Location": receiver.url("/other")})
    async with opened(receiver.url()) as webhook:
        with pytest.raises(means, match=f"^HTTP {status} .*: no thanks$"):
            await webhook.deliver(delivery_of())
    assert [request.target for request in receiver.requests] == ["/hooks/alarm"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_obeyed_in_both_forms(receiver: Receiver, status: int, form: str) -> None:
    wait = "40" if form == "seconds" else email.utils.formatdate(time.time() + 40, usegmt=True)
    receiver.answer = Response(status_code=status, headers={"Retry-After": wait})
    async with opened(receiver.url()) as webhook:
        with pytest.raises(Unavailable) as raised:
            await webhook.deliver(delivery_of())
    assert raised.value.after == pytest.approx(40, abs=2)


async def test_a_huge_answer_is_neither_read_nor_shown_whole(receiver: Receiver) -> None:
    sent = 0

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            sent += 1_000_000

    async with hostile(endless) as url, opened(url) as webhook:
        with pytest.raises(Rejected) as raised:
            await webhook.deliver(delivery_of())
    assert len(str(raised.value)) < 600
    assert sent < 50_000_000


async def test_an_answer_whose_body_never_ends_is_decided_by_its_status() -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with hostile(trickle) as url, opened(url) as webhook:
        async with asyncio.timeout(10):
            await webhook.deliver(delivery_of())


async def test_an_answer_that_breaks_off_after_its_status_is_decided_by_it() -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with hostile(cut) as url, opened(url) as webhook:
        await webhook.deliver(delivery_of())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "Server disconnected without sending a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "Server disconnected without sending a response"),
        (b"SSH-2.0-x\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500_000, ""),
    ],
)
async def test_a_connection_that_ends_before_the_answer_means_unavailable(said: bytes, reason: str) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with hostile(cut) as url, opened(url) as webhook:
        with pytest.raises(Unavailable, match=f"^http://127.0.0.1:[0-9]+: {reason}"):
            await webhook.deliver(delivery_of(("scene", SCENE)))


async def test_a_far_side_that_only_echoes_gets_no_secret_into_the_reason() -> None:
    async def echo(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /hooks/T0PSECRET HTTP/1.1\r\nAuthorization: Bearer t0ken\r\n\r\n")
        await writer.drain()

    async with hostile(echo) as url, opened(url, bearer=Secret("t0ken")) as webhook:
        with pytest.raises(Unavailable, match=r"illegal status line$"):
            await webhook.deliver(delivery_of())


async def test_what_follows_an_answer_is_not_taken_for_the_next_one() -> None:
    """Given a far side whose answer is followed by a second one at once, the next event gets an answer of its own."""
    asked: list[bytes] = []

    async def ahead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(b"first on its connection")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n")
        while True:
            asked.append(await reader.readuntil(b"POST"))

    async with hostile(ahead) as url, opened(url) as webhook:
        for _ in range(2):
            await webhook.deliver(delivery_of())
        assert asked.count(b"first on its connection") == 2


def test_where_the_library_does_not_say_what_follows_an_answer_something_may() -> None:
    assert client._has_surplus(httpcore2.Response(200, content=b"ok"))


async def test_a_connection_that_is_reset_means_unavailable() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with hostile(reset) as url, opened(url, picture="multipart") as webhook:
        with pytest.raises(Unavailable, match=r"^http://127\.0\.0\.1:[0-9]+: "):
            await webhook.deliver(delivery_of(("scene", bytes(5_000_000))))


async def test_a_far_side_that_never_answers_is_waited_for_until_the_delivery_is_cancelled(receiver: Receiver) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with hostile(silent) as url, opened(url) as webhook:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await webhook.deliver(delivery_of())


async def test_a_refused_connection_means_unavailable_and_names_the_host() -> None:
    port = free_port()
    async with opened(f"http://127.0.0.1:{port}/secret-path?token=secret") as webhook:
        for trying in (webhook.deliver(delivery_of()), webhook.check()):
            with pytest.raises(Unavailable) as raised:
                await trying
            assert str(raised.value) == f"http://127.0.0.1:{port}: Connection refused"


async def test_a_name_that_does_not_exist_means_unavailable() -> None:
    async with opened("http://box.invalid/") as webhook:
        for trying in (webhook.deliver(delivery_of()), webhook.check()):
            with pytest.raises(Unavailable, match=r"^http://box\.invalid: "):
                await trying


async def test_it_works_again_when_the_far_side_comes_back() -> None:
    receiver = Receiver()
    with receiver.serving():
        webhook = webhook_to(receiver.url())
        await webhook.open()
        await webhook.deliver(delivery_of())
    with pytest.raises(Unavailable):
        await webhook.deliver(delivery_of())
    with receiver.serving():
        await webhook.deliver(delivery_of())
    await webhook.close()
    assert len(receiver.requests) == 2


async def test_check_connects_and_posts_nothing(receiver: Receiver) -> None:
    found = await webhook_to(receiver.url("/hooks?token=secret")).check()
    assert found.startswith(f"http://127.0.0.1:{receiver.port} reachable in ")
    assert found.endswith(" ms")
    assert receiver.requests == []


async def test_open_sends_nothing_and_says_where_to() -> None:
    webhook = webhook_to("http://127.0.0.1:9/hooks?token=secret", secret=Secret("k"))
    assert await webhook.open() == "http://127.0.0.1:9, signed"
    await webhook.close()


async def test_secrets_are_in_no_error_repr_or_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    options = {"secret": Secret("s3cret-key"), "headers": {"Authorization": Secret("Bearer t0ken")}}
    receiver.answer = PlainTextResponse("you sent Authorization: Bearer t0ken, or t0ken, key s3cret-key", 400)
    async with opened(receiver.url("/hooks?token=qu3ry"), **options) as webhook:
        with pytest.raises(Rejected, match="you sent Authorization: <secret>, or <secret>, key <secret>") as raised:
            await webhook.deliver(delivery_of())
        shown = f"{webhook!r} {webhook.options!r}"
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    assert logged
    for secret in ("s3cret-key", "t0ken"):
        assert secret not in f"{shown} {raised.value!r} {logged}"
    assert "qu3ry" not in f"{raised.value!r} {logged}"


async def test_passwords_are_shown_in_no_form(receiver: Receiver) -> None:
    login = Basic(username="me", password=Secret("hush-hush"))
    encoded = base64.b64encode(b"me:hush-hush").decode()
    receiver.answer = PlainTextResponse(f"Basic {encoded}? hush-hush? new-key, old-key, Bearer t0ken", 400)
    async with opened(receiver.url(), basic=login, secret=[Secret("new-key"), Secret("old-key")]) as webhook:
        with pytest.raises(Rejected, match=r": Basic <secret>\? <secret>\? <secret>, <secret>, Bearer t0ken$"):
            await webhook.deliver(delivery_of())
    async with opened(receiver.url(), bearer=Secret("t0ken")) as webhook:
        with pytest.raises(Rejected, match=r"Bearer <secret>$"):
            await webhook.deliver(delivery_of())


async def test_the_urls_path_and_query_are_not_shown_where_an_answer_echoes_them(receiver: Receiver) -> None:
    receiver.answer = PlainTextResponse("Cannot POST /hooks/TOPSECRET?token=qu3ry%20x nor qu3ry", 400)
    async with opened(receiver.url("/hooks/TOPSECRET?token=qu3ry%20x")) as webhook:
        with pytest.raises(Rejected, match="Cannot POST /hooks/<url>") as raised:
            await webhook.deliver(delivery_of())
    assert "TOPSECRET" not in str(raised.value)
    assert "token=qu3ry" not in str(raised.value)


@pytest.mark.parametrize("said", ["s3cret of", "s3cret%20of", "s3cret of or s3cret%20of or bare-word"])
async def test_what_the_query_says_is_not_shown_where_an_answer_echoes_it_alone(receiver: Receiver, said: str) -> None:
    receiver.answer = PlainTextResponse(f"unknown token {said}", 400)
    async with opened(receiver.url("/hooks?site=1&token=s3cret%20of&bare-word")) as webhook:
        with pytest.raises(Rejected, match="unknown token <url>") as raised:
            await webhook.deliver(delivery_of())
    assert "s3cret" not in str(raised.value)
    assert "bare-word" not in str(raised.value)


async def test_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.answer = Response(headers={"Set-Cookie": "a=b"})
    async with opened(receiver.url()) as webhook:
        await webhook.deliver(delivery_of())
        await webhook.deliver(delivery_of())
    assert "cookie" not in receiver.requests[1].headers


class Certified:
    """A web service behind TLS, and the file that says whom to trust."""

    def __init__(self, receiver: Receiver, ca: Path) -> None:
        self.url = receiver.url(scheme="https")
        self.receiver = receiver
        self.ca = ca


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: TLS was not tested here")
    with Receiver().serving(ssl_certfile=str(certificate), ssl_keyfile=str(key)) as receiver:
        yield Certified(receiver, certificate)


async def test_tls_with_a_ca_of_ones_own(certified: Certified) -> None:
    async with opened(certified.url, ca=certified.ca, picture="inline") as webhook:
        await webhook.deliver(delivery_of(("scene", bytes(300_000))))
        assert "reachable in" in await webhook.check()
    assert certified.receiver.requests


async def test_insecure_takes_any_certificate(certified: Certified) -> None:
    async with opened(certified.url, insecure=True) as webhook:
        await webhook.deliver(delivery_of())


async def test_a_certificate_that_nobody_vouches_for_means_unavailable(certified: Certified) -> None:
    async with opened(certified.url) as webhook:
        for trying in (webhook.deliver(delivery_of()), webhook.check()):
            with pytest.raises(Unavailable, match="its certificate is not trusted: self-signed certificate"):
                await trying


async def test_a_ca_file_that_is_missing_or_wrong_stops_the_output(tmp_path: Path) -> None:
    (tmp_path / "wrong.pem").write_text("no certificate")
    for file, why in [("missing.pem", "No such file"), ("wrong.pem", "")]:
        with pytest.raises(Stopped, match=f"ca file {tmp_path}/{file} can't be used: {why}"):
            await webhook_to("https://127.0.0.1/", ca=tmp_path / file).open()
