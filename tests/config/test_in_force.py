"""The configuration in force is shown whole, as TOML, without secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from msgspec import Struct

from bridge.config import toml
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
    more: dict[str, str] = {}


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
url = "https://erp.example/<secret>"
wait = "1s"
# port is not set
headers = { A = "<secret>" }
more = {}

[device."a b"]
id = "gate"
# name is not set
# address is not set
# rate is not set
channels = {}
"""
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/services/T0/B0/hunter2", "https://hooks.example/<secret>"),
        ("https://hooks.example:8443/robot?access_token=hunter2", "https://hooks.example:8443/<secret>"),
        ("https://hooks.example?hunter2", "https://hooks.example/<secret>"),
        ("https://hooks.example#hunter2", "https://hooks.example/<secret>"),
        ("https://[::1]:80/{device}/hunter2", "https://[::1]:80/<secret>"),
        ("nats://me:hunter2@bus.example:4222", "nats://<secret>@bus.example:4222"),
        ("https://bot:hunter2@hooks.example/x@hunter2", "https://<secret>@hooks.example/<secret>"),
        ("nats://me:hunter2/3@bus.example", "nats://<secret>"),
        ("nats://me:hunter2#3@bus.example:4222", "nats://<secret>"),
        ("https://hooks.example/", "https://hooks.example/"),
        ("mqtt://192.168.1.10", "mqtt://192.168.1.10"),
        ("plant/{site}/{device}/event", "plant/{site}/{device}/event"),
        (
            '{"a": "https://h/hunter2", "b": "https://i/hunter2"}',
            '{"a": "https://h/<secret>", "b": "https://i/<secret>"}',
        ),
        ("https://h/hunter2\nnext", "https://h/<secret>\nnext"),
    ],
)
def test_of_an_outputs_url_it_shows_scheme_host_and_port(tmp_path: Path, url: str, shown: str) -> None:
    output = {"type": "hook", "key": "hunter1", "url": url, "more": {"url": url}}
    (tmp_path / "x.toml").write_text(f'site = "plant-a"\noutput.erp = {toml.value(output)}\n')
    told = in_force(read(tmp_path / "x.toml").settings({"hook": output_with(Hook)}))
    table = tomllib.loads(told)["output"]["erp"]
    assert (table["url"], table["more"]) == (shown, {"url": shown})
    assert "hunter" not in told


def test_the_address_of_the_pages_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('site = "a"\ncontrol.address = "https://plant.example/boxes"')
    assert 'address = "https://plant.example/boxes"' in in_force(read(tmp_path / "x.toml").settings({}))


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
