"""An installation for tests: a folder with a configuration, and the installed command in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.testing.bridge import COMMAND, Bridge
from tests.brokers import HOST

__all__ = ["COMMAND", "Installation", "memory_kb", "newest_segment", "remove_index"]


class Installation(Bridge):
    """A daemon without a port for people. `server`: further lines of [server]."""

    def __init__(
        self,
        folder: Path,
        outputs: str,
        server: str = "",
        environment: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self.server = server
        super().__init__(folder, outputs, environment=environment, through=through)

    def configure(self, tables: str) -> None:
        """Write the configuration."""
        self.config.write_text(
            f'site = "plant-a"\ndata = "{self.data}"\ntimezone = "Asia/Shanghai"\n'
            f'[server]\nlisten = "{HOST}:{self.port}"\n{self.server}\n[control]\nlisten = ""\n{tables}\n',
            encoding="utf-8",
        )


def memory_kb(pid: int) -> int:
    """Resident memory of a process."""
    fields = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in fields if line.startswith("VmRSS")).split()[1])


def newest_segment(data: Path) -> Path:
    """The segment that was written last."""
    return max((data / "journal").glob("*.seg"))


def remove_index(data: Path) -> None:
    """Lose the index."""
    for file in (data / "journal").glob("index.sqlite*"):
        file.unlink()
