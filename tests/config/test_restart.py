"""What a reload takes over, and what waits for a restart."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge.config.restart import KEYS, without_restart
from bridge.config.settings import ControlSettings, ServerSettings, Settings
from bridge.options import Size
from tests.rooms import settings_for

RUNNING = settings_for(Path("/data"))
CHANGED: dict[str, Settings] = {
    "data": replace(RUNNING, data=Path("/other")),
    "server.listen": replace(RUNNING, server=ServerSettings(listen="0.0.0.0:1")),
    "control.listen": replace(RUNNING, control=ControlSettings(listen="")),
    "plugins_dir": replace(RUNNING, plugins_dir=Path("/other")),
}


@pytest.mark.parametrize("key", KEYS)
def test_the_value_that_runs_stays_and_the_key_is_named(key: str) -> None:
    taken, after_restart = without_restart(RUNNING, CHANGED[key])
    assert attrgetter(key)(CHANGED[key]) != attrgetter(key)(RUNNING)
    assert (taken, after_restart) == (RUNNING, [key])


def test_all_else_is_taken_over() -> None:
    new = replace(RUNNING, site="plant-b", server=ServerSettings(max_body=Size("1MB")))
    assert without_restart(RUNNING, new) == (new, [])


def test_another_certificate_is_taken_over_but_tls_begins_and_ends_with_a_restart() -> None:
    plain, secured, renewed = (
        replace(RUNNING, server=ServerSettings(cert=cert, key=key))
        for cert, key in [(None, None), (Path("a.pem"), Path("a.key")), (Path("b.pem"), None)]
    )
    assert without_restart(secured, renewed) == (renewed, [])
    assert without_restart(plain, secured) == (plain, ["server.cert"])
    assert without_restart(secured, plain) == (secured, ["server.cert"])
