"""What `boxbridge run` tells people at a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge import Secret
from bridge.cli.run import banner
from bridge.config.settings import ServerSettings
from bridge.daemon import Daemon
from bridge.plugins import Plugins
from tests.certificates import self_signed
from tests.rooms import settings_for


@pytest.mark.parametrize(("secured", "schemes"), [(False, ("http", "ws")), (True, ("https", "wss"))])
def test_the_banner_says_what_to_type_into_the_box(tmp_path: Path, secured: bool, schemes: tuple[str, str]) -> None:
    cert, key = self_signed(tmp_path) if secured else (None, None)
    settings = replace(settings_for(tmp_path), server=ServerSettings(listen="10.0.0.1:8600", cert=cert, key=key))
    said = banner(Daemon(tmp_path / "boxbridge.toml", settings, Plugins()), 0.1, "en")
    http, ws = schemes
    assert f" {http}://10.0.0.1:8600/dataPush/DataReportCB " in said
    assert f"(or {ws}://10.0.0.1:8600/)" in said


def test_the_banner_speaks_chinese(tmp_path: Path) -> None:
    server, at = ServerSettings(listen="10.0.0.1:8600", token=Secret("t")), "10.0.0.1:8600/<token>"
    settings = replace(settings_for(tmp_path), server=server)
    assert banner(Daemon(tmp_path / "boxbridge.toml", settings, Plugins()), 0.1, "zh").splitlines()[1:] == [
        f"  设备        http://{at}/dataPush/DataReportCB      <- 请填入设备   （或 ws://{at}/）",
        "  管理页面    http://127.0.0.1:8601",
        "  输出        无：事件只保存",
        "  事件日志    等待 0",
        "已就绪，用时 0.1 秒，等待首次推送",
    ]
