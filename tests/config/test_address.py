"""Addresses to listen on."""

from __future__ import annotations

import pytest

from bridge.config.address import collide, from_here, host_and_port, is_loopback, joined


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:8600", ("0.0.0.0", 8600)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_taken_apart(text: str, address: tuple[str, int]) -> None:
    assert host_and_port(text) == address


@pytest.mark.parametrize("text", ["", "8600", ":8600", "0.0.0.0", "0.0.0.0:", "::1:80", "a b:80", "a:80:81", "a:٣"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r'^".*" is not an address and port, such as "0\.0\.0\.0:8600"$'):
        host_and_port(text)


@pytest.mark.parametrize("port", [0, 65536, 70000])
def test_a_port_has_bounds(port: int) -> None:
    with pytest.raises(ValueError, match=f"^port {port} is not between 1 and 65535$"):
        host_and_port(f"0.0.0.0:{port}")


@pytest.mark.parametrize(
    ("listen", "reached"),
    [
        ("0.0.0.0:8600", "127.0.0.1:8600"),
        ("[::]:8600", "[::1]:8600"),
        ("[fd00::7]:8600", "[fd00::7]:8600"),
        ("192.168.1.20:80", "192.168.1.20:80"),
        ("localhost:80", "localhost:80"),
    ],
)
def test_who_listens_is_reached_from_this_machine(listen: str, reached: str) -> None:
    assert from_here(listen) == reached
    assert joined(*host_and_port(listen)) == listen


def test_loopback_is_known() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.1", "example")] == [False] * 4


@pytest.mark.parametrize(
    ("first", "second", "is_so"),
    [
        ("127.0.0.1:8600", "127.0.0.1:8600", True),
        ("127.0.0.1:8600", "localhost:8600", True),
        ("0.0.0.0:8600", "127.0.0.1:8600", True),
        ("[::]:8600", "127.0.0.1:8600", True),
        ("192.168.1.20:8600", "127.0.0.1:8600", False),
        ("0.0.0.0:8600", "127.0.0.1:8601", False),
    ],
)
def test_two_listeners_that_want_the_same_address_are_known(first: str, second: str, is_so: bool) -> None:
    assert (collide(first, second), collide(second, first)) == (is_so, is_so)
