"""Addresses that nothing is ever posted to: link-local ones, and those at which clouds hand out credentials.

Private and loopback addresses are where a webhook normally goes.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # Amazon
            "fd20:ce::254",  # Google
            "fd00:42::42",  # Scaleway
        ),
    )
)
"""Those that are not link-local, as 169.254.169.254 is."""

_HOLDING_IPV4: Final = (IPv6Network("::/96"), IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv6 networks whose last four bytes are an IPv4 address: compatible, mapped, and translated."""


def forbidden(address: str) -> str:
    """Why nothing may be sent to this address, as a noun; "" where it may. Raises ValueError where it is none."""
    named = ip_address(address)
    for meant in (named, *_within(named)):
        if meant in _METADATA:
            return "a cloud's metadata address"
        if meant.is_link_local:
            return "a link-local address"
    return ""


def is_address(host: str) -> bool:
    """Whether a host is an address by itself, and no name that is looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _within(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 one may lead to."""
    if isinstance(address, IPv4Address):
        return []
    last = [IPv4Address(int(address) & 0xFFFFFFFF)] if any(address in network for network in _HOLDING_IPV4) else []
    return [*last, *([address.sixtofour] if address.sixtofour else []), *(address.teredo or ())]
