"""Feed decoders and normalizers what a coverage-guided fuzzer makes up, and hold them to what they promise of any body.

    pip install atheris
    python -m bench.soak.fuzz --cases 1000000          -seed=7 and other options of libFuzzer go through

A body is read, or Malformed is raised; the request can be put together again byte for byte; the event's document can
be written and read back; nothing takes more than 100 ms of CPU; memory stays flat. A find ends the run with its input
in a file.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["bridge"]):
    from bridge.config.protocol import BoxSettings, ProtocolSettings
    from bridge.event import decode_document, encode_document
    from bridge.journal.blob import blob_of
    from bridge.journal.push import FreshPictures, Record
    from bridge.normalizer import Malformed, Normalizer, Outcome, Push
    from bridge.protocols.mapper import Mapped
    from bridge.protocols.propose import propose
    from bridge.protocols.skill import SkillNormalizer
    from bridge.reading.decode import read_base64, read_json
    from bridge.reading.document import read_document

from bridge.testing import draw_dot, sample_push

SLOWEST_SECONDS = 0.1
MOST_GROWTH_KB = 200_000
_WARM = 20_000
"""Cases after which memory should have settled."""
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAPPING = ProtocolSettings(
    paths=["/"],
    events="events[]",
    msg_id="id | uuid",
    device="device.sn",
    channel="channel",
    kind="kind",
    time="time",
    pictures=["picture", "*"],
    boxes=BoxSettings(at="objects[]", width="w", height="h", label="label"),
    counts={"all": "count"},
    heartbeat={"kind": "heartbeat"},
)
SEEDS = (
    sample_push(small=True, targets=2),
    b'{"events":[{"id":1,"device":{"sn":"a"},"time":1795533714000,"objects":[{"x":1,"y":2,"w":3,"h":4}]}]}',
    b'--b\r\nContent-Disposition: form-data; name="events"\r\n\r\n[{"id":1}]\r\n--b\r\n\r\n'
    + draw_dot()
    + b"\r\n--b--",
    b"events=%5B%7B%22id%22%3A1%7D%5D&picture=" + b"QUJD" * 40,
    b'\xef\xbb\xbf{"wsKey":"heartbeat","msg_id":"\xb3\xb5"}\0\0',
)


class Run:
    """One run: what was tried, and the worst of it."""

    def __init__(self) -> None:
        self.cases = 0
        self.read = 0
        """Cases of which at least one target made something."""
        self.slowest = 0.0
        self.began = time.monotonic()
        self._kb = 0

    def case(self, body: bytes) -> None:
        """Try every target with one body; raises what a target raises, and AssertionError for a broken promise."""
        self.cases += 1
        made = False
        for target in TARGETS:
            began = time.thread_time()
            try:
                target(body)
                made = True
            except Malformed:
                pass
            taken = time.thread_time() - began
            self.slowest = max(self.slowest, taken)
            assert taken < SLOWEST_SECONDS, f"{target.__name__} took {taken:.3f} s"
        self.read += made
        self._look_at_memory()

    def _look_at_memory(self) -> None:
        if self.cases % _WARM:
            return
        kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._kb = self._kb or kb
        assert kb < self._kb + MOST_GROWTH_KB, f"memory grew from {self._kb} to {kb} kB"

    def told(self) -> str:
        """The figures."""
        seconds = time.monotonic() - self.began
        return (
            f"{self.cases:,} cases in {seconds:,.0f} s, {self.read:,} of them read by something; "
            f"slowest target {self.slowest * 1000:.1f} ms; "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB"
        )


def skill(body: bytes) -> None:
    """The vendor's family."""
    _normalized(SkillNormalizer(), body)


def mapped(body: bytes) -> None:
    """A small vendor's table."""
    _normalized(Mapped("fuzzed", MAPPING, UTC), body)


def proposed(body: bytes) -> None:
    """A proposal for a table, which can be meant."""
    propose(body, "/", NOW, UTC)


def decoded(body: bytes) -> None:
    """The decoders by themselves."""
    json.dumps(read_json(body))
    read_document(body)


def base64(body: bytes) -> None:
    """Base64 in every bad shape."""
    try:
        read_base64(body.decode("latin-1"))
    except ValueError:
        return


TARGETS: tuple[Callable[[bytes], None], ...] = (skill, mapped, proposed, decoded, base64)


def _normalized(normalizer: Normalizer, body: bytes) -> None:
    push = Push(method="POST", path="/", query="", headers={}, body=body, peer="192.0.2.7", received=NOW)
    normalizer.recognizes(push)
    try:
        parsed = normalizer.parse(push)
    except Malformed as error:
        normalizer.answer(push, None, Outcome("refused", 400, str(error)))
        raise
    json.loads(normalizer.answer(push, parsed, Outcome("stored")).body)
    for event in parsed.events:
        assert encode_document(decode_document(encode_document(event))) == encode_document(event)
    if not parsed.heartbeat:
        blob, pictures = blob_of(push, parsed, parsed.events)
        kept = FreshPictures(blob.pictures, pictures)
        assert Record(1, 0, blob, kept, parsed.events).original().read_blocking() == body


def main() -> None:
    """Run it; libFuzzer ends the process by itself."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1_000_000)
    options, further = parser.parse_known_args()
    run = Run()

    def one(data: bytes) -> None:
        run.case(data)
        if run.cases % 100_000 == 0 or run.cases == options.cases:
            print(run.told(), flush=True)

    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        bounds = [
            f"-runs={options.cases}",
            "-max_len=8192",
            "-timeout=30",
            "-rss_limit_mb=1000",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], corpus, *bounds, *further], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
