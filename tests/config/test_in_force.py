"""The configuration in force is shown whole, as TOML, without secrets."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from bridge.config.in_force import in_force
from bridge.config.load import read
from bridge.options import Duration, Secret
from tests.rooms import output_with

TEXT = """
site = "plant-a"
data = "/srv/boxbridge"
timezone = "Asia/Shanghai"
output.erp = { type = "hook", key = "hunter2", url = "https://erp.example/hook?t=hunter4", headers = { A = "hunter3" } }
device."a b".id = "gate"
"""


class Hook(Struct, kw_only=True):
    key: Secret
    url: str
    wait: Duration = Duration("1s")
    port: int | None = None
    headers: dict[str, Secret] = {}


def test_it_shows_every_value_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(TEXT)
    assert (
        in_force(read(tmp_path / "x.toml").settings({"hook": output_with(Hook)}))
        == """\
site = "plant-a"
data = "/srv/boxbridge"
timezone = "Asia/Shanghai"
late_after = "5m"
plugins_dir = "/etc/boxbridge/plugins"

[server]
listen = "0.0.0.0:8600"
allow = []
# token is not set
# cert is not set
# key is not set
# rate is not set
max_body = "16MB"

[journal]
quota = "20%"
when_full = "refuse"
keep = "7d"
history = "400d"
keep_dead = "30d"

[control]
listen = "127.0.0.1:8601"
# password is not set
# address is not set

[output.erp]
type = "hook"
enabled = true
from = "now"
# only is not set
# at_most is not set
# max_age is not set
backlog = "30d"
# in_flight is not set
timeout = "30s"
retry_for = "24h"
key = "<secret>"
url = "https://erp.example/hook?<secret>"
wait = "1s"
# port is not set
headers = { A = "<secret>" }

[device."a b"]
id = "gate"
# name is not set
# address is not set
# rate is not set
channels = {}
"""
    )


def test_what_it_shows_is_the_same_configuration(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(TEXT)
    shown = in_force(read(tmp_path / "x.toml").settings({"hook": output_with(Hook)}))
    (tmp_path / "y.toml").write_text(shown)
    assert in_force(read(tmp_path / "y.toml").settings({"hook": output_with(Hook)})) == shown


def test_what_came_from_the_environment_is_shown_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('site = "plant-${TOKEN}"')
    settings = read(tmp_path / "x.toml", {"TOKEN": "hunter2"}).settings({})
    assert settings.site == "plant-hunter2"
    assert 'site = "plant-${TOKEN}"' in in_force(settings)
    assert "hunter2" not in in_force(settings)
