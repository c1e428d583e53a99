"""Where events arrive besides a broker: a web server for webhooks, and a reader of an archive. Each in its own process.

Both cost as little as they can: they must not be what the benchmark measures.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import uvloop

from bench.ledger import Ledger
from bench.push import NUMBER_AT, Template, number_in

_NUMBER = re.compile(rb'"msg_id": ?"b0c5be00-0000-4000-8000-(\d{12})"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_TAIL_SECONDS = 0.01


def serve_hooks(template: Template | None, ledgers: Sequence[Ledger], ports: Sequence[int]) -> None:
    """Take posts on these ports, each with its ledger, until the process is ended. The main function of a process.

    `template`: what each post has to carry whole as a part of a form; None where posts have no pictures.
    """
    uvloop.run(_serve_hooks(template, ledgers, ports))


async def _serve_hooks(template: Template | None, ledgers: Sequence[Ledger], ports: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    for ledger, port in zip(ledgers, ports, strict=True):

        def connection(ledger: Ledger = ledger) -> _Hook:
            return _Hook(template, ledger)

        await loop.create_server(connection, "127.0.0.1", port)
    for ledger in ledgers:
        ledger.subscribed.value = 1
    await asyncio.Event().wait()


class _Hook(asyncio.Protocol):
    """One connection, on which posts follow each other."""

    def __init__(self, template: Template | None, ledger: Ledger) -> None:
        self._template = template
        self._ledger = ledger
        self._pieces: list[bytes] = []
        self._missing = 0
        """Bytes of the post that are not here yet; 0 while its head is not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it for answers."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer a post that is whole."""
        self._pieces.append(data)
        if self._missing > len(data):
            self._missing -= len(data)
            return
        whole = b"".join(self._pieces)
        head, separator, body = whole.partition(b"\r\n\r\n")
        found = _LENGTH.search(head + b"\r\n") if separator else None
        self._missing = int(found[1]) - len(body) if found else 0
        if not found or self._missing > 0:
            self._pieces = [whole]
            return
        self._pieces, self._missing = [], 0
        self._note(body)
        self._transport.write(_ANSWER)

    def _note(self, body: bytes) -> None:
        now = time.monotonic()
        number = _NUMBER.search(body)
        if number is None:
            return
        self._ledger.note_event(int(number[1]), now)
        if self._template is None or self._template.picture_end in body:
            self._ledger.note_picture(int(number[1]), now)


def read_archive(ledger: Ledger, folder: Path) -> None:
    """Note each line that the days' indexes get, until the process is ended. The main function of a process."""
    places: dict[Path, int] = {}
    ledger.subscribed.value = 1
    while True:
        for index in folder.glob("*/events.jsonl"):
            with index.open("rb") as file:
                file.seek(places.get(index, 0))
                lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            places[index] = places.get(index, 0) + len(whole)
            now = time.monotonic()
            for number in _NUMBER.findall(whole):
                ledger.note_event(int(number), now)
                ledger.note_picture(int(number), now)
        time.sleep(_TAIL_SECONDS)


def archived(template: Template, folder: Path) -> Iterator[int]:
    """The numbers of the pictures that an archive has whole, byte for byte."""
    start, stop = NUMBER_AT.start, NUMBER_AT.stop
    for picture in _pictures(folder):
        if picture[:start] == template.picture[:start] and picture[stop:] == template.picture_end:
            yield number_in(picture)


def _pictures(folder: Path) -> Iterable[bytes]:
    return (file.read_bytes() for file in folder.glob("????-??-??/*/*/*.jpg"))
