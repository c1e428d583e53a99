"""Tokens for client credentials: kept, renewed before they expire, got anew where refused, and shown to nobody."""

from __future__ import annotations

import asyncio
import base64
import time
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bridge import Rejected, Stopped, Unavailable
from bridge.testing.ports import free_port
from bridge_webhook import oauth2 as room
from tests.plugins.deliveries import delivery_of
from tests.plugins.webhook.identity import Identity, identity
from tests.plugins.webhook.receivers import opened, webhook_to

pytestmark = pytest.mark.anyio


async def test_a_token_is_got_once_and_shown_with_each_post() -> None:
    with identity() as server:
        async with opened(server.url(), oauth2=server.oauth2(scope="a b", audience="erp")) as webhook:
            for _ in range(3):
                await webhook.deliver(delivery_of())
    (asked,) = server.asked
    assert asked == {
        "grant_type": "client_credentials",
        "scope": "a b",
        "audience": "erp",
        "authorization": "Basic " + base64.b64encode(b"bridge:hush%2Fhush").decode(),
    }
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer token-1"}


async def test_credentials_go_into_the_form_where_the_server_wants_them_there() -> None:
    with identity() as server:
        async with opened(server.url(), oauth2=server.oauth2(client_auth="body")) as webhook:
            await webhook.deliver(delivery_of())
    (asked,) = server.asked
    assert (asked["client_id"], asked["client_secret"], asked["authorization"]) == ("bridge", "hush/hush", "")


async def test_many_under_way_wait_for_one_token() -> None:
    with identity() as server:
        server.delay = 0.1
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            await asyncio.gather(*(webhook.deliver(delivery_of()) for _ in range(20)))
    assert len(server.asked) == 1
    assert len(server.requests) == 20


@pytest.mark.parametrize(("expires_in", "asked"), [(None, 1), (3600, 1), ("3600", 1), (0, 3), (-5, 3)])
async def test_a_token_is_renewed_when_its_time_is_up(expires_in: Any, asked: int) -> None:
    with identity() as server:
        server.grant = {} if expires_in is None else {"token_type": "bearer", "expires_in": expires_in}
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            for _ in range(3):
                await webhook.deliver(delivery_of())
    assert len(server.asked) == asked


async def test_a_token_is_renewed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    with identity() as server:
        server.grant = {"expires_in": 1000}
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            await webhook.deliver(delivery_of())
            now = time.monotonic()
            monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now + 930))
            await webhook.deliver(delivery_of())
            assert len(server.asked) == 1
            monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now + 945))
            await webhook.deliver(delivery_of())
            assert len(server.asked) == 2


async def test_a_token_outlives_the_connection_it_was_got_through() -> None:
    with identity() as server:
        webhook = webhook_to(server.url(), oauth2=server.oauth2())
        for _ in range(2):
            await webhook.open()
            await webhook.deliver(delivery_of())
            await webhook.close()
    assert len(server.asked) == 1


async def test_a_refused_token_is_tried_once_more_with_a_fresh_one() -> None:
    with identity() as server:
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            await webhook.deliver(delivery_of())
            server.good = "revoked"
            await webhook.deliver(delivery_of())
    shown = [request.headers["authorization"] for request in server.requests]
    assert shown == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_tokens_that_are_refused_together_are_replaced_by_one() -> None:
    with identity() as server:
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            await webhook.deliver(delivery_of())
            server.good, server.delay = "revoked", 0.2
            await asyncio.gather(*(webhook.deliver(delivery_of()) for _ in range(10)))
    assert len(server.asked) == 2


async def test_a_fresh_token_that_is_refused_as_well_stops_the_output_and_no_token_is_shown() -> None:
    class Never(Identity):
        @property
        def good(self) -> str:
            return ""

        @good.setter
        def good(self, _: str) -> None:
            return None

    server = Never()
    with server.serving():
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            server.grant["access_token"] = "t0ken-t0ken"
            with pytest.raises(Stopped, match=r"^HTTP 401 Unauthorized: Bearer <secret> is not good$"):
                await webhook.deliver(delivery_of())
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("refusal", "means", "reason"),
    [
        (JSONResponse({"error": "invalid_client", "x": "hush/hush"}, 401), Stopped, '"invalid_client","x":"<secret>"'),
        (JSONResponse({"error": "invalid_scope"}, 400), Stopped, "HTTP 400 Bad Request: .*invalid_scope"),
        (Response(status_code=403), Stopped, "HTTP 403"),
        (Response(status_code=404), Stopped, "HTTP 404"),
        (Response(status_code=302, headers={"Location": "/"}), Stopped, "HTTP 302"),
        (Response(status_code=500), Unavailable, "HTTP 500"),
        (Response(status_code=503, headers={"Retry-After": "7"}), Unavailable, "HTTP 503"),
        (Response(status_code=429, headers={"Retry-After": "7"}), Unavailable, "HTTP 429"),
        (PlainTextResponse("<html>welcome to the hotel"), Unavailable, "its answer holds none: <html>welcome"),
        (JSONResponse({"access_token": 5}), Unavailable, "its answer holds none"),
        (JSONResponse({"access_token": "a\r\nX: y"}), Stopped, "it is none that can be sent"),
        (JSONResponse({"access_token": ""}), Stopped, "it is none that can be sent"),
        (JSONResponse({"access_token": "a", "token_type": "mac"}), Stopped, "it is none that can be sent"),
        (PlainTextResponse('{"access_token": "' + "a" * 100_000 + '"}'), Unavailable, "its answer holds none"),
    ],
)
async def test_no_token_stops_the_output_where_that_is_final_and_waits_where_it_is_not(
    refusal: Response, means: type[Exception], reason: str
) -> None:
    with identity() as server:
        server.refusal = refusal
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            with pytest.raises(means, match=f"^token from http://127.0.0.1:{server.port}: .*{reason}") as raised:
                await webhook.deliver(delivery_of())
            if "Retry-After" in refusal.headers or "retry-after" in refusal.headers:
                assert isinstance(raised.value, Unavailable)
                assert raised.value.after == 7
            with pytest.raises(means):
                await webhook.check()
    assert "hush" not in str(raised.value)
    assert server.requests == []


async def test_a_server_of_tokens_that_is_not_there_means_unavailable() -> None:
    with identity() as server:
        port = free_port()
        gone = server.oauth2(token_url=f"http://127.0.0.1:{port}/token")
        async with opened(server.url(), oauth2=gone) as webhook:
            with pytest.raises(Unavailable, match=f"^token from http://127.0.0.1:{port}: Connection refused"):
                await webhook.deliver(delivery_of())


async def test_a_server_of_tokens_that_never_answers_means_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ANSWER_WITHIN", 0.2)
    with identity() as server:
        server.delay = 1
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            with pytest.raises(Unavailable, match=r"^token from .*: no answer within 0\.2 s"):
                await webhook.deliver(delivery_of())


async def test_closing_while_a_token_is_on_its_way_leaves_nothing_behind() -> None:
    with identity() as server:
        server.delay = 0.5
        webhook = webhook_to(server.url(), oauth2=server.oauth2())
        await webhook.open()
        delivering = asyncio.create_task(webhook.deliver(delivery_of()))
        async with asyncio.timeout(5):
            while not server.asked:  # noqa: ASYNC110 - in another thread
                await asyncio.sleep(0.01)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await webhook.close()


async def test_check_gets_a_token_and_posts_nothing() -> None:
    with identity() as server:
        found = await webhook_to(server.url(), oauth2=server.oauth2()).check()
    assert found.endswith(" ms, token granted")
    assert len(server.asked) == 1
    assert server.requests == []


async def test_an_answer_with_a_token_in_it_is_not_shown() -> None:
    with identity() as server:
        server.answer = PlainTextResponse("you sent Bearer token-1", 400)
        async with opened(server.url(), oauth2=server.oauth2()) as webhook:
            with pytest.raises(Rejected, match=r"you sent Bearer <secret>$"):
                await webhook.deliver(delivery_of())


@pytest.mark.parametrize("client_auth", ["basic", "body"])
async def test_how_the_secret_was_sent_is_not_shown_where_an_answer_echoes_it(client_auth: str) -> None:
    with identity() as server:
        sent = base64.b64encode(b"bridge:hush%2Fhush").decode()
        server.refusal = PlainTextResponse(f"no: Basic {sent}, client_secret=hush%2Fhush", 400)
        async with opened(server.url(), oauth2=server.oauth2(client_auth=client_auth)) as webhook:
            with pytest.raises(Stopped, match=r"no: Basic <secret>, client_secret=<secret>$"):
                await webhook.deliver(delivery_of())
