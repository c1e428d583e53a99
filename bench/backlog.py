"""A journal with as much in it as is wanted: the record of one real push, again and again under new names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import msgspec

from bridge.event import new_id, utc_now
from bridge.journal.cursor import now_ms
from bridge.journal.log import Log
from bridge.journal.record import Kind, OutputEntry, PushBlob, StateBlob, decode_push, fixed_part, pack, seed
from bridge.journal.recovery import recover
from bridge.journal.segment import Found
from bridge.journal.tail import Limits, Tail

LIVE, DEAD, LATE = "broker", "dead", "late"
"""Outputs that the journal knows: one that has taken all of it, and two that have taken nothing."""
_GROUP = 500
_GROUP_BYTES = 8_000_000


def fill(folder: Path, more: Callable[[int, int], bool]) -> int:
    """Append to a stopped journal as long as `more(count, bytes)` says so; returns how many events were appended."""
    log = Log(folder)
    proven = recover(log)
    blob, pictures = _first_push(log)
    limits = Limits()
    tail = Tail(log, proven.uuid, limits, proven.unsynced)
    count = size = 0
    while more(count, size):
        if count == 0 or tail.offset >= limits.segment_bytes:
            tail.begin(_state(log.next))
            # Where each record stands is for who reads it: here it would only be memory.
            number = seed(proven.uuid, log.segments[-1].number)
        buffers: list[bytes] = []
        while len(buffers) < 2 * _GROUP and sum(map(len, buffers[-2:])) * len(buffers) / 2 < _GROUP_BYTES:
            record = pack(_renamed(blob))
            buffers += [fixed_part(Kind.PUSH, log.next, 1, record, len(pictures), number), pictures]
            log.next += 1
            count += 1
        tail.append(buffers)
        size += sum(map(len, buffers))
    tail.begin(_state(log.next))
    tail.close()
    log.close()
    os.sync()
    return count


def _first_push(log: Log) -> tuple[PushBlob, bytes]:
    for segment in log.segments:
        for found in segment.records():
            if isinstance(found, Found) and found.prefix.kind == Kind.PUSH:
                start = found.offset + found.prefix.fixed_size
                return decode_push(found.blob), segment.read(start, found.prefix.tail_size, wait=True)
    raise RuntimeError(f"{log.folder} holds no push")


def _renamed(blob: PushBlob) -> PushBlob:
    (event,) = blob.events
    msg_id, id_ = str(uuid4()), new_id(utc_now())
    document = event.document.replace(event.id.encode(), id_.encode()).replace(blob.msg_id.encode(), msg_id.encode())
    event = msgspec.structs.replace(event, id=id_, document=document)
    return msgspec.structs.replace(blob, received=now_ms(), msg_id=msg_id, events=(event,))


def _state(next_: int) -> StateBlob:
    outputs = (OutputEntry(1, LIVE, 1, next_), OutputEntry(2, DEAD, 1, 1), OutputEntry(3, LATE, 1, 1))
    return StateBlob(4, outputs)
