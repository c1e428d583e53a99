"""Addresses to listen on, as `host:port` or `[ipv6]:port`."""

from __future__ import annotations

import ipaddress
import re

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>\d+)", re.ASCII)


def host_and_port(text: str) -> tuple[str, int]:
    """Take an address apart; raises ValueError with a sentence."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not an address and port, such as "0.0.0.0:8600"')
    port = int(match["port"])
    if not 1 <= port <= 65535:
        raise ValueError(f"port {port} is not between 1 and 65535")
    return match["six"] or match["host"], port


def joined(host: str, port: int) -> str:
    """Put an address together."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def from_here(listen: str) -> str:
    """The address by which this machine itself reaches who listens on this one."""
    host, port = host_and_port(listen)
    if is_any(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return joined(host, port)


def is_any(host: str) -> bool:
    """It stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Only this machine itself can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def collide(first: str, second: str) -> bool:
    """Whether only one of two listeners could have its address."""
    (host, port), (other, other_port) = host_and_port(first), host_and_port(second)
    return port == other_port and (_number(host) == _number(other) or is_any(host) or is_any(other))


def _number(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host
