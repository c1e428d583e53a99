"""Names: readable, safe on every system, and never the same for two ids."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.words.patterns import chinese
from bridge_archive import layout
from bridge_archive.layout import Layout
from bridge_archive.output import ArchiveOptions
from tests.plugins.deliveries import SHANGHAI, delivery_of

WINDOWS_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\.|$)", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gate-3", "gate-3"),
        ("DMB3160PWC21J00001", "DMB3160PWC21J00001"),
        ("东门", "东门"),
        ("x/y", "x%2Fy"),
        ("../", "%2E.%2F"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", "%"),
        ("a:b", "a%3Ab"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("COM¹", "%43OM¹"),
        ("CONIN$", "%43ONIN%24"),
        ("console", "console"),
        ("a b", "a%20b"),
        ("a.", "a%2E"),
        ("a\x00\n\\", "a%00%0A%5C"),
        ("100%", "100%25"),
        (".hidden", "%2Ehidden"),
        ("events.jsonl", "%65vents.jsonl"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_an_id_becomes_a_name_that_every_system_takes(text: str, name: str) -> None:
    assert layout.name_of(text) == name


@given(st.text(max_size=300))
def test_no_id_makes_a_name_that_breaks_or_leaves_its_folder(text: str) -> None:
    name = layout.name_of(text)
    assert 0 < len(name.encode()) <= layout.LONGEST
    assert not set(name) & set('<>:"/\\|?* \0')
    assert not WINDOWS_RESERVED.match(name)
    assert not name.startswith(".")
    assert not name.endswith((".", " "))
    assert Path(name).name == name


@given(st.text(max_size=20))
def test_a_short_name_gives_its_id_back(text: str) -> None:
    name = layout.name_of(text)
    if "+" not in name:
        assert (unquote(name, errors="surrogatepass") if name != "%" else "") == text


def test_long_ids_are_cut_and_still_differ() -> None:
    ids = ["门" * 200, "门" * 201, "x" * 97, "x" * 98, "x" * 75 + "+" + "0" * 20]
    names = {layout.name_of(text) for text in ids}
    assert len(names) == len(ids)
    assert max(len(name.encode()) for name in names) <= layout.LONGEST
    assert layout.name_of("x" * 96) == "x" * 96


def test_the_longest_ids_still_fit_a_file_name() -> None:
    event = delivery_of(
        ("r" * 300, b"x"), device="d" * 300, channel="c" * 300, kind="k" * 300, event_id="i" * 300
    ).event
    (ending,) = layout.picture_endings(event)
    stem = Layout(layout.TEMPLATE, SHANGHAI).stem_of(event).name
    for name in (stem + ending, layout.latest_of(event, ending)):
        assert len(f".{name}.part".encode()) <= 255


def test_underscores_do_not_let_two_channels_share_the_latest_scene() -> None:
    names = {layout.latest_of(delivery_of(device=d, channel=c).event, ".jpg") for d, c in [("a_b", "c"), ("a", "b_c")]}
    assert len(names) == 2


def test_day_and_time_are_those_of_receipt_in_the_time_zone() -> None:
    event = delivery_of(after=4 * 3600).event
    stem = Layout(layout.TEMPLATE, SHANGHAI).stem_of(event)
    assert stem == Path("2026-11-24/gate-3/1/001501.123_pre_offvehicle_01JDCE00000000000000000000")


def test_further_pictures_are_numbered_within_their_role() -> None:
    pictures = [("scene", b"1"), ("target", b"2"), ("target", b"3"), ("reference", b"4"), ("scene", b"5")]
    assert list(layout.picture_endings(delivery_of(*pictures).event)) == [
        ".jpg",
        "_target-1.jpg",
        "_target-2.jpg",
        "_reference-1.jpg",
        "_scene-2.jpg",
    ]


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ("{date}/{id}", "2026-11-23/01JDCE00000000000000000000"),
        ("{date}/{site}/{hour}/{id}-{kind}", "2026-11-23/plant-a/20/01JDCE00000000000000000000-pre_offvehicle"),
        ("{date}/门/{skill}{channel}/{id}", "2026-11-23/门/offvehicle1/01JDCE00000000000000000000"),
        ("{date}/com{channel}/{id}.{kind}", "2026-11-23/%63om1/01JDCE00000000000000000000.pre_offvehicle"),
    ],
)
def test_a_layout_says_where_events_lie(template: str, place: str) -> None:
    assert list(layout.faults_of(template)) == []
    assert Layout(template, SHANGHAI).stem_of(delivery_of().event) == Path(place)


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("{date}/{devcie}/{id}", 'layout: "devcie" is no name in a layout, did you mean "device"?'),
        ("{date}/{x}_{id}", 'layout: "x" is no name in a layout (there are: date, hour, '),
        ("{date}/{kind!r}_{id}", 'layout: "kind!r" is no name in a layout, did you mean "kind"?'),
        ("{date}/{id}/{kind", 'layout: "{date}/{id}/{kind" is no layout: '),
        ("{device}/{date}/{id}", "layout: has to begin with {date}/"),
        ("{date}_{device}/{id}", "layout: has to begin with {date}/"),
        ("{date}/{id}/{kind}", "layout: needs {id} in its last part"),
        ("{date}/{{id}}", "layout: needs {id} in its last part"),
        ("{date}/a:b/{id}", 'layout: "{date}/a:b/{id}" is no layout that every system takes'),
        ("{date}/../{id}", 'layout: "{date}/../{id}" is no layout that every system takes'),
        ("{date}/{device}./{id}", 'layout: "{date}/{device}./{id}" is no layout that every system takes'),
        ("{date}//{id}", 'layout: "{date}//{id}" is no layout that every system takes'),
        ("{date}/a b/{id}", 'layout: "{date}/a b/{id}" is no layout that every system takes'),
        ("{date}/100%/{id}", 'layout: "{date}/100%/{id}" is no layout that every system takes'),
        ("{date}/" + "{device}" * 8 + "{id}", "layout: "),
    ],
)
def test_a_wrong_layout_is_told_in_a_sentence(template: str, wrong: str) -> None:
    (told,) = ArchiveOptions(layout=template).faults()
    assert told.startswith(wrong)
    assert chinese(told)


@given(st.text(max_size=120), st.text(max_size=120), st.text(max_size=120))
def test_no_layout_of_any_ids_makes_a_name_that_breaks(device: str, channel: str, kind: str) -> None:
    event = delivery_of(device=device, channel=channel, kind=kind).event
    for template in ("{date}/{device}{channel}/{id}", "{date}/{device}_{channel}_{kind}_{skill}_{site}_{id}_{time}"):
        place = Layout(template, SHANGHAI).stem_of(event)
        assert event.id in place.name
        for part in place.parts:
            assert len(part.encode()) <= 209
            assert not set(part) & set('<>:"/\\|?* \0')
            assert not WINDOWS_RESERVED.match(part)
            assert not part.startswith(".")
            assert not part.endswith((".", " "))
