"""Records: what is packed is read back, and nothing else is taken for a record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.journal.record import (
    PREFIX_SIZE,
    Change,
    ChangesBlob,
    EventEntry,
    Kind,
    OpenEntry,
    OutputEntry,
    PictureEntry,
    PushBlob,
    StateBlob,
    decode_changes,
    decode_prefix,
    decode_push,
    decode_state,
    fixed_part,
    is_sound,
    pack,
    seed,
)

SEED = seed(b"u" * 16, 7)
numbers = st.integers(0, 2**64 - 1)
small = st.integers(0, 2**32 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
events = st.builds(EventEntry, texts, texts, texts, texts, st.integers(-(2**63), 2**63 - 1), st.binary(max_size=99))
pushes = st.builds(
    PushBlob,
    received=numbers,
    device=texts,
    msg_id=texts,
    digest=st.binary(max_size=32),
    message=texts,
    peer=texts,
    method=texts,
    path=texts,
    query=texts,
    content_type=texts,
    events=st.lists(events, max_size=4).map(tuple),
    body=st.binary(max_size=200),
    cuts=st.lists(st.tuples(small, small), max_size=3).map(tuple),
    pictures=st.lists(st.builds(PictureEntry, small, texts), max_size=3).map(tuple),
)
open_entries = st.builds(OpenEntry, numbers, small, numbers, numbers, texts)
outputs = st.builds(OutputEntry, small, texts, numbers, numbers, st.lists(open_entries, max_size=3).map(tuple))
states = st.builds(StateBlob, small, st.lists(outputs, max_size=3).map(tuple))
changes = st.builds(Change, small, numbers, texts, numbers, small, texts, numbers)
changes_blobs = st.builds(
    ChangesBlob, st.lists(st.tuples(small, numbers), max_size=3).map(tuple), st.lists(changes, max_size=3).map(tuple)
)


@given(pushes)
def test_a_push_is_read_back_as_it_was(blob: PushBlob) -> None:
    assert decode_push(pack(blob)) == blob


@given(states)
def test_a_state_is_read_back_as_it_was(blob: StateBlob) -> None:
    assert decode_state(pack(blob)) == blob


@given(changes_blobs)
def test_changes_are_read_back_as_they_were(blob: ChangesBlob) -> None:
    assert decode_changes(pack(blob)) == blob


@given(numbers, small, small, st.binary(max_size=300))
def test_a_prefix_says_what_was_written(sequence: int, count: int, tail: int, blob: bytes) -> None:
    fixed = fixed_part(Kind.PUSH, sequence, count, blob, tail, SEED)
    prefix = decode_prefix(fixed, SEED)
    assert prefix is not None
    assert (prefix.kind, prefix.sequence, prefix.count, prefix.tail_size) == (Kind.PUSH, sequence, count, tail)
    assert prefix.size == len(fixed) + tail
    assert is_sound(prefix, fixed[PREFIX_SIZE:])


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_flipped_bit_goes_unseen(blob: bytes, data: st.DataObject) -> None:
    fixed = bytearray(fixed_part(Kind.PUSH, 5, 1, blob, 0, SEED))
    place = data.draw(st.integers(0, len(fixed) - 1))
    fixed[place] ^= 1 << data.draw(st.integers(0, 7))
    prefix = decode_prefix(bytes(fixed), SEED)
    assert prefix is None or not is_sound(prefix, bytes(fixed[PREFIX_SIZE:]))


def test_a_record_of_another_segment_or_journal_is_none() -> None:
    fixed = fixed_part(Kind.PUSH, 5, 1, b"blob", 0, SEED)
    assert decode_prefix(fixed, seed(b"u" * 16, 8)) is None
    assert decode_prefix(fixed, seed(b"v" * 16, 7)) is None


def test_a_record_that_is_cut_is_none() -> None:
    fixed = fixed_part(Kind.PUSH, 5, 1, b"blob", 0, SEED)
    for size in range(PREFIX_SIZE):
        assert decode_prefix(fixed[:size], SEED) is None
    prefix = decode_prefix(fixed, SEED)
    assert prefix is not None
    assert not is_sound(prefix, fixed[PREFIX_SIZE:-1])


def test_fields_that_a_newer_version_adds_are_passed_over() -> None:
    blob = ChangesBlob(((1, 5),), ())
    longer = bytes([pack(blob)[0] + 1]) + pack(blob)[1:] + b"\xa3new"
    assert decode_changes(longer) == blob
