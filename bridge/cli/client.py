"""The commands' way to a running daemon: HTTP over its unix socket."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from bridge.config import defaults
from bridge.config.load import find, read
from bridge.config.settings import SOCKET
from bridge.errors import BadData, BridgeError, ConfigError, FileTrouble, OutputUnreachable, why

_SECONDS = 60.0


class Refused(BridgeError):
    """The daemon did not do what it was asked for; the text is its own."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]


class Client:
    """Asks the daemon of one configuration."""

    def __init__(self, config: Path | None) -> None:
        self._socket = data_folder(config) / SOCKET

    def get(self, path: str, **query: str | None) -> httpx2.Response:
        """Ask for something; raises OutputUnreachable or Refused. `query`: what is None is left out."""
        return self._ask("GET", path, params=_given(query))

    def post(self, path: str, **asked: Any) -> httpx2.Response:
        """Ask for something to be done; raises OutputUnreachable or Refused."""
        return self._ask("POST", path, json=asked)

    def send(self, path: str, body: bytes) -> httpx2.Response:
        """Hand something over as it is; raises OutputUnreachable or Refused."""
        return self._ask("POST", path, content=body)

    @contextmanager
    def stream(self, path: str, **query: str | None) -> Iterator[httpx2.Response]:
        """Ask for lines that come one by one; raises OutputUnreachable or Refused."""
        try:
            with self._http(None) as client, client.stream("GET", path, params=_given(query)) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                yield answer
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _http(self, timeout: float | None) -> httpx2.Client:
        # Nothing here speaks TLS, and to read the system's authorities takes as long as all the rest.
        transport = httpx2.HTTPTransport(uds=str(self._socket), verify=False)
        return httpx2.Client(transport=transport, base_url="http://boxbridge", timeout=timeout)

    def _unreachable(self, error: Exception) -> OutputUnreachable:
        return OutputUnreachable(
            f"no daemon answers at {self._socket} ({why(error)}): is it running, with this configuration, "
            "and may you reach it?"
        )

    def _ask(self, method: str, path: str, **how: Any) -> httpx2.Response:
        try:
            with self._http(_SECONDS) as client:
                answer = client.request(method, path, **how)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise _refused(answer)
        return answer


def _given(query: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value is not None}


def data_folder(config: Path | None) -> Path:
    """The data folder; also of a file that is no TOML now, for the daemon still runs as it stood before."""
    file = find(config)
    try:
        return read(file).data
    except ConfigError:
        try:
            text = file.read_text("utf-8", "replace")
        except OSError as error:
            raise FileTrouble(f"{file} can't be read: {error.strerror}") from None
        named = re.search(r'^\s*data\s*=\s*"([^"]+)"', text, re.MULTILINE)
        return file.parent / named[1] if named else defaults.data(os.environ, file)


def _refused(answer: httpx2.Response) -> BridgeError:
    try:
        told: Any = answer.json()
    except ValueError:
        return BadData(f"the daemon answered HTTP {answer.status_code}: {answer.text[:200]}")
    if answer.status_code == 404:
        return BadData(told["error"])
    return Refused(told["error"], told.get("exit_code", 1))
