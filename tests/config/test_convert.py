"""TOML values become typed ones; each fault is one sentence at its place, and all faults come at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
import tomli
from msgspec import Meta, Struct

from bridge.config.convert import Conversion
from bridge.config.locator import Places
from bridge.options import Duration, Secret, Size


class Login(Struct, kw_only=True):
    user: str
    password: Secret | None = None


class Options(Struct, kw_only=True, rename={"from_": "from"}):
    text: str = ""
    flag: bool = False
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    limit: Annotated[int, Meta(gt=2)] | None = None
    short: Annotated[str, Meta(max_length=3, pattern="^[a-z]*$")] = ""
    ratio: float = 0.5
    wait: Annotated[Duration, Meta(ge=1)] = Duration("5s")
    room: Size | None = None
    backlog: Duration | Size | Literal["all"] = "all"
    secret: Secret | None = None
    secrets: Secret | list[Secret] | None = None
    path: Path | None = None
    zone: ZoneInfo | None = None
    mode: Literal["now", "later"] = "now"
    from_: int = 0
    hosts: list[Annotated[str, Meta(min_length=1)]] = []
    waits: tuple[Duration, ...] = ()
    few: Annotated[list[int], Meta(max_length=2)] = []
    headers: dict[str, Secret] = {}
    login: Login | None = None
    logins: list[Login] = []
    day: date | None = None
    anything: Any = None


def convert(folder: Path, text: str, environment: dict[str, str] | None = None, kind: type[Struct] = Options) -> Any:
    """The options that a text comes to, or the faults in it, without the file's folder."""
    conversion = Conversion(folder / "x.toml", Places(text), environment or {})
    converted = conversion.struct(kind, tomli.loads(text), ())
    faults = [f"{problem.where} {problem.what}".replace(f"{folder}/", "") for _, problem in conversion.faults]
    return faults or converted


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('text = "a"', "text", "a"),
        ("flag = true", "flag", True),
        ("count = 9", "count", 9),
        ("limit = 3", "limit", 3),
        ('short = "abc"', "short", "abc"),
        ("ratio = 1", "ratio", 1.0),
        ('wait = "2m"', "wait", 120.0),
        ('room = "2kB"', "room", 2000),
        ('backlog = "1d"', "backlog", 86400.0),
        ('backlog = "5GB"', "backlog", 5 * 10**9),
        ('backlog = "all"', "backlog", "all"),
        ('secret = "s"', "secret", Secret("s")),
        ('secrets = "s"', "secrets", Secret("s")),
        ('secrets = ["s", "t"]', "secrets", [Secret("s"), Secret("t")]),
        ('zone = "Asia/Shanghai"', "zone", ZoneInfo("Asia/Shanghai")),
        ('mode = "later"', "mode", "later"),
        ("from = 7", "from_", 7),
        ('hosts = ["a", "b"]', "hosts", ["a", "b"]),
        ('waits = ["1s", "1m"]', "waits", (1.0, 60.0)),
        ("few = [1, 2]", "few", [1, 2]),
        ('headers = { "X-A" = "b" }', "headers", {"X-A": Secret("b")}),
        ('login = { user = "u", password = "p" }', "login", Login(user="u", password=Secret("p"))),
        ('[[logins]]\nuser = "u"', "logins", [Login(user="u")]),
        ("day = 2026-11-23", "day", date(2026, 11, 23)),
        ('anything = { a = [1, "b"] }', "anything", {"a": [1, "b"]}),
    ],
)
def test_a_value_becomes_what_the_field_says(tmp_path: Path, text: str, field: str, value: Any) -> None:
    assert getattr(convert(tmp_path, text), field) == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("text = 1", "1:8 text: 1 is not text"),
        ('flag = "yes"', '1:8 flag: "yes" is not true or false'),
        ("flag = 1", "1:8 flag: 1 is not true or false"),
        ("count = true", "1:9 count: true is not a whole number between 1 and 9"),
        ("count = 10", "1:9 count: 10 is not a whole number between 1 and 9"),
        ("count = 1.5", "1:9 count: 1.5 is not a whole number between 1 and 9"),
        ("limit = 2", "1:9 limit: 2 is not a whole number above 2"),
        ('short = "abcd"', '1:9 short: "abcd" is not text of length 3 or less that matches ^[a-z]*$'),
        (
            'short = "https://h/t0ken"',
            '1:9 short: "https://h/<secret>" is not text of length 3 or less that matches ^[a-z]*$',
        ),
        ('ratio = "1"', '1:9 ratio: "1" is not a number'),
        ("wait = 5", '1:8 wait: 5 is not a duration of at least 1s, such as "30s"'),
        ('wait = "5"', '1:8 wait: "5" is not a number with a unit (ms, s, m, h, d), such as "30s"'),
        ('wait = "5ms"', '1:8 wait: "5ms" is not a duration of at least 1s, such as "30s"'),
        ("room = 16", '1:8 room: 16 is not a size such as "16MB"'),
        (
            'backlog = "some"',
            '1:11 backlog: "some" is not a duration such as "30s" or a size such as "16MB" or "all"',
        ),
        ("backlog = [1]", '1:11 backlog: a list is not a duration such as "30s" or a size such as "16MB" or "all"'),
        (
            "secrets = 1234",
            '1:11 secrets: this is not a secret: "${NAME}" or { file = "secrets/name" } or a list',
        ),
        ('secrets = ["s", 1]', '1:17 secrets[1]: this is not a secret: "${NAME}" or { file = "secrets/name" }'),
        ("secret = 1234", '1:10 secret: this is not a secret: "${NAME}" or { file = "secrets/name" }'),
        ("path = 1", "1:8 path: 1 is not a path"),
        ('zone = "Asia/Shanghia"', '1:8 zone: "Asia/Shanghia" is no time zone, did you mean "Asia/Shanghai"?'),
        ('zone = "Xyzzy1"', '1:8 zone: "Xyzzy1" is no time zone'),
        ('mode = "soon"', '1:8 mode: "soon" is not one of "now", "later"'),
        ('hosts = "a"', '1:9 hosts: "a" is not a list'),
        ('hosts = ["a", 2]', "1:15 hosts[1]: 2 is not text of length 1 or more"),
        ('hosts = ["a", ""]', '1:15 hosts[1]: "" is not text of length 1 or more'),
        ("few = [1, 2, 3]", "1:7 few: a list is not a list of length 2 or less"),
        ("headers = 1", "1:11 headers: 1 is not a table"),
        ('headers = { "X A" = 1 }', '1:21 headers."X A": this is not a secret: "${NAME}" or { file = "secrets/name" }'),
        ("login = 1", "1:9 login: 1 is not a table"),
        ("login = {}", '1:9 login: key "user" is missing'),
        ('[[logins]]\nuser = "u"\n[[logins]]\nusr = 1', '4:1 logins[1]: unknown key "usr", did you mean "user"?'),
        ('day = "today"', '1:7 day: "today" is not a date'),
        ("txt = 1", '1:1 unknown key "txt", did you mean "text"?'),
        ("a = 1\nxyzzy = 1", '2:1 unknown key "xyzzy"'),
    ],
)
def test_a_fault_is_one_sentence_at_its_place(tmp_path: Path, text: str, fault: str) -> None:
    assert f"x.toml:{fault}" in convert(tmp_path, text)


def test_a_folder_of_time_zones_is_no_time_zone(tmp_path: Path) -> None:
    assert convert(tmp_path, 'zone = "Asia"')[0].startswith('x.toml:1:8 zone: "Asia" is no time zone')


def test_all_faults_come_at_once_unknown_keys_of_a_table_first(tmp_path: Path) -> None:
    text = 'flag = 1\ncuont = 2\ncount = "3"\nlogin = { user = 4, pasword = "5" }\nhosts = [6, 7]\n'
    assert convert(tmp_path, text) == [
        'x.toml:2:1 unknown key "cuont", did you mean "count"?',
        "x.toml:1:8 flag: 1 is not true or false",
        'x.toml:3:9 count: "3" is not a whole number between 1 and 9',
        "x.toml:5:10 hosts[0]: 6 is not text of length 1 or more",
        "x.toml:5:13 hosts[1]: 7 is not text of length 1 or more",
        'x.toml:4:21 login: unknown key "pasword", did you mean "password"?',
        "x.toml:4:18 login.user: 4 is not text",
    ]


def test_variables_come_from_the_environment_in_any_text(tmp_path: Path) -> None:
    environment = {"HOST": "h", "PORT": "1", "WAIT": "3s", "S": "s"}
    text = """
text = "mqtt://${HOST}:${PORT}"
wait = "${WAIT}"
secret = "${S}"
hosts = ["${HOST}"]
anything = { a = "${HOST}" }
"""
    options = convert(tmp_path, text, environment)
    assert options.text == "mqtt://h:1"
    assert options.wait == 3
    assert options.secret == Secret("s")
    assert options.hosts == ["h"]
    assert options.anything == {"a": "h"}


def test_a_variable_that_is_not_set_is_a_fault(tmp_path: Path) -> None:
    assert convert(tmp_path, 'secret = "${ERP_WEBHOOK_SECRET}"') == [
        "x.toml:1:10 secret: ${ERP_WEBHOOK_SECRET} is not set"
    ]


@pytest.mark.parametrize("held", ["hunter2", "https://hooks.example/hunter2"])
def test_what_a_variable_holds_is_not_shown(tmp_path: Path, held: str) -> None:
    text = 'mode = "${MODE}"\nwait = "${MODE}"\nzone = "${MODE}"\nshort = "${MODE}"'
    faults = convert(tmp_path, text, {"MODE": held})
    assert faults[0] == 'x.toml:4:9 short: "${MODE}" is not text of length 3 or less that matches ^[a-z]*$'
    assert len(faults) == 4
    assert "hunter2" not in "".join(faults)


def test_paths_are_relative_to_the_configuration(tmp_path: Path) -> None:
    assert convert(tmp_path, 'path = "certs/ca.pem"').path == tmp_path / "certs/ca.pem"
    assert convert(tmp_path, 'path = "/etc/ca.pem"').path == Path("/etc/ca.pem")


def test_a_secret_is_read_from_a_file_beside_the_configuration_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"s3cret\n")
    (tmp_path / "two").write_bytes(b" two\nlines\n\r\n")
    text = 'secret = { file = "one" }\nsecrets = { file = "one" }\nheaders = { a = { file = "${WHERE}/two" } }'
    options = convert(tmp_path, text, {"WHERE": str(tmp_path)})
    assert options.secret.reveal() == options.secrets.reveal() == "s3cret"
    assert options.headers["a"].reveal() == " two\nlines\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('secret = { file = "none" }', "1:19 secret.file: can't read none: No such file or directory"),
        ('secret = { file = "empty" }', "1:19 secret.file: empty is empty"),
        ('secret = { file = "binary" }', "1:19 secret.file: binary is not UTF-8 text"),
        ('secret = { file = "${NO}" }', "1:19 secret.file: ${NO} is not set"),
        ("secret = { file = 1 }", "1:19 secret.file: 1 is not a path"),
        ("secret = {}", '1:10 secret: key "file" is missing, such as file = "secrets/name"'),
        ('secret = { file = "one", line = 1 }', '1:26 secret: unknown key "line"'),
        ('text = { file = "one" }', "1:8 text: a table is not text"),
    ],
)
def test_a_secret_that_can_not_be_had_is_a_fault(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "one").write_text("hunter2")
    assert convert(tmp_path, text) == [f"x.toml:{fault}"]


class Checked(Struct, kw_only=True, rename={"from_": "from"}):
    url: Annotated[str, Meta(examples=["mqtt://192.168.1.10"])]
    key: Secret | None = None
    from_: int = 0

    def __post_init__(self) -> None:
        if self.url == "both":
            raise ValueError("url and key don't go together")
        if self.url == "port":
            raise ValueError("url: port 70000 is not between 1 and 65535")
        if self.url == "from":
            raise TypeError("from: this is too early")
        if self.url == "leak" and self.key:
            raise ValueError(f"key: {self.key.reveal()} is too short")


class Faulty(Struct):
    """Its own checks fail, each in its way."""

    way: str

    def __post_init__(self) -> None:
        if self.way == "made":
            sys.exit(3)

    def faults(self) -> Any:
        match self.way:
            case "leaves":
                sys.exit(3)
            case "number":
                return 5
            case "halfway":
                return self._halfway()
        return [None]

    def _halfway(self) -> Iterator[str]:
        yield "way: no way"
        raise KeyError(self.way)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("made", ["its checks failed: RuntimeError: the output called sys.exit()"]),
        ("leaves", ["its checks failed: RuntimeError: the output called sys.exit()"]),
        ("number", ["its checks failed: TypeError: 'int' object is not iterable"]),
        ("halfway", ["no way", "its checks failed: KeyError: 'halfway'"]),
        ("nothing", ["its checks failed: TypeError: 'NoneType' object is not iterable"]),
    ],
)
@pytest.mark.own_words
def test_checks_that_fail_themselves_are_told_with_where_to_mend_them(
    tmp_path: Path, way: str, said: list[str]
) -> None:
    told = [fault.partition(" ")[2].removeprefix("way: ") for fault in convert(tmp_path, f'way = "{way}"', kind=Faulty)]
    mend = "; mend them in tests.config.test_convert"
    assert told == [one + (mend if "failed" in one else "") for one in said]


@pytest.mark.own_words
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('\n[a]\nurl = "both"', "2:1 a: url and key don't go together"),
        ('\n[a]\nurl = "port"', "3:7 a.url: port 70000 is not between 1 and 65535"),
        ('[a]\nfrom = 3\nurl = "from"', "2:8 a.from: this is too early"),
        ('[a]\nkey = "hunter2"\nurl = "leak"', "2:7 a.key: <secret> is too short"),
        ("[a]", '1:1 a: key "url" is missing, such as url = "mqtt://192.168.1.10"'),
    ],
)
def test_a_check_of_the_struct_s_own_is_told_at_its_key_or_table(tmp_path: Path, text: str, fault: str) -> None:
    class Outer(Struct):
        a: Checked

    Outer.__annotations__["a"] = Checked
    assert convert(tmp_path, text, kind=Outer) == [f"x.toml:{fault}"]
