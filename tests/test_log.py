"""The log as it leaves a process: each test reads the stderr of a real one."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

PRELUDE = """
import logging, structlog
from bridge import Secret
from bridge.log import configure
configure({format!r}, {level!r})
log = structlog.get_logger("boxbridge.test")
"""


def log_of(code: str, form: str = "text", level: str = "info") -> str:
    """What a process writes to stderr when it logs so; no terminal, no systemd."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE.format(format=form, level=level) + code],
        stderr=subprocess.PIPE,
        check=True,
        timeout=30,
    )
    return done.stderr.decode()


def journal_log_of(tmp_path: Path, code: str, form: str = "text") -> str:
    """The same under systemd, which says by $JOURNAL_STREAM which file stderr is."""
    with (tmp_path / "journal").open("w+b") as journal:
        stat = os.fstat(journal.fileno())
        subprocess.run(
            [sys.executable, "-c", PRELUDE.format(format=form, level="info") + code],
            stderr=journal,
            env={**os.environ, "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"},
            check=True,
            timeout=30,
        )
    return (tmp_path / "journal").read_text()


def terminal_log_of(code: str, **env: str) -> str:
    """The same on a terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PRELUDE.format(format="text", level="info") + code],
        stderr=theirs,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | env,
    )
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(ours)
    assert child.wait(30) == 0
    return text.decode()


def test_an_event_is_one_line_with_its_time_level_sentence_and_fields() -> None:
    text = log_of('log.warning("output broker (mqtt) waiting: connection refused", output="broker", name="门 1")')
    time, rest = text[:19], text[19:]
    assert abs((datetime.now().astimezone() - datetime.fromisoformat(time).astimezone()).total_seconds()) < 60
    assert rest == ' warning  output broker (mqtt) waiting: connection refused  output=broker name="门 1"\n'


def test_what_is_not_known_is_left_out_and_a_list_is_read_as_one() -> None:
    text = log_of('log.error("dead letter", event_id=None, sequence=7, outputs=["erp", "local"])')
    assert text.endswith(' dead letter  sequence=7 outputs="erp, local"\n')


def test_times_are_those_of_the_configuration_s_zone() -> None:
    text = log_of(
        "from zoneinfo import ZoneInfo\n"
        'configure({!r}, {!r}, zone=ZoneInfo("Pacific/Kiritimati"))\nlog.info("here")'.format("text", "info")
    )
    told = datetime.fromisoformat(text[:19]).replace(tzinfo=ZoneInfo("Pacific/Kiritimati"))
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60


def test_json_lines_have_utc_time_and_every_field() -> None:
    text = log_of('log.error("disk is full", free=12, time="theirs", where=object)', "json")
    line = json.loads(text)
    assert list(line) == ["time", "level", "event", "free", "where"]
    assert (line["level"], line["event"], line["free"]) == ("error", "disk is full", 12)
    assert line["time"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["time"])).total_seconds()) < 60


def test_a_terminal_gets_a_short_time_and_colours() -> None:
    assert re.fullmatch(
        r"\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m \x1b\[32minfo    \x1b\[0m ready  \x1b\[2mport=8600\x1b\[0m\r\n",
        terminal_log_of('log.info("ready", port=8600)'),
    )


def test_a_terminal_that_wants_no_colour_gets_none() -> None:
    text = terminal_log_of('log.info("ready", port=8600)', NO_COLOR="1")
    assert re.fullmatch(r"\d\d:\d\d:\d\d info     ready  port=8600\r\n", text)


def test_under_systemd_every_line_begins_with_its_priority_and_has_no_time(tmp_path: Path) -> None:
    code = """
log.info("ready")
log.warning("waiting", output="broker")
try: 1 / 0
except ZeroDivisionError: log.exception("failed")
"""
    lines = journal_log_of(tmp_path, code).splitlines()
    assert lines[:3] == ["<6>ready", "<4>waiting  output=broker", "<3>failed"]
    assert lines[-1] == "<3>    ZeroDivisionError: division by zero"
    assert all(line.startswith("<3>    ") for line in lines[3:])


def test_json_under_systemd_keeps_its_form_behind_the_priority(tmp_path: Path) -> None:
    text = journal_log_of(tmp_path, 'log.error("failed")', "json")
    assert text.startswith("<3>{")
    assert json.loads(text[3:])["event"] == "failed"


def test_a_stderr_that_is_not_systemds_gets_no_priority() -> None:
    text = log_of('log.info("ready")')
    assert not text.startswith("<")


def test_libraries_logs_take_the_same_way() -> None:
    text = log_of('logging.getLogger("paho").warning("lost %s of %d", "some", 3)')
    assert text.endswith(" warning  lost some of 3  logger=paho\n")


@pytest.mark.parametrize(("level", "shown"), [("info", ["own"]), ("debug", ["own", "theirs"]), ("warning", [])])
def test_what_libraries_say_of_themselves_is_shown_for_debugging_only(level: str, shown: list[str]) -> None:
    text = log_of('log.info("own")\nlogging.getLogger("uvicorn.error").info("theirs")', "json", level)
    assert [json.loads(line)["event"] for line in text.splitlines()] == shown


def test_what_libraries_say_of_addresses_and_headers_is_never_shown() -> None:
    told = 'logging.getLogger("httpx2").info("HTTP Request: POST https://erp.example/hooks/T0KEN")\n'
    told += 'logging.getLogger("httpcore2.http11").debug("receive_response_headers.complete")'
    assert log_of(told, "text", "debug") == ""


def test_an_exception_follows_its_line_indented() -> None:
    lines = log_of('try: {}["key"]\nexcept KeyError: log.exception("plugin failed", hook="deliver")').splitlines()
    assert lines[0].endswith(" error    plugin failed  hook=deliver")
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-1] == "    KeyError: 'key'"


def test_json_carries_the_exception_as_text() -> None:
    text = log_of('try: {}["key"]\nexcept KeyError: log.exception("plugin failed")', "json")
    line = json.loads(text)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("KeyError: 'key'\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_never_shown(form: str) -> None:
    text = log_of('log.info("connecting", password=Secret("hunter2"), options={"key": Secret("hunter2")})', form)
    assert text.count("<secret>") == 2
    assert "hunter2" not in text


EVIL = r'"gate\n2026-11-24 20:15:03 error    forged\r\x1b[2J\x9b31m\u2028\u202e\x7f"'


@pytest.mark.parametrize(
    "code",
    [
        f'log.info("push", device={EVIL})',
        f"log.info({EVIL})",
        f"log.info('push', **{{{EVIL}: 1}})",
        f'logging.getLogger("x").warning({EVIL})',
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_device_cant_forge_a_line(code: str, form: str) -> None:
    text = log_of(code, form)
    assert "forged" in text
    assert text.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)
    if form == "json":
        assert json.loads(text)


def test_a_device_cant_forge_a_line_through_an_exception() -> None:
    lines = log_of(f'try: raise ValueError({EVIL})\nexcept ValueError: log.exception("failed")').splitlines()
    assert [line for line in lines if not line.startswith("    ")] == lines[:1]


@pytest.mark.parametrize(
    "code",
    [
        'log.info("push", device="x" * 1_000_000)',
        'log.info("push", devices=["x" * 1_000_000])',
        'log.info("push", **{"x" * 1_000_000: 1})',
        'log.info("x" * 1_000_000)',
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_megabyte_of_a_name_is_cut(code: str, form: str) -> None:
    text = log_of(code, form)
    assert 2000 < len(text) < 2200
    assert "x…" in text
    if form == "json":
        assert json.loads(text)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_megabyte_in_an_exception_is_cut(form: str) -> None:
    text = log_of('try: raise ValueError("x" * 1_000_000)\nexcept ValueError: log.exception("failed")', form)
    assert 2000 < len(text) < 2600
    assert "ValueError: xxx" in text


def test_json_keeps_numbers_lists_and_tables_as_they_are() -> None:
    line = json.loads(log_of('log.info("push", n=1, f=1.5, no=None, yes=True, some=[1, {"a": "b"}])', "json"))
    assert [line[name] for name in ("n", "f", "no", "yes", "some")] == [1, 1.5, None, True, [1, {"a": "b"}]]


def test_a_value_that_cant_be_shown_costs_its_line_only() -> None:
    code = """
class Bad:
    def __str__(self): raise ValueError("no")
    __repr__ = __str__
log.info("first", value=Bad())
log.info("second")
"""
    first, second = log_of(code).splitlines()
    assert first.endswith(" error    a log line can't be shown: ValueError  logger=boxbridge.test")
    assert second.endswith(" info     second")


def test_a_lone_surrogate_is_shown_as_an_escape() -> None:
    assert log_of(r'log.info("push", device="\ud800")').endswith(" device=\\ud800\n")


def test_configuring_again_replaces_the_first_form() -> None:
    text = log_of('configure("json", "debug")\nlog.debug("once")')
    assert json.loads(text)["event"] == "once"


@pytest.mark.parametrize("close", ["sys.stderr.close()", "os.close(2)"])
def test_a_closed_stderr_harms_nobody(close: str) -> None:
    code = PRELUDE.format(format="text", level="info") + f'import os, sys\n{close}\nlog.error("x")\nprint("alive")'
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=30, check=False)
    assert done.stdout == b"alive\n"


def test_a_reader_that_went_away_harms_nobody() -> None:
    code = PRELUDE.format(format="text", level="info") + 'input()\nlog.error("x")\nprint("alive")'
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stderr
        child.stderr.close()
        child.stderr = None
        answer, _ = child.communicate(b"\n", timeout=30)
    assert answer == b"alive\n"


def test_a_reader_that_does_not_read_loses_lines_and_is_told_how_many() -> None:
    code = (
        PRELUDE.format(format="text", level="info")
        + """
for number in range(3000): log.info("x" * 100, number=number)
print("alive", flush=True)
input()
log.info("end")
"""
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        # It gets here although nobody has read a byte of the 390,000 that it wanted to write.
        assert child.stdout.readline() == b"alive\n"
        early = b""
        while select.select([child.stderr], [], [], 0)[0]:
            early += os.read(child.stderr.fileno(), 65536)
        child.stdin.write(b"\n")
        child.stdin.close()
        late = child.stderr.read()
    lines = (early + late).decode().splitlines()
    whole = sum("number=" in line for line in lines)
    assert lines[-1].endswith(" info     end")
    assert lines[-2].endswith(f" warning  log lines were lost: nobody read them  count={3000 - whole}")
    assert whole > 100
