"""The event and its parts: what they say of themselves, and the document as it is written and read."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from bridge import Event, Picture
from bridge.event import Channel, decode_document, document_schema, encode_document, new_id, times_of_ids
from bridge.testing import draw_dot, sample_event

MOMENT = datetime(2023, 11, 20, 6, 39, 47, tzinfo=UTC)


@pytest.fixture
def event() -> Event:
    return sample_event(small=True)


@pytest.mark.parametrize(
    ("microsecond", "written"), [(132000, "47.132Z"), (7000, "47.007Z"), (0, "47.000Z"), (132999, "47.132Z")]
)
def test_times_are_written_in_utc_and_milliseconds(event: Event, microsecond: int, written: str) -> None:
    time = MOMENT.replace(microsecond=microsecond)
    document = json.loads(encode_document(event.with_(occurred=time, received=time, reported=time)))
    times = {document["time"], document["data"]["received"], document["data"]["reported"]}
    assert times == {"2023-11-20T06:39:" + written}


@given(integers(0, 2**48 - 1).filter(lambda milliseconds: milliseconds < 253_402_300_800_000), integers(0, 26))
def test_an_id_tells_when_it_was_made_and_its_beginning_about_when(milliseconds: int, length: int) -> None:
    beginning = new_id(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds))[:length]
    first, last = times_of_ids(beginning)
    assert first <= milliseconds <= last
    assert last - first + 1 == 32 ** max(0, 10 - length)


def test_what_no_id_begins_with_tells_no_time() -> None:
    first, last = times_of_ids("b0c5be00-0000")
    assert first > last


def test_a_time_that_the_box_did_not_tell_is_null(event: Event) -> None:
    assert json.loads(encode_document(event.with_(reported=None)))["data"]["reported"] is None


def test_a_time_of_another_zone_by_a_plugin_is_the_same_time(event: Event) -> None:
    changed = event.with_(occurred=MOMENT.astimezone(timezone(timedelta(hours=8))))
    assert decode_document(encode_document(changed)).occurred == MOMENT


def test_what_was_written_reads_as_the_same_event(event: Event) -> None:
    assert decode_document(encode_document(event)) == event


def test_a_channel_that_the_box_does_not_number_has_an_id_too(event: Event) -> None:
    document = encode_document(event.with_(channel=Channel(name="gate")))
    assert json.loads(document)["data"]["channel"] == {"id": "0", "name": "gate"}
    assert decode_document(document.replace(b'"id":"0",', b"")).channel.id == "0"


def test_times_with_microseconds_as_documents_once_had_them_are_read(event: Event) -> None:
    event = event.with_(occurred=MOMENT.replace(microsecond=132000))
    document = encode_document(event)
    old = document.replace(b'47.132Z"', b'47.132000Z"')
    assert old != document
    assert decode_document(old) == event


def test_the_schema_says_what_times_are() -> None:
    definitions = document_schema()["$defs"]
    times = definitions["EventDocument"]["properties"]["time"], definitions["EventData"]["properties"]["received"]
    for time in times:
        assert (time["type"], time["format"]) == ("string", "date-time")
        assert "UTC, in milliseconds" in time["description"]


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp"), ("image/tiff", "bin"), ("", "bin")],
)
def test_a_picture_says_what_a_file_with_it_is_called_by(media_type: str, extension: str) -> None:
    picture = Picture(role="scene", media_type=media_type, width=1, height=1, size=1, sha256="")
    assert picture.extension == extension


def test_a_picture_is_told_by_its_bytes_and_what_they_leave_open_by_the_push() -> None:
    jpeg, unknown = draw_dot(), b"of a format that nobody knows"
    told = Picture.of("scene", jpeg, width=1920, height=1080)
    assert (told.media_type, told.width, told.height, told.size) == ("image/jpeg", 8, 8, len(jpeg))
    assert told.sha256 == hashlib.sha256(jpeg).hexdigest()
    other = Picture.of("other", unknown, width=1920, height=1080, sha256="ab")
    assert (other.media_type, other.width, other.height, other.sha256) == ("application/octet-stream", 1920, 1080, "ab")


def test_an_event_of_no_site_is_of_none_when_it_is_read_back() -> None:
    event = sample_event().with_(site="")
    assert decode_document(encode_document(event)).site == ""
