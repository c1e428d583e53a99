"""The console's password as the configuration has it: never itself, only what proves it."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from typing import Final

import pybase64

_COST, _BLOCK, _LANES = 15, 8, 1
"""32 MB and a tenth of a second for each try, for us and for who guesses."""
_MEMORY: Final = 80_000_000
_HASH: Final = re.compile(r"scrypt:1[0-6]:8:1:[A-Za-z0-9+/]{22}==:[A-Za-z0-9+/]{43}=", re.ASCII)


def hashed(password: str) -> str:
    """What is to stand in the configuration; another one each time."""
    salt = os.urandom(16)
    proof = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{pybase64.b64encode(salt).decode()}:{pybase64.b64encode(proof).decode()}"


def is_hash(text: str) -> bool:
    """Whether it is what `hashed` makes."""
    return _HASH.fullmatch(text) is not None


def proves(password: str, wanted: str) -> bool:
    """Whether it is this password; blocks for a tenth of a second or so. `wanted`: a hash, as `is_hash` says."""
    _, cost, block, lanes, salt, proof = wanted.split(":")
    tried = _scrypt(password, pybase64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(tried, pybase64.b64decode(proof))


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << cost, r=block, p=lanes, maxmem=_MEMORY, dklen=32)
