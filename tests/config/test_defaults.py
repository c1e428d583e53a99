"""What the machine says where the configuration says nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bridge.config import defaults


def test_the_site_is_the_host() -> None:
    assert defaults.site() == socket.gethostname()


def test_data_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert defaults.data({}, tmp_path / "boxbridge.toml") == tmp_path / "boxbridge-data"


def test_data_lies_where_systemd_says() -> None:
    environment = {"STATE_DIRECTORY": "/srv/boxbridge:/srv/other"}
    for configuration in ("boxbridge.toml", "/etc/boxbridge/boxbridge.toml"):
        assert defaults.data(environment, Path(configuration)) == Path("/srv/boxbridge")


def test_in_a_shell_the_services_data_lies_where_the_service_has_it() -> None:
    """Else no command finds the daemon, and `journal check` looks at another journal than the daemon's."""
    assert defaults.data({}, Path("/etc/boxbridge/boxbridge.toml")) == Path("/var/lib/boxbridge")


def test_the_time_zone_is_that_of_tz(tmp_path: Path) -> None:
    assert defaults.timezone({"TZ": ":Asia/Shanghai"}, tmp_path).key == "Asia/Shanghai"


def test_the_time_zone_is_that_of_etc_timezone(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert defaults.timezone({"TZ": "CST-8"}, tmp_path).key == "Europe/Berlin"


def test_the_time_zone_is_where_localtime_leads(tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/America/Argentina/Ushuaia")
    assert defaults.timezone({}, tmp_path).key == "America/Argentina/Ushuaia"


def test_else_it_is_utc(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("nonsense")
    assert defaults.timezone({}, tmp_path).key == "UTC"
