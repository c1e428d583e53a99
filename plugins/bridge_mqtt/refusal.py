"""What a refusal means for the output: of the network, of the broker at CONNECT, of the broker for one message."""

from __future__ import annotations

import ssl

from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bridge import Rejected, Retry, Stopped, Unavailable

# Reason codes of MQTT 5 (section 2.4); paho translates those of 3.1.1 to them.
_VERSION = 132
_RETAIN = 154
_CLIENT = {133, 134, 135, 138, 140, 144, 149, 155}
_MESSAGE = {135, 144, 153}
_QUOTA_EXCEEDED = 151


class VersionRefused(Unavailable):
    """The broker does not speak this MQTT version: it said so, or closed the connection without an answer."""


class RetainRefused(Unavailable):
    """The broker keeps no messages for later, not even a will."""


def of_network(error: BaseException, address: object) -> BaseException:
    """For an error while connecting, in the network's own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(f"{address}: the broker's certificate is not accepted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return Unavailable(f"{address}: TLS failed: {error.reason or error}")
    if isinstance(error, OSError | UnicodeError):
        return Unavailable(f"{address}: {getattr(error, 'strerror', None) or error}")
    return error


def of_client(reason: ReasonCode, given: Properties | None, protocol: str) -> Exception:
    """For a CONNACK: Stopped where only a person can mend it, as with a wrong password; else Unavailable."""
    if reason.value == _VERSION:
        return VersionRefused(f"the broker does not speak MQTT {protocol}")
    text = f"the broker refuses the connection: {in_words(reason, given)}"
    if reason.value == _RETAIN:
        return RetainRefused(text)
    return Stopped(text) if reason.value in _CLIENT else Unavailable(text)


def of_message(reason: ReasonCode, given: Properties | None) -> Exception:
    """For a PUBACK with a failure code: Rejected where this message will never be taken."""
    text = f"the broker refuses the message: {in_words(reason, given)}"
    if reason.value == _QUOTA_EXCEEDED:
        return Unavailable(text)
    return Rejected(text) if reason.value in _MESSAGE else Retry(text)


def in_words(reason: ReasonCode, given: Properties | None) -> str:
    """The reason code's name, with what the broker added to it."""
    detail = getattr(given, "ReasonString", "")
    return f"{reason} ({detail})" if detail else str(reason)
