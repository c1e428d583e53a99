"""`boxbridge send`: pushes a captured body, or the sample freshly dated, as a box would."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from msgspec import Struct

from bridge.cli.options import config_option, service_environment, source_of
from bridge.config.address import from_here
from bridge.errors import OutputUnreachable, UsageError, why
from bridge.options import Secret
from bridge.protocols.skill import PATH

TIMEOUT = 30


class Sent(Struct, frozen=True):
    """The answer to one push."""

    how: str
    """What carried it, for people."""
    fine: bool
    body: bytes
    seconds: float


@click.command("send")
@click.argument("file", type=click.File("rb"), required=False)
@click.option("--to", "url", metavar="URL", help=f"Where to; by default this machine's boxbridge, {PATH}.")
@click.option("--ws", is_flag=True, help="As a WebSocket message; an address with ws:// means the same.")
@config_option
def send_command(file: Any, url: str | None, ws: bool, config: Path | None) -> None:
    """Push FILE (- for standard input) as it is; without FILE the sample, freshly dated with a new msg_id.

    Exit code 0 when the answer is success in the form that the vendor has for it, 1 when the push is refused or
    something else answers than a receiver of pushes, 69 when nobody answers.
    """
    if file is None:
        from bridge.testing.sample import sample_push

        body = sample_push()
    else:
        body = file.read()
    url, token, trust = (url, None, None) if url else _listening(config)
    if ws and url.startswith("http"):
        url = "ws" + url.removeprefix("http")
    send = push_message if url.startswith(("ws:", "wss:")) else push
    sent = send(body, url, token, trust)
    success, answer = _read(sent, _expected(body))
    click.echo(f"{sent.how}  {answer}  {sent.seconds * 1000:.0f} ms")
    click.get_current_context().exit(0 if success else 1)


def push(body: bytes, url: str, token: Secret | None, trust: ssl.SSLContext | None) -> Sent:
    """POST one body; `trust` says which certificates are taken, None: those of known authorities.

    Raises UsageError for what is no address and OutputUnreachable where nobody answers.
    """
    began = time.monotonic()
    try:
        with closing(_connection(url, trust)) as connection:
            connection.request("POST", _target(url), body, {"Content-Type": "application/json", **_shown(token)})
            answer = connection.getresponse()
            fine = 200 <= answer.status < 300
            return Sent(f"HTTP {answer.status}", fine, answer.read(), time.monotonic() - began)
    except ssl.SSLError as error:  # some are a ValueError as well
        raise OutputUnreachable(f"{url}: no TLS: {error}") from error
    except (ValueError, http.client.InvalidURL) as error:
        raise UsageError(f"{url} is not an address such as http://127.0.0.1:8600{PATH}") from error
    except (OSError, http.client.HTTPException) as error:
        raise OutputUnreachable(f"{url}: no answer: {why(error)}") from error


def push_message(body: bytes, url: str, token: Secret | None, trust: ssl.SSLContext | None) -> Sent:
    """Send one body as a WebSocket message; raises UsageError and OutputUnreachable as `push` does."""
    from websockets.exceptions import InvalidURI, WebSocketException
    from websockets.sync.client import connect

    began = time.monotonic()
    try:
        with connect(
            url,
            ssl=trust,
            proxy=None,
            compression=None,
            max_size=None,
            open_timeout=TIMEOUT,
            additional_headers=_shown(token),
        ) as connection:
            connection.send(body, text=_is_text(body))
            answer = connection.recv(TIMEOUT, decode=False)
            return Sent("WebSocket", True, answer, time.monotonic() - began)
    except ssl.SSLError as error:
        raise OutputUnreachable(f"{url}: no TLS: {error}") from error
    except (ValueError, InvalidURI) as error:
        raise UsageError(f"{url} is not an address such as ws://127.0.0.1:8600/") from error
    except (OSError, WebSocketException) as error:
        raise OutputUnreachable(f"{url}: no answer: {why(error)}") from error


def _shown(token: Secret | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.reveal()}"} if token else {}


def _is_text(body: bytes) -> bool:
    """Whether a body may go as text, which must be UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _connection(url: str, trust: ssl.SSLContext | None) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=trust)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)


def _target(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or PATH) + (f"?{parts.query}" if parts.query else "")


def _listening(config: Path | None) -> tuple[str, Secret | None, ssl.SSLContext | None]:
    """Where the configured daemon listens on this machine, its token, and trust in it; defaults without configuration.

    Reads that one table: the sender needs none of the other secrets that the whole configuration may name.
    """
    server = source_of(config, service_environment()).server
    address = f"{from_here(server.listen)}{PATH}"
    if server.cert:
        return f"https://{address}", server.token, _trust_in_any()
    return f"http://{address}", server.token, None


def _trust_in_any() -> ssl.SSLContext:
    """For this machine's own daemon: its certificate names the host as boxes know it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _expected(body: bytes) -> str:
    """The name of the answer that the vendor has for a push; "" where that can't be told, as for other vendors'."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    name = document.get("wsKey") if isinstance(document, dict) else None
    return f"{name}Result" if isinstance(name, str) else ""


def _read(sent: Sent, expected: str) -> tuple[bool, str]:
    """Whether the answer is success, and the answer for people: in the vendors' envelopes `code` 0 is success."""
    fine = sent.fine
    try:
        answer = json.loads(sent.body)
    except ValueError:
        answer, shown = None, repr(sent.body[:200].decode(errors="replace"))
    else:
        shown = json.dumps(answer, ensure_ascii=False)[:200]
    if isinstance(answer, dict) and "code" in answer:
        fine, shown = fine and answer["code"] == 0, f"code {answer['code']}  {answer.get('message', '')}"
    if not fine or not expected or (isinstance(answer, dict) and answer.get("wsKey") == expected and "code" in answer):
        return fine, shown
    return False, f"{shown}  which is no answer to a push: it would have wsKey {expected} and code 0"
