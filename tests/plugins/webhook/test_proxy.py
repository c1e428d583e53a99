"""Through a proxy: it alone is connected to, and it alone looks names up."""

from __future__ import annotations

import base64

import pytest

from bridge import Secret, Stopped, Unavailable
from bridge.testing.ports import free_port
from bridge_webhook.options import Basic
from tests.plugins.certificates import Certificates
from tests.plugins.deliveries import delivery_of
from tests.plugins.webhook.proxies import proxy
from tests.plugins.webhook.receivers import Receiver, opened

pytestmark = pytest.mark.anyio

LOGIN = Basic(username="me", password=Secret("hush"))
WANTED = "Basic " + base64.b64encode(b"me:hush").decode()


async def test_http_goes_through_it_and_it_looks_up_the_name(receiver: Receiver) -> None:
    async with proxy(receiver.port) as through, opened("http://erp.invalid/hook", proxy=through.url) as webhook:
        await webhook.deliver(delivery_of())
        assert through.asked == ["POST http://erp.invalid/hook HTTP/1.1"]
        found = await webhook.check()
        assert found.startswith(f"proxy {through.url} reachable in ")
        assert "behind it, only an event will tell" in found
    assert receiver.requests[0].headers["host"] == "erp.invalid"


async def test_https_goes_through_a_tunnel_and_is_verified_at_its_end(certificates: Certificates) -> None:
    served = {"ssl_certfile": str(certificates.path("server")), "ssl_keyfile": str(certificates.key("server"))}
    with Receiver().serving(**served) as receiver:
        async with (
            proxy(receiver.port) as through,
            opened("https://127.0.0.1:9/hook", proxy=through.url, ca=certificates.ca) as webhook,
        ):
            await webhook.deliver(delivery_of())
            await webhook.deliver(delivery_of())
            assert through.asked == ["CONNECT 127.0.0.1:9 HTTP/1.1"]
        async with (
            proxy(receiver.port) as through,
            opened("https://erp.invalid/hook", proxy=through.url, ca=certificates.ca) as webhook,
        ):
            with pytest.raises(Unavailable, match=r"erp\.invalid: its certificate is not trusted: Hostname mismatch"):
                await webhook.deliver(delivery_of())
    assert len(receiver.requests) == 2


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_it_gets_its_own_credentials_and_nobody_behind_it_does(receiver: Receiver, scheme: str) -> None:
    url = f"{scheme}://erp.invalid/hook"
    async with proxy(receiver.port, WANTED) as through:
        async with opened(url, proxy=through.url, proxy_basic=LOGIN) as webhook:
            if scheme == "http":
                await webhook.deliver(delivery_of())
                assert "authorization" not in receiver.requests[0].headers
            else:  # the far side speaks no TLS, but the proxy let us through
                with pytest.raises(Unavailable, match="TLS failed"):
                    await webhook.deliver(delivery_of())
        async with opened(url, proxy=through.url) as webhook:
            with pytest.raises(Stopped, match=f"^{through.url}: the proxy wants credentials, or others"):
                await webhook.deliver(delivery_of())


async def test_a_proxy_that_can_not_get_through_means_unavailable() -> None:
    async with proxy(free_port()) as through, opened("https://erp.invalid/", proxy=through.url) as webhook:
        through.answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(Unavailable, match=f"^{through.url}: the proxy said 502 Bad Gateway"):
            await webhook.deliver(delivery_of())


async def test_a_proxy_that_is_not_there_means_unavailable() -> None:
    async with opened("http://erp.invalid/", proxy=f"http://127.0.0.1:{free_port()}") as webhook:
        for trying in (webhook.deliver(delivery_of()), webhook.check()):
            with pytest.raises(Unavailable, match="Connection refused"):
                await trying


async def test_a_proxy_is_vetted_like_any_other_host() -> None:
    async with opened("http://erp.invalid/", proxy="http://2852039166:3128") as webhook:
        with pytest.raises(Unavailable, match=r"is at 169\.254\.169\.254, a link-local address"):
            await webhook.deliver(delivery_of())
