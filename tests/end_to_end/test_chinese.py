"""What operators read, in Chinese: the same facts in aligned columns, and nothing that is for programs changed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.words import cells
from tests.end_to_end.installation import COMMAND, Installation
from tests.end_to_end.test_questions import ARCHIVE, push, wait_until, webhook
from tests.end_to_end.web import WebServer


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that refuses every event."""
    with WebServer() as server:
        server.status = 400
        yield server


def zh(bridge: Installation, *arguments: str, code: int = 0) -> str:
    """What a command says in Chinese."""
    return bridge.command(*arguments, "--lang", "zh", code=code).decode()


def test_operators_read_chinese(tmp_path: Path, web: WebServer) -> None:
    """Given a dead letter and a paused output: each command tells of them in Chinese."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        id_ = str(wait_until(bridge, push(bridge), "erp", "dead")["id"])
        assert "local 已投递  erp 死信" in zh(bridge, "events")
        assert "还有更多事件" not in zh(bridge, "events")
        assert f"重新投递：boxbridge dead retry {id_} --output erp" in zh(bridge, "dead", "show", id_)
        dry_run = ("replay", "--output", "local", "--since", "2h", "--dry-run")
        assert zh(bridge, *dry_run, "--rate", "0.001") == "local 将收到 1 个事件，至少需 16 分钟\n"
        assert zh(bridge, "outputs", "pause", "erp").startswith("输出 erp 已暂停；")
        assert "erp (webhook)   已人工暂停   等待 0，死信 1\n" in zh(bridge, "outputs")
        assert re.search(
            r"erp \(webhook\)   已人工暂停，持续 \d+ 秒   已投递 0，等待 0，死信 1\n", zh(bridge, "status")
        )
        assert zh(bridge, "devices", "--late") == "没有超时未推送的设备\n"
        assert "输出 erp 仍在配置中" in zh(bridge, "outputs", "forget", "erp", code=1)
        assert "无效" not in zh(bridge, "reload")
        bridge.config.write_text(bridge.config.read_text() + "keep = 5\n")
        refused = zh(bridge, "reload", code=78)
        assert "未知的键" in refused
        assert refused.endswith("1 个错误。旧配置继续生效。\n")
        assert zh(bridge, "dead", "drop", id_) == "erp：已丢弃 1 条死信\n"
        assert zh(bridge, "dead", "drop", "--all") == "没有死信\n"
        assert zh(bridge, "dead", "retry", code=2) == "请指明死信：事件 id，或 --all\n"


def test_columns_are_aligned(tmp_path: Path, web: WebServer) -> None:
    """Given titles of Chinese characters, what follows them begins in the same cell of every line."""
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        id_ = str(wait_until(bridge, push(bridge), "erp", "dead")["id"])
        for page, width in (
            (zh(bridge, "status"), 14),
            (zh(bridge, "check"), 14),
            (zh(bridge, "dead", "show", id_).rpartition("  重新投递")[0], 15),
        ):
            titles = [re.match(r"  \S* {2,}", line) for line in page.splitlines()[1:]]
            begins = {cells(title[0]) if title else 0 for title in titles}
            assert begins == {width}, page


def test_what_is_for_programs_stays_as_it_is(tmp_path: Path, web: WebServer) -> None:
    with Installation(tmp_path, ARCHIVE + webhook(web)) as bridge:
        wait_until(bridge, push(bridge), "erp", "dead")
        for command in (["events"], ["dead", "list"], ["outputs"]):
            assert bridge.command(*command, "--json", "--lang", "zh") == bridge.command(*command, "--json")


def test_the_locale_decides_where_nothing_is_asked(tmp_path: Path, web: WebServer) -> None:
    """Given a Chinese locale: a wrong configuration is told in Chinese, also by commands that have no `--lang`."""
    bridge = Installation(tmp_path, webhook(web) + "keep = 5\n")

    def said(*arguments: str, code: int = 78) -> str:
        environment = os.environ | {"LC_ALL": "zh_CN.UTF-8"}
        line = [str(COMMAND), *arguments, "-c", str(bridge.config)]
        ended = subprocess.run(line, capture_output=True, timeout=60, check=False, env=environment)
        assert ended.returncode == code
        return (ended.stdout + ended.stderr).decode()

    for command in ("check", "run", "config"):
        assert said(command).endswith('：未知的键 "keep"\n1 个错误。未启动任何服务。\n')
    assert 'unknown key "keep"' in said("check", "--lang", "en")
    assert "没有守护进程应答" in said("status", code=69)
    bridge.configure(webhook(web))
    assert said("check", code=0).startswith(f"{bridge.config} 正确。\n  站点        plant-a")
