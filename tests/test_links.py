"""Signed addresses of events: what opens, what does not, and what becomes of them with another key."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.event import new_id
from bridge.links import LASTS_SECONDS, Links


def links_in(folder: Path) -> Links:
    links = Links(folder / "links.key")
    links.address = "https://bridge.example/console"
    links.open()
    return links


def signature(links: Links, event: str) -> str:
    address, _, signature = links.to(event).partition("?s=")
    assert address == f"https://bridge.example/console/e/{event}"
    return signature


def test_an_address_opens_its_event_alone_and_is_the_same_each_time_and_after_a_restart(tmp_path: Path) -> None:
    links, event, other = links_in(tmp_path), new_id(datetime.now(UTC)), new_id(datetime.now(UTC))
    signed = signature(links, event)
    assert links.opens(event, signed)
    assert not links.opens(other, signed)
    assert not links.opens(event, "")
    assert not links.opens(event, signed[:-1])
    assert not links.opens(event, "\ud83d")
    assert links_in(tmp_path).to(event) == links.to(event)


def test_an_address_ends_some_time_after_its_event_came(tmp_path: Path) -> None:
    links, now = links_in(tmp_path), datetime.now(UTC)
    old, older = (new_id(now - timedelta(seconds=LASTS_SECONDS + seconds)) for seconds in (-60, 60))
    assert links.opens(old, signature(links, old))
    assert not links.opens(older, signature(links, older))


def test_another_key_ends_all_addresses(tmp_path: Path) -> None:
    links, event = links_in(tmp_path), new_id(datetime.now(UTC))
    before = signature(links, event)
    links.revoke()
    assert not links.opens(event, before)
    assert links.opens(event, signature(links, event))
    assert not links_in(tmp_path).opens(event, before)
    assert (tmp_path / "links.key").stat().st_mode & 0o777 == 0o600


def test_without_an_address_nothing_is_given_out_and_nothing_opens(tmp_path: Path) -> None:
    links, event = links_in(tmp_path), new_id(datetime.now(UTC))
    signed = signature(links, event)
    links.address = ""
    assert links.to(event) == ""
    assert not links.opens(event, signed)


@pytest.mark.parametrize("kept", [b"", b"too short"])
def test_a_key_that_is_none_is_made_anew(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "links.key").write_bytes(kept)
    event = new_id(datetime.now(UTC))
    assert links_in(tmp_path).to(event) == links_in(tmp_path).to(event)


def test_where_no_key_can_be_kept_addresses_are_good_for_this_run(tmp_path: Path) -> None:
    (tmp_path / "links.key").mkdir()
    links, event = links_in(tmp_path), new_id(datetime.fromtimestamp(time.time(), UTC))
    assert links.opens(event, signature(links, event))
    assert links_in(tmp_path).to(event) != links.to(event)
