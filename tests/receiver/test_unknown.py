"""What nothing understood is kept for people to look at, within bounds, and harms nobody."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge import Push
from bridge.receiver import unknown
from bridge.receiver.unknown import NotUnderstood, Unknown
from bridge.testing import sample_push
from tests.rooms import opened, push_of, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as one likes may come at once."""
    monkeypatch.setattr(unknown, "_BURST", 1_000_000)


def from_peer(peer: str, body: bytes = b"{}", **changes: object) -> Push:
    return msgspec.structs.replace(push_of(body), peer=peer, **changes)


async def bodies(ring: Unknown) -> list[bytes]:
    """All that is kept, the newest first."""
    return [await ring.body(entry.number) for entry in await ring.entries()]


async def test_a_push_that_is_refused_is_there_as_it_came_after_a_restart_too(tmp_path: Path) -> None:
    body = b'{"alarm": "\xb3\xb5\xc1\xbe", "picture": "' + b"QUJD" * 500 + b'"}'
    async with opened(tmp_path) as rooms:
        answer = await rooms.take(msgspec.structs.replace(push_of(body, "/camera/7"), query="channel=1"))
        assert answer.status == 400
        (entry,) = await rooms.intake.unknown.entries()
        again = Unknown(tmp_path / "unknown")
        assert await again.entries() == [entry]
        assert await again.body(entry.number) == body
    assert (entry.method, entry.path, entry.query, entry.peer) == ("POST", "/camera/7", "channel=1", "127.0.0.1")
    assert entry.headers == {"content-type": "application/json"}
    assert entry.reason
    assert entry.size == len(body)


async def test_what_is_understood_is_not_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as rooms:
        await rooms.push()
        await rooms.push(b'{"wsKey": "heartbeat", "msg_id": "1"}')
        assert await rooms.intake.unknown.entries() == []
    assert not (tmp_path / "unknown").exists()


async def test_secrets_are_masked(tmp_path: Path) -> None:
    ring = Unknown(tmp_path / "unknown")
    push = from_peer("10.0.0.1", query="access_token=s3cret&id=7&sign=s3cret", headers={"x-auth-token": "s3cret"})
    ring.keep(push, "no message of a known family")
    (entry,) = await ring.entries()
    assert entry.query == "access_token=***&id=7&sign=***"
    assert b"s3cret" not in b"".join(file.read_bytes() for file in (tmp_path / "unknown").iterdir())


async def test_the_very_same_again_is_kept_once(tmp_path: Path, unhurried: None) -> None:
    ring = Unknown(tmp_path / "unknown")
    for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
        ring.keep(from_peer(peer), "not JSON: line 1")
    assert [entry.peer for entry in await ring.entries()] == ["10.0.0.2", "10.0.0.1"]


async def test_a_box_that_repeats_itself_does_not_push_others_out(
    tmp_path: Path, unhurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown, "MOST_ALIKE", 3)
    ring = Unknown(tmp_path / "unknown")
    ring.keep(from_peer("10.0.0.2", b"other"), "not JSON: line 1")
    for number in range(10):
        ring.keep(from_peer("10.0.0.1", b"%d" % number), f"not JSON: column {number}")
    assert await bodies(ring) == [b"9", b"8", b"7", b"other"]


@pytest.mark.parametrize(("bound", "value"), [("MOST_PUSHES", 4), ("MOST_BYTES", 4_000)])
async def test_the_oldest_go_where_there_are_too_many(
    tmp_path: Path, unhurried: None, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(unknown, bound, value)
    ring = Unknown(tmp_path / "unknown")
    for number in range(10):
        ring.keep(from_peer(f"10.0.0.{number}", bytes(1_000 - 1) + b"%d" % number), "not JSON: line 1")
    assert [body[-1:] for body in await bodies(ring)] == [b"9", b"8", b"7", b"6"]
    assert len(list((tmp_path / "unknown").iterdir())) == 2 * 4


async def test_nobody_wears_the_card_out_with_nonsense(tmp_path: Path) -> None:
    ring = Unknown(tmp_path / "unknown")
    for number in range(500):
        ring.keep(from_peer(f"10.0.{number % 250}.1", b"%d" % number), "not JSON: line 1")
    assert len(await ring.entries()) == unknown._BURST


async def test_large_pushes_without_end_wear_no_card_out(tmp_path: Path) -> None:
    ring = Unknown(tmp_path / "unknown")
    for number in range(20):
        ring.keep(from_peer(f"10.0.0.{number}", bytes([number]) * 1_500_000), "not JSON")
    assert [entry.size for entry in await ring.entries()] == [1_500_000] * 3


async def test_a_folder_that_can_not_be_written_costs_the_answer_nothing(tmp_path: Path) -> None:
    (tmp_path / "unknown").write_text("a file stands here")
    async with opened(tmp_path) as rooms:
        with capture_logs() as logs:
            assert (await rooms.push(b"nonsense")).status == 400
            await until(lambda: any("could not be kept" in entry["event"] for entry in logs))
        assert (await rooms.push(sample_push(small=True))).status == 200


async def test_a_description_that_was_cut_costs_no_other(tmp_path: Path) -> None:
    ring = Unknown(tmp_path / "unknown")
    ring.keep(from_peer("10.0.0.1", b"one"), "not JSON: line 1")
    ring.keep(from_peer("10.0.0.2", b"two"), "not JSON: line 1")
    await ring.entries()
    (tmp_path / "unknown" / "000002.json").write_bytes(b'{"number": 2')
    again = Unknown(tmp_path / "unknown")
    again.keep(from_peer("10.0.0.3", b"three"), "not JSON: line 1")
    assert await bodies(again) == [b"three", b"one"]


async def test_it_comes_back_as_the_push_that_it_was(tmp_path: Path) -> None:
    ring = Unknown(tmp_path / "unknown")
    push = from_peer("10.0.0.1", b"body", query="id=7", transport="websocket")
    ring.keep(push, "not JSON: line 1")
    (entry,) = await ring.entries()
    assert isinstance(entry, NotUnderstood)
    assert entry.as_push(b"body") == push
