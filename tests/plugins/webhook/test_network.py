"""Where a webhook connects to: never to addresses that hand out a cloud's credentials, and only to what was vetted."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from bridge import Duration, Secret, Unavailable
from bridge.testing.ports import free_port
from bridge_webhook.address import forbidden
from bridge_webhook.options import OAuth2
from tests.plugins.deliveries import delivery_of
from tests.plugins.webhook.receivers import Receiver, hostile, opened, webhook_to

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::1",
        "fe80::a9fe:a9fe%1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::ffff:100.100.100.200",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
async def test_link_local_and_metadata_addresses_are_forbidden_however_they_are_written(address: str) -> None:
    assert forbidden(address) in ("a link-local address", "a cloud's metadata address")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.5", "172.16.0.1", "100.64.0.1", "::1", "fd12::1", "8.8.8.8", "2001:db8::1"],
)
async def test_private_and_public_addresses_are_normal(address: str) -> None:
    assert forbidden(address) == ""
    assert forbidden(f"::ffff:{address}") == "" if "." in address else True


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe"])
async def test_a_name_that_leads_to_such_an_address_is_not_connected_to(host: str) -> None:
    async with opened(f"http://{host}/latest/meta-data") as webhook:
        for trying in (webhook.deliver(delivery_of()), webhook.check()):
            with pytest.raises(
                Unavailable, match=r"is at 169\.254\.169\.254, a link-local address: nothing is ever sent"
            ):
                await trying


class Names:
    """A name service that says something else each time; the real look-up is for numbers only."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def look_up(self, _host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [found for address in addresses for found in _REAL(address, port, type=socket.SOCK_STREAM)]


_REAL = socket.getaddrinfo


async def test_a_name_is_looked_up_once_and_what_was_vetted_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    async with opened(f"http://rebinding.example:{receiver.port}/hook") as webhook:
        await webhook.deliver(delivery_of())
        assert names.asked == 1
    assert receiver.requests[0].headers["host"] == f"rebinding.example:{receiver.port}"
    async with opened(f"http://rebinding.example:{receiver.port}/hook") as webhook:
        with pytest.raises(Unavailable, match=r"is at 169\.254\.169\.254"):
            await webhook.deliver(delivery_of())
    assert len(receiver.requests) == 1


async def test_connections_that_are_made_together_wait_for_one_look_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of a hundred webhooks would have a thread for each post under way."""
    asked = 0
    threads: set[str] = set()

    def slowly(_host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        nonlocal asked
        asked += 1
        threads.add(threading.current_thread().name)
        time.sleep(0.2)
        return list(_REAL("127.0.0.1", port, type=socket.SOCK_STREAM))

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    async with opened(f"http://slow.example:{receiver.port}/hook") as webhook:
        await asyncio.gather(*(webhook.deliver(delivery_of()) for _ in range(20)))
    assert len(receiver.requests) == 20
    assert (asked, len(threads)) == (1, 1)


async def test_an_address_is_not_looked_up(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(["127.0.0.9"])
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    async with opened(receiver.url()) as webhook:
        await webhook.deliver(delivery_of())
    assert names.asked == 0


async def test_of_several_addresses_the_forbidden_ones_are_passed_over(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["169.254.169.254", "127.0.0.1"]).look_up)
    async with opened(f"http://both.example:{receiver.port}/hook") as webhook:
        await webhook.deliver(delivery_of())
    assert len(receiver.requests) == 1


async def test_another_address_is_tried_where_the_first_refuses_and_comes_first_next_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.2", "127.0.0.1"]).look_up)
    async with opened(f"http://two.example:{receiver.port}/hook") as webhook:
        await webhook.deliver(delivery_of())
        assert "reachable" in await webhook.check()
    assert len(receiver.requests) == 1


async def test_the_reason_is_of_the_last_address_where_all_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.2", "127.0.0.3"]).look_up)
    async with opened(f"http://two.example:{free_port()}/hook") as webhook:
        with pytest.raises(Unavailable, match=r"two\.example:[0-9]+: Connection refused"):
            await webhook.deliver(delivery_of())


async def test_a_name_look_up_that_hangs_ends_with_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_: object, **__: object) -> None:
        assert answered.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        async with opened("http://slow.example/", connect_timeout=Duration("200ms")) as webhook:
            for trying in (webhook.deliver(delivery_of()), webhook.check()):
                with pytest.raises(Unavailable, match=r"slow\.example: no connection within 0\.2 s"):
                    await trying
    finally:
        answered.set()


async def test_a_tls_handshake_that_is_given_up_leaves_no_connection_behind() -> None:
    """The connection would be closed by the garbage collector, with a warning, in some later test."""

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with hostile(never, at_once=True) as url, opened(url.replace("http:", "https:")) as webhook:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await webhook.deliver(delivery_of())


async def test_token_urls_are_vetted_as_well() -> None:
    login = OAuth2(token_url="http://2852039166/token", client_id="x", client_secret=Secret("y"))
    webhook = webhook_to("http://127.0.0.1:9/", oauth2=login)
    await webhook.open()
    with pytest.raises(Unavailable, match=r"^token from http://2852039166: is at 169\.254\.169\.254, a link-local"):
        await webhook.deliver(delivery_of())
    await webhook.close()
