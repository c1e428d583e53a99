"""What people are told of devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.testing import sample_push
from tests.daemon import bridge_with

pytestmark = pytest.mark.anyio


async def test_devices_are_listed_and_forgotten(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running, running.box() as box:
        for device in ("S1", "S2", "S2"):
            assert (await box.push(sample_push(small=True, device=device))).success
        listed = (await running.socket.get("/api/v1/devices")).json()["devices"]
        assert [(device["id"], device["state"], device["pushes"]) for device in listed] == [
            ("S2", "new", 2),
            ("S1", "new", 1),
        ]
        assert abs(listed[0]["skew"]) < 5
        assert (await running.socket.post("/api/v1/devices/forget", json={"id": "S1"})).status_code == 200
        missing = await running.socket.post("/api/v1/devices/forget", json={"id": "S1"})
        assert (missing.status_code, missing.json()["error"]) == (404, "no device S1 is known; there are: S2")
