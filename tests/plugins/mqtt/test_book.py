"""What an output has seen of devices."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from msgspec.structs import replace

from bridge import Event
from bridge_mqtt.book import Book
from tests.plugins.mqtt.sending import event_with


def named(device: str, channel: str) -> Event:
    """An event of gate-3, when it and its channel were called so."""
    event = event_with()
    return event.with_(device=replace(event.device, name=device), channel=replace(event.channel, name=channel))


def test_a_name_that_is_given_back_is_learned_again() -> None:
    book = Book(Path("unused"))
    news = [book.note(named(*names)) for names in (("Gate", "north"), ("Gaet", "nroth"), ("Gate", "north"))]
    assert news == [True, True, True]
    device = book.devices["gate-3"]
    assert (device.name, device.channels["1"].name) == ("Gate", "north")


def test_what_is_known_is_no_news() -> None:
    book = Book(Path("unused"))
    assert [book.note(named("Gate", "north")) for _ in range(3)] == [True, False, False]


def test_names_without_end_fill_no_memory() -> None:
    book = Book(Path("unused"))
    tracemalloc.start()
    try:
        for number in range(100):
            long = f"{number}{'x' * 100_000}"
            event = event_with().with_(counts={long: number, "people": 1})
            event = event.with_(device=replace(event.device, name=long, serial=long))
            book.note(event.with_(channel=replace(event.channel, name=long)))
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    assert book.devices["gate-3"].channels["1"].counts == ["people"]
