"""Networks, and whether an address is in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

_KNOWN_ADDRESSES: Final = 1024


def is_network(text: str) -> bool:
    """Whether it is a network, or an address, which is the smallest one."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


class Networks:
    """Those that a configuration names; an IPv4 address that comes over IPv6 counts as what it is."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network, strict=False) for network in networks]
        self._holds = lru_cache(_KNOWN_ADDRESSES)(self._look_for)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        return self._holds(address)

    def _look_for(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)
