"""All that is wrong with a configuration is said at once: values, what outputs say of their own, what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.load import read
from bridge.errors import ConfigError
from bridge.plugins import Plugins


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def faults(text: str) -> list[str]:
    """What is wrong with a text, without the places."""
    Path("x.toml").write_text(text, "utf-8")
    try:
        read(Path("x.toml")).settings(Plugins().load().outputs)
    except ConfigError as error:
        return [problem.what for problem in error.problems]
    return []


def test_an_output_says_all_that_is_wrong_with_its_options() -> None:
    assert faults("""
[output.a]
type = "mqtt"
url = "http://broker"
base = "a/#"
password = "p"
keepalive = "0s"
[output.b]
type = "webhook"
url = "ftp://erp.example"
secret = "whsec_!!"
headers = { "X Y" = "1", Host = "2" }
""") == [
        'output.a.keepalive: "0s" is not a duration between 1s and 65535s, such as "30s"',
        "output.a.url: has to be mqtt://host[:port] or mqtts://host[:port]",
        'output.a.base: "a/#" is no beginning of a topic; "boxbridge" or "plant/boxes" would be',
        "output.a.password: needs username beside it",
        'output.b.url: not an http or https URL, such as "https://erp.example/hooks/alarm"',
        "output.b.secret: what follows whsec_ is not base64",
        'output.b.headers: "X Y" is not the name of a header',
        'output.b.headers: "Host" is set by boxbridge itself',
    ]


def test_a_value_that_is_wrong_hides_no_fault_that_has_nothing_to_do_with_it() -> None:
    assert faults("""
[output.a]
type = "mqtt"
url = "http://broker"
annotated = 1
base = "a/#"
username = 5
key = "x.toml"
[output.b]
type = "webhook"
url = "ftp://erp.example"
picture = "multi"
secret = 5
headers = { "X Y" = "1" }
bearer = ""
proxy = "proxy:3128"
""") == [
        "output.a.username: 5 is not text",
        "output.a.annotated: 1 is not true or false",
        "output.a.url: has to be mqtt://host[:port] or mqtts://host[:port]",
        'output.a.base: "a/#" is no beginning of a topic; "boxbridge" or "plant/boxes" would be',
        "output.a.key: needs cert beside it",
        'output.b.picture: "multi" is not one of "none", "inline", "multipart", "url", did you mean "multipart"?',
        'output.b.secret: this is not a secret: "${NAME}" or { file = "secrets/name" } or a list',
        'output.b.url: not an http or https URL, such as "https://erp.example/hooks/alarm"',
        'output.b.headers: "X Y" is not the name of a header',
        "output.b.bearer: is empty or holds characters that no header may hold",
        'output.b.proxy: not an http or https URL, such as "http://192.168.1.2:3128"',
    ]


def test_what_is_given_as_an_example_would_be_right() -> None:
    assert faults('output.a = { type = "archive", keep = "1s", backlog = 5 }') == [
        (
            'output.a.backlog: 5 is not a duration between 1h and 3650d, such as "1h" '
            'or a size of at least 1MB, such as "16MB" or "all"'
        ),
        'output.a.keep: "1s" is not a duration between 1d and 3650d, such as "1d"',
    ]


def test_a_value_that_is_wrong_makes_no_further_faults() -> None:
    assert faults("""
[output.a]
type = "mqtt"
url = "mqtts://broker"
username = 5
password = "p"
[output.b]
type = "webhook"
url = 5
secret = "whsec_!!"
""") == [
        "output.a.username: 5 is not text",
        "output.b.url: 5 is not text of length 1 or more",
        "output.b.secret: what follows whsec_ is not base64",
    ]


def test_a_protocol_says_all_that_is_wrong_with_it() -> None:
    assert faults("""
[protocol.p]
paths = ["a", "b"]
device = "a..b"
time_format = "never"
boxes = { at = "x..y", right = "r" }
""") == [
        "protocol.p.boxes: a box needs width and height, or right and bottom",
        'protocol.p.boxes.at: "x..y" is no place in a body, such as "alarm.camera.id"',
        'protocol.p.paths: "a" must begin with /',
        'protocol.p.paths: "b" must begin with /',
        'protocol.p.time_format: "never" is none of auto, s, ms, us and no pattern',
        'protocol.p.device: "a..b" is no place in a body, such as "alarm.camera.id"',
    ]


def test_what_two_outputs_hold_is_said_beside_the_fault_of_another(tmp_path: Path) -> None:
    assert faults("""
late_after = 5
[output.a]
type = "archive"
[output.b]
type = "archive"
[output.c]
type = "mqtt"
""") == [
        'late_after: 5 is not a duration between 1s and 3650d, such as "30s"',
        f"output.b.path: output a has {tmp_path}/boxbridge-data/archive already: each needs its own",
        'output.c: key "url" is missing, such as url = "mqtt://192.168.1.10"',
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("d/journal", "boxbridge has {}/d/journal already: each needs its own"),
        ("d/journal/a", "boxbridge has {}/d/journal already: {}/d/journal/a may not lie in it, nor around it"),
        ("d", "boxbridge has {}/d/journal already: {}/d may not lie in it, nor around it"),
        ("d/unknown/a", "boxbridge has {}/d/unknown already: {}/d/unknown/a may not lie in it, nor around it"),
        ("first/a", "output a has {}/first already: {}/first/a may not lie in it, nor around it"),
        (".", "boxbridge has {}/d/journal already: {} may not lie in it, nor around it"),
        ("", '"" is not a path'),
        ("~/a", '"~/a" begins with ~, another folder for each user: write it in full'),
        ("~nobody-there", '"~nobody-there" begins with ~, another folder for each user: write it in full'),
    ],
)
def test_an_archive_lies_in_a_folder_of_its_own(path: str, why: str, tmp_path: Path) -> None:
    sentence = "output.b.path: " + why.replace("{}", str(tmp_path))
    archives = (
        f'data = "d"\n[output.a]\ntype = "archive"\npath = "first"\n[output.b]\ntype = "archive"\npath = "{path}"'
    )
    assert faults(archives) == [sentence]


def test_a_path_beside_another_or_called_like_its_beginning_is_fine() -> None:
    assert faults('output.a = { type = "archive", path = "a" }\noutput.b = { type = "archive", path = "ab" }') == []
    assert faults('output.a = { type = "archive", path = "./~a" }') == []


@pytest.mark.parametrize("key", ["ca", "cert", "key"])
def test_a_file_of_an_output_must_be_there(key: str, tmp_path: Path) -> None:
    (tmp_path / "there.pem").touch()
    files = {"cert": "there.pem"} | {key: "none.pem"}
    table = "".join(f'{name} = "{file}"\n' for name, file in files.items())
    assert faults(f'[output.a]\ntype = "mqtt"\nurl = "mqtts://broker"\n{table}') == [
        f"output.a.{key}: there is no file {tmp_path}/none.pem"
    ]
    assert faults(f'[output.a]\ntype = "mqtt"\nurl = "mqtts://broker"\n{table}'.replace("none", "there")) == []


def test_a_webhook_s_authorities_must_be_a_file_that_is_there(tmp_path: Path) -> None:
    hook = '[output.a]\ntype = "webhook"\nurl = "https://erp.example"\nca = '
    assert faults(hook + '"none.pem"') == [f"output.a.ca: there is no file {tmp_path}/none.pem"]
    assert faults(hook + '"."') == [f"output.a.ca: {tmp_path} is a folder, not a file"]


def test_names_of_devices_and_channels_are_not_empty_and_not_given_twice() -> None:
    assert faults("""
[device.A]
id = ""
[device.B]
channels = { 1 = "north", 2 = "", 3 = "south" }
[device.C]
channels = { 1 = "north", 2 = "south", 3 = "north" }
""") == [
        'device.A.id: "" is not text of length 1 or more',
        'device.B.channels.2: "" is not text of length 1 or more',
        'device.C.channels: "north" is the name of channel 1 already',
    ]
