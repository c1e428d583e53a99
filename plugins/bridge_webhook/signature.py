"""Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over id, time and the exact body."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Iterable

import pybase64

from bridge import Secret

_PREFIX = "whsec_"


def signing_key(secret: Secret) -> bytes:
    """The key that a secret stands for: base64 after `whsec_`, else the text itself; raises ValueError."""
    text = secret.reveal()
    if not text.startswith(_PREFIX):
        key = text.encode()
    else:
        unpadded = text.removeprefix(_PREFIX).rstrip("=")
        try:
            key = pybase64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("what follows whsec_ is not base64") from None
    if not key:
        raise ValueError("is empty")
    return key


def signed_headers(keys: Iterable[bytes], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed request, with a signature for each key.

    `timestamp`: of this attempt, in seconds since 1970.
    """
    signatures = " ".join(f"v1,{_signature(key, event_id, timestamp, body)}" for key in keys)
    return {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def _signature(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    signed = hmac.new(key, f"{event_id}.{timestamp}.".encode(), hashlib.sha256)
    signed.update(body)
    return pybase64.b64encode(signed.digest()).decode()
