"""A configuration file becomes settings, or all that is wrong with it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from bridge.config import load
from bridge.config.load import find, read
from bridge.config.settings import PLUGINS_DIR, OutputSettings, Settings
from bridge.errors import ConfigError, NoConfiguration
from bridge.options import Duration, Rate, Secret, Size
from bridge.output import Output, OutputContext
from tests.certificates import self_signed
from tests.rooms import output_with


class Broker(Struct, frozen=True, kw_only=True):
    url: Annotated[str, Meta(examples=["mqtt://192.168.1.10"])]
    protocol: Literal["auto", "5"] = "auto"
    password: Secret | None = None

    def __post_init__(self) -> None:
        if self.url.endswith(":70000"):
            raise ValueError("url: port 70000 is not between 1 and 65535")


class Archive(Struct, frozen=True, kw_only=True):
    path: Path | None = None


class Hook(Struct, frozen=True, kw_only=True):
    url: str
    secret: Secret | None = None


OUTPUTS = {"mqtt": output_with(Broker), "archive": output_with(Archive), "webhook": output_with(Hook)}
THERE_ARE = "(there are: archive, mqtt, webhook)"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "STATE_DIRECTORY", "BOXBRIDGE_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def settings(text: str) -> Settings:
    Path("boxbridge.toml").write_text(text, "utf-8")
    return read(Path("boxbridge.toml")).settings(OUTPUTS)


def faults(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(text)
    assert caught.value.exit_code == 78
    return str(caught.value)


def fault(text: str) -> str:
    """The only fault of a text."""
    sentence, _, end = faults(text).partition("\n")
    assert end == "1 error. Nothing was started."
    return sentence


def test_an_empty_file_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    found = settings("")
    assert found.site
    assert found.data == tmp_path / "boxbridge-data"
    assert found.timezone.key == "Asia/Shanghai"
    assert found.late_after == Duration("5m")
    assert found.server.listen == "0.0.0.0:8600"
    assert found.output == {}
    assert found.device == {}


def test_all_keys_are_taken(tmp_path: Path) -> None:
    found = settings("""
site = "plant-a"
data = "data"
timezone = "Europe/Berlin"
late_after = "10m"
plugins_dir = "."
server = { listen = "[::]:8700", max_body = "1MB", rate = "1000/h" }
journal.keep = "1d"
[control]
listen = ""
[output.broker]
type = "mqtt"
url = "mqtt://h"
enabled = false
from = "oldest"
in_flight = 1024
timeout = "1s"
retry_for = "2h"
[output.local-1_B]
type = "archive"
path = "archive"
[device."DMB 3160"]
id = "gate-3"
name = "Gate 3"
address = ["192.168.1.20", "fd00::/8"]
rate = "0.5/s"
channels = { 1 = "north" }
""")
    assert found.site == "plant-a"
    assert found.data == tmp_path / "data"
    assert found.plugins_dir == tmp_path
    assert (found.server.listen, found.server.max_body) == ("[::]:8700", 10**6)
    assert found.server.rate == Rate("1000/h") == 1000 / 3600
    assert found.journal.keep == Duration("24h")
    assert found.control.listen == ""
    assert found.output["broker"] == OutputSettings(
        type="mqtt",
        enabled=False,
        from_="oldest",
        in_flight=1024,
        timeout=Duration("1s"),
        retry_for=Duration("2h"),
        options=Broker(url="mqtt://h"),
    )
    assert found.output["local-1_B"].options == Archive(path=tmp_path / "archive")
    assert found.device["DMB 3160"].channels == {"1": "north"}
    assert found.device["DMB 3160"].networks == ["192.168.1.20", "fd00::/8"]
    assert (found.device["DMB 3160"].rate, str(found.device["DMB 3160"].rate)) == (0.5, "0.5/s")


def test_durations_and_sizes_keep_how_they_were_written() -> None:
    found = settings('late_after = "90s"\nserver.max_body = "1MiB"')
    assert str(found.late_after) == "90s"
    assert str(found.server.max_body) == "1MiB"
    assert isinstance(found.server.max_body, Size)


def test_the_faults_read_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERP_WEBHOOK_SECRET", raising=False)
    text = (
        "\n" * 10
        + """\
[output.broker]
type = "mqtt"
url  = "mqtt://192.168.1.10:70000"
protcol = "5"

[output.local]
type = "archive"

[output.erp]
type = "webhook"
secret = "${ERP_WEBHOOK_SECRET}"
url  = "https://erp.example/hooks/alarm"
"""
    )
    assert (
        faults(text)
        == """\
boxbridge.toml:14:1   output.broker: unknown key "protcol", did you mean "protocol"?
boxbridge.toml:13:8   output.broker.url: port 70000 is not between 1 and 65535
boxbridge.toml:21:10  output.erp.secret: ${ERP_WEBHOOK_SECRET} is not set
3 errors. Nothing was started."""
    )


def test_faults_come_table_by_table_in_the_order_of_the_file() -> None:
    assert (
        faults("""\
late_after = 5
sit = "x"
[output.b]
type = "mqtt"
[control]
listen = "0.0.0.0:8601"
[server]
listen = "0.0.0.0:70000"
[output.a]
typ = "archive"
""")
        == """\
boxbridge.toml:2:1   unknown key "sit", did you mean "site"?
boxbridge.toml:1:14  late_after: 5 is not a duration between 1s and 3650d, such as "30s"
boxbridge.toml:3:1   output.b: key "url" is missing, such as url = "mqtt://192.168.1.10"
boxbridge.toml:6:10  control.listen: "0.0.0.0" is not a loopback address, so it needs what `boxbridge password` makes
boxbridge.toml:8:10  server.listen: port 70000 is not between 1 and 65535
boxbridge.toml:9:1   output.a: key "type" is missing, such as type = "mqtt"
6 errors. Nothing was started."""
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('site = ""', 'boxbridge.toml:1:8  site: "" is not text of length 1 or more'),
        ("server = 1", "boxbridge.toml:1:10  server: 1 is not a table"),
        ('plugins_dir = "/nowhere"', "boxbridge.toml:1:15  plugins_dir: there is no folder /nowhere"),
        (
            'server.listen = "0.0.0.0"',
            'boxbridge.toml:1:17  server.listen: "0.0.0.0" is not an address and port, such as "0.0.0.0:8600"',
        ),
        ('server.listen = "0.0.0.0:0"', "boxbridge.toml:1:17  server.listen: port 0 is not between 1 and 65535"),
        (
            "output = 1",
            "boxbridge.toml:1:10  output: 1 is not a table; outputs are tables [output.NAME]",
        ),
        (
            '[output]\ntype = "mqtt"',
            'boxbridge.toml:2:8  output.type: "mqtt" is not a table; an output has a name of its own: [output.NAME]',
        ),
        (
            '[output."a b"]\ntype = "archive"',
            'boxbridge.toml:1:9  output."a b": an output\'s name is made of A-Z, a-z, 0-9, _ and -',
        ),
        ("[output.x]\ntype = 1", "boxbridge.toml:2:8  output.x.type: 1 is not text"),
        (
            '[output.x]\ntype = "mqt"\nanything = 1',
            f'boxbridge.toml:2:8  output.x.type: no output type "mqt", did you mean "mqtt"? {THERE_ARE}',
        ),
        (
            '[output.x]\ntype = "archive"\nenable = true',
            'boxbridge.toml:3:1  output.x: unknown key "enable", did you mean "enabled"?',
        ),
        (
            '[output.x]\ntype = "archive"\noptions = {}',
            'boxbridge.toml:3:1  output.x: unknown key "options"',
        ),
        (
            '[output.x]\ntype = "archive"\nfrom_ = "now"',
            'boxbridge.toml:3:1  output.x: unknown key "from_", did you mean "from"?',
        ),
        (
            '[output.x]\ntype = "archive"\nfrom = "then"',
            'boxbridge.toml:3:8  output.x.from: "then" is not one of "now", "oldest"',
        ),
        (
            '[output.x]\ntype = "archive"\nin_flight = 0',
            "boxbridge.toml:3:13  output.x.in_flight: 0 is not a whole number between 1 and 1024",
        ),
        (
            'server.max_body = "0B"',
            'boxbridge.toml:1:19  server.max_body: "0B" is not a size between 1kB and 64MB, such as "16MB"',
        ),
        (
            'journal.keep_dead = "0s"',
            'boxbridge.toml:1:21  journal.keep_dead: "0s" is not a duration between 1h and 3650d, such as "1h"',
        ),
        (
            'journal.keep = "99999999999d"',
            'boxbridge.toml:1:16  journal.keep: "99999999999d" is not a duration between 1m and 3650d, such as "1m"',
        ),
        (
            'late_after = "0s"',
            'boxbridge.toml:1:14  late_after: "0s" is not a duration between 1s and 3650d, such as "30s"',
        ),
        (
            '[output.x]\ntype = "archive"\ntimeout = "0s"',
            'boxbridge.toml:3:11  output.x.timeout: "0s" is not a duration between 100ms and 1d, such as "30s"',
        ),
        (
            'server.listen = "0.0.0.0:8601"',
            "boxbridge.toml:1:1  control.listen: [server] listens on port 8601 already: set another one",
        ),
        (
            'control.listen = "localhost:7"\nserver.listen = "127.0.0.1:7"',
            "boxbridge.toml:1:18  control.listen: [server] listens on port 7 already: set another one",
        ),
        (
            '[device.A]\nid = "gate"\n[device.B]\nid = "gate"',
            'boxbridge.toml:4:6  device.B.id: "gate" is the name of device A already',
        ),
        (
            '[device.A]\nid = "B"\n[device.B]\nname = "b"',
            'boxbridge.toml:2:6  device.A.id: "B" is the name of device B already',
        ),
        (
            '[device.A]\naddress = "192.168.1.300"',
            'boxbridge.toml:2:11  device.A.address: "192.168.1.300" is no network, such as "192.168.0.0/16"',
        ),
        ("[device.A]\naddress = []", "boxbridge.toml:2:11  device.A.address: is empty"),
        (
            '[device.A]\naddress = ["192.168.1.3", "box"]',
            'boxbridge.toml:2:27  device.A.address[1]: "box" is no network, such as "192.168.0.0/16"',
        ),
        (
            '[protocol.A]\npaths = ["/a"]\nfetch = ["sender", "box"]',
            'boxbridge.toml:3:9  protocol.A.fetch: "box" is neither "sender" nor a network, such as "192.168.0.0/16"',
        ),
        (
            'server.rate = "10"',
            'boxbridge.toml:1:15  server.rate: "10" is not a number with a unit (/s, /m, /h), such as "10/s"',
        ),
        (
            "server.rate = 10",
            'boxbridge.toml:1:15  server.rate: 10 is not a rate between 1/h and 10000/s, such as "10/s"',
        ),
        (
            '[device.A]\nrate = "0/s"',
            'boxbridge.toml:2:8  device.A.rate: "0/s" is not a rate between 1/h and 10000/s, such as "10/s"',
        ),
        ("[device.A.channels]\n1 = 2", "boxbridge.toml:2:5  device.A.channels.1: 2 is not text of length 1 or more"),
        ("a = 1 b", "boxbridge.toml:1:7  not TOML: something follows the value"),
        ('data = "a\\u0000b"', "boxbridge.toml  holds a NUL character, which no path, name or text may have"),
        ("a = 1\na = 2", "boxbridge.toml:2:6  not TOML: this key is there twice"),
        ('a = "b\nc = 1', "boxbridge.toml:1:7  not TOML: a text is not closed: the quote at its end is missing"),
        ("a = 'b\n", "boxbridge.toml:2:1  not TOML: a text is not closed: the quote at its end is missing"),
        ('a = """b', "boxbridge.toml:1:9  not TOML: a text is not closed: the quote at its end is missing"),
        (
            "a = “b”",
            'boxbridge.toml:1:5  not TOML: this is no value: text stands in straight quotes, such as "text"',
        ),
        ("a", "boxbridge.toml:1:2  not TOML: = and a value are missing after the key"),
        ("[a", "boxbridge.toml:1:3  not TOML: ] is missing at the end of the table's name"),
        ("= 1", "boxbridge.toml:1:1  not TOML: this is neither a key nor a [table]"),
        ("a.? = 1", "boxbridge.toml:1:3  not TOML: this is no name of a key"),
        ("a = [1", "boxbridge.toml:1:7  not TOML: the list is not closed: ] is missing"),
        (
            'a = "C:\\data"',
            r"boxbridge.toml:1:10  not TOML: a backslash is written \\, or the text stands in single quotes",
        ),
        (
            'a = "C:\\x"',
            r"boxbridge.toml:1:10  not TOML: a backslash is written \\, or the text stands in single quotes",
        ),
        ("[a.'b c']\n[a.'b c']", 'boxbridge.toml:2:9  not TOML: [a."b c"] is there twice'),
        ("a = {b = 1", "boxbridge.toml:1:11  not TOML: Unclosed inline table"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, sentence: str) -> None:
    assert fault(text) == sentence


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a" + ".a" * 20_000 + " = 1"])
def test_what_is_nested_without_end_is_one_sentence(text: str) -> None:
    assert fault(text).startswith("boxbridge.toml  can't be read: TOML ")


@pytest.mark.parametrize("data", ["file", "file/below", "file/far/below"])
def test_a_file_in_the_way_of_the_data_folder_is_named(tmp_path: Path, data: str) -> None:
    Path("file").touch()
    assert fault(f'data = "{data}"') == (
        f"boxbridge.toml:1:8  data: {tmp_path}/file is no folder: move it away, or set another `data`"
    )


def test_a_data_folder_with_no_room_for_the_socket_s_name_is_a_fault() -> None:
    longest = "/" + "d" * (107 - len("//boxbridge.sock"))
    assert settings(f'data = "{longest}"').data == Path(longest)
    assert fault(f'data = "{longest}d"') == (
        f"boxbridge.toml:1:8  data: the socket's path {longest}d/boxbridge.sock is longer than 107 bytes: "
        "set a shorter `data`"
    )


def test_the_data_folder_need_not_be_there_yet(tmp_path: Path) -> None:
    assert settings('data = "not/yet"').data == tmp_path / "not/yet"


def test_a_device_may_have_its_own_serial_as_id() -> None:
    assert settings('[device.A]\nid = "A"').device["A"].id == "A"


def test_the_default_folder_of_plugins_need_not_be_there() -> None:
    assert settings(f'plugins_dir = "{PLUGINS_DIR}"').plugins_dir == PLUGINS_DIR


def test_windows_line_ends_and_a_byte_order_mark_move_nothing() -> None:
    assert fault("\ufeffsit = 1\r\n") == ('boxbridge.toml:1:1  unknown key "sit", did you mean "site"?')
    assert fault('site = "a"\r\n\r\nsit = 1\r\n').startswith("boxbridge.toml:3:1  ")


def test_a_missing_type_says_which_plugins_are_broken() -> None:
    Path("boxbridge.toml").write_text('[output.screen]\ntype = "printer"\n')
    source = read(Path("boxbridge.toml"))
    with pytest.raises(ConfigError) as caught:
        source.settings(OUTPUTS, ["plugin printer (printer.py): line 3: invalid syntax"])
    assert str(caught.value).splitlines()[0] == (
        'boxbridge.toml:2:8  output.screen.type: no output type "printer" (there are: archive, mqtt, webhook). '
        "plugin printer (printer.py): line 3: invalid syntax"
    )


def test_options_that_can_not_be_understood_are_told_at_the_type() -> None:
    class Odd(Struct):
        thing: "Nowhere"  # type: ignore[name-defined]  # noqa: F821, UP037

    Path("boxbridge.toml").write_text('[output.x]\ntype = "odd"\n')
    with pytest.raises(ConfigError, match=r"output\.x\.type: the options of output type \"odd\" can't be understood"):
        read(Path("boxbridge.toml")).settings({"odd": output_with(Odd)})


def test_an_option_with_the_name_of_a_common_key_is_told_at_the_type() -> None:
    class Odd(Struct):
        timeout: int = 1

    Path("boxbridge.toml").write_text('[output.x]\ntype = "odd"\n')
    with pytest.raises(ConfigError, match='output type "odd" has an option "timeout", which every output has'):
        read(Path("boxbridge.toml")).settings({"odd": output_with(Odd)})


def test_a_file_that_is_not_utf_8_is_a_fault_at_its_line() -> None:
    Path("boxbridge.toml").write_bytes(b'site = "a"\n# \xff\n')
    with pytest.raises(ConfigError) as caught:
        read(Path("boxbridge.toml"))
    assert str(caught.value) == "boxbridge.toml:2  this is not UTF-8 text\n1 error. Nothing was started."


def test_a_folder_is_no_configuration() -> None:
    Path("boxbridge.toml").mkdir()
    with pytest.raises(ConfigError) as caught:
        read(Path("boxbridge.toml"))
    assert str(caught.value).startswith("boxbridge.toml  can't be read: Is a directory")


def test_two_folders_are_known_before_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELOW", "below")
    for text, plugins_dir, data in (
        ("", PLUGINS_DIR, tmp_path / "boxbridge-data"),
        ('plugins_dir = "${BELOW}"\ndata = "${BELOW}/data"', tmp_path / "below", tmp_path / "below/data"),
        ("plugins_dir = 1\ndata = 2\nsit = 3", PLUGINS_DIR, tmp_path / "boxbridge-data"),
    ):
        Path("boxbridge.toml").write_text(text)
        source = read(Path("boxbridge.toml"))
        assert (source.plugins_dir, source.data) == (plugins_dir, data)


def test_the_file_is_looked_for_here_then_at_the_user_s_then_at_the_system_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, user = tmp_path / "etc", tmp_path / "xdg" / "boxbridge"
    monkeypatch.setattr(load, "SYSTEM_FOLDER", system)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user.parent))
    for place in (system / "boxbridge.toml", user / "boxbridge.toml", Path("boxbridge.toml")):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert find() == place
    assert find(system / "boxbridge.toml") == system / "boxbridge.toml"


def test_no_file_is_an_error_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "SYSTEM_FOLDER", tmp_path / "etc")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    with pytest.raises(NoConfiguration) as caught:
        find()
    assert str(caught.value) == (
        f"There is no configuration (boxbridge.toml, {tmp_path}/xdg/boxbridge/boxbridge.toml, "
        f"{tmp_path}/etc/boxbridge.toml). Make one: boxbridge init mqtt -o boxbridge.toml"
    )
    assert caught.value.exit_code == 78
    with pytest.raises(NoConfiguration) as caught:
        find(Path("my.toml"))
    assert str(caught.value) == "There is no my.toml. Make one: boxbridge init mqtt -o my.toml"


class Holder(Output):
    """An output that needs a folder and a name for itself."""

    class Options(Struct):
        path: Path = Path("below-data")
        name: str = ""

    @classmethod
    def holds(cls, context: OutputContext) -> dict[str, str | Path]:
        if context.options.name == "bug":
            raise KeyError("a bug")
        held: dict[str, str | Path] = {"path": context.data / context.options.path}
        return held | ({"name": f"client {context.options.name}"} if context.options.name else {})


class OtherHolder(Holder):
    """Another that needs the same."""


def held(text: str) -> list[str]:
    """The faults of outputs that hold things."""
    Path("boxbridge.toml").write_text(text)
    try:
        read(Path("boxbridge.toml")).settings({"holder": Holder, "other": OtherHolder})
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_two_outputs_can_not_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert held("""
[output.a]
type = "holder"
path = "folder"
name = "gate"
[output.b]
type = "other"
path = "x/../link"
name = "gate"
""") == [
        f"boxbridge.toml:8:8   output.b.path: output a has {tmp_path}/folder already: each needs its own",
        "boxbridge.toml:9:8   output.b.name: output a has client gate already: each needs its own",
    ]


def test_what_two_outputs_hold_by_default_is_told_at_the_second_s_table(tmp_path: Path) -> None:
    assert held('data = "d"\noutput.a.type = "holder"\n[output.b]\ntype = "holder"\n') == [
        f"boxbridge.toml:3:1   output.b.path: output a has {tmp_path}/d/below-data already: each needs its own"
    ]


@pytest.mark.parametrize("change", ['path = "else"', "enabled = false"])
def test_outputs_that_do_not_get_in_each_other_s_way_are_fine(change: str) -> None:
    assert held(f'output.a.type = "holder"\n[output.b]\ntype = "holder"\n{change}\n') == []


def test_a_plugin_that_fails_to_say_what_it_holds_is_a_fault_at_its_table() -> None:
    assert held('[output.a]\ntype = "holder"\nname = "bug"\n') == [
        (
            "boxbridge.toml:1:1   output.a: what it holds can't be said: KeyError: 'a bug'; "
            "mend holds() in tests.config.test_load"
        )
    ]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("only = {}", "only: names nothing: give kind, device, channel, skill, or leave it out"),
        ('only = { kind = ["a"], devices = ["b"] }', 'only: unknown key "devices", did you mean "device"?'),
        ('only = { kind = "fire" }', 'only.kind: "fire" is not a list'),
        ("only = { kind = [] }", 'only.kind: is empty, so that nothing would pass: name what should, or "*" for all'),
        (
            'only = { device = [" "] }',
            'only.device: is empty, so that nothing would pass: name what should, or "*" for all',
        ),
        ("at_most = { count = 1 }", 'at_most: key "per" is missing, such as per = "30s"'),
        ('at_most = { count = 0, per = "1s" }', "at_most.count: 0 is not a whole number between 1 and 1000000"),
        (
            'at_most = { per = "1s", by = ["chanel"] }',
            'at_most.by[0]: "chanel" is not one of "kind", "device", "channel", "skill", did you mean "channel"?',
        ),
        ('max_age = "0s"', 'max_age: "0s" is not a duration between 1s and 3650d, such as "30s"'),
    ],
)
def test_nonsense_in_what_an_output_is_given_is_refused(key: str, said: str) -> None:
    assert fault(f'[output.a]\ntype = "archive"\n{key}\n').partition("output.a.")[2] == said


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ('key = "a.key"', "server.key: needs cert beside it"),
        ('cert = "a.pem"', "a.pem: No such file or directory"),
        ('cert = "boxbridge.toml"', "boxbridge.toml is no certificate with its private key, both as PEM"),
    ],
)
def test_a_certificate_is_read_beforehand(key: str, sentence: str) -> None:
    assert sentence in fault(f"[server]\n{key}\n")


def test_a_certificate_without_its_key_and_one_with_a_password_are_told(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    assert "is no certificate with its private key" in fault(f'[server]\ncert = "{cert}"\n')
    assert settings(f'[server]\ncert = "{cert}"\nkey = "{key}"\n').server.cert == cert
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", key, "-out", locked], check=True)
    assert "without password (it is encrypted)" in fault(f'[server]\ncert = "{cert}"\nkey = "{locked}"\n')
