"""The processes to break: one that a test was interrupted in is not taken for the next."""

from __future__ import annotations

from pathlib import Path

from tests.faults.forks import Forks, Job


def test_a_test_that_was_interrupted_spoils_no_other(forks: Forks, tmp_path: Path) -> None:
    def job(name: str) -> Job:
        return Job(do="rest", folder=tmp_path / name, record=tmp_path / f"{name}.record")

    forks.start(job("interrupted"))
    forks.run(job("next"))
    assert (tmp_path / "interrupted").is_dir()
    assert (tmp_path / "next").is_dir()
