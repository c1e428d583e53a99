"""What can be told wrong with the options before anything connects."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest

from bridge import Duration, Secret
from bridge.config.convert import sentences
from bridge.words.patterns import chinese
from bridge_mqtt.options import Options
from bridge_mqtt.topics import Templates


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://192.168.1.10", ("192.168.1.10", 1883, False)),
        ("mqtts://broker.example", ("broker.example", 8883, True)),
        ("mqtt://broker:1884/", ("broker", 1884, False)),
        ("mqtt://[fe80::1]:1884", ("fe80::1", 1884, False)),
        ("mqtts://[::1]", ("::1", 8883, True)),
    ],
)
def test_a_url_gives_host_port_and_tls(url: str, address: tuple[str, int, bool]) -> None:
    assert Options(url=url).address == address


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("192.168.1.10", "url: has to be mqtt://"),
        ("http://192.168.1.10", "url: has to be mqtt://"),
        ("mqtt://", "url: has to be mqtt://"),
        ("mqtt://my broker", "url: has to be mqtt://"),
        ("mqtt://broker:70000", "url: port 70000 is not between 1 and 65535"),
        ("mqtt://broker:0", "url: port 0 is not between"),
        ("mqtt://broker:x", "url: port x is not between"),
        ("mqtt://[::1", "url: is no address"),
        ("mqtt://me:secret℀@broker", "url: is no address"),
        ("mqtt://me:secret@broker", "url: user name and password belong in username and password"),
        ("mqtt://broker/topic", "url: nothing may follow host and port"),
    ],
)
def test_a_wrong_url_is_told_in_a_sentence(url: str, wrong: str) -> None:
    (told,) = sentences(Options(url=url).faults())
    assert told.startswith(wrong)
    assert chinese(told)
    assert "secret" not in told


def test_an_address_says_what_is_wrong_without_the_key_that_it_knows_nothing_of() -> None:
    with pytest.raises(ValueError, match=r"^has to be mqtt://"):
        _ = Options(url="http://broker").address


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"base": "a/#"}, "base: "),
        ({"base": "$SYS"}, "base: "),
        ({"base": "boxes/"}, "base: "),
        ({"password": Secret("x")}, "password: needs username"),
        ({"ca": "ca.pem"}, "ca: is for TLS"),
        ({"insecure": True}, "insecure: is for TLS"),
        ({"url": "mqtts://broker", "key": "key.pem"}, "key: needs cert"),
        ({"will_delay": Duration("5s")}, "will_delay: is longer than session_expiry"),
        (
            {"homeassistant": True, "topics": Templates(event="{late}{kind}")},
            "homeassistant: needs one topic a channel",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(options: dict[str, Any], wrong: str) -> None:
    (told,) = sentences(Options(**{"url": "mqtt://broker", **options}).faults())
    assert told.startswith(wrong)
    assert chinese(told)


def test_two_things_on_one_topic_are_told() -> None:
    templates = Templates(event="a/{device}/{late}x", picture="a/{device}/{late}x", info="{base}/{site}/state")
    told = list(templates.faults())
    assert told == [
        'info: "{base}/{site}/state" is where state goes already',
        'picture: "a/{device}/{late}x" is where event goes already',
    ]
    assert all(chinese(sentence.partition(": ")[2]) for sentence in told)


def test_every_option_is_described() -> None:
    hints = typing.get_type_hints(Options, include_extras=True)
    described = [name for name, hint in hints.items() if any(meta.description for meta in hint.__metadata__)]
    assert described == list(Options.__struct_fields__)


def test_every_option_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "outputs" / "mqtt.md").read_text()
    assert [name for name in Options.__struct_fields__ if f"\n| `{name}` | " not in page] == []


def test_the_password_is_in_no_text_of_the_options() -> None:
    options = Options(url="mqtt://broker", username="me", password=Secret("hush"))
    assert "hush" not in repr(options)
