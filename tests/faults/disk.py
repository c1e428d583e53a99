"""The disk to order: io.c, compiled and spoken to from the process that it is loaded into."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("io.c")
NOTHING, FAIL, SHORT, KILL, CUT = range(5)


@dataclass(frozen=True)
class Fault:
    """What happens at which call on the files below the journal's folder, counted from 1."""

    what: int = NOTHING
    at: int = 0
    lasting: bool = False
    """At all calls from then on, instead of once."""
    error: int = 0
    call: str = ""
    """Only calls of this name count."""
    path: str = ""
    """Only calls on this file count, by its name below the folder."""

    as_dict = asdict


def compiled(folder: Path) -> Path | None:
    """The shim; None where there is no compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    shim = (folder / "io.so").resolve()  # a relative path silently loads nothing once a folder has changed
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", shim, SOURCE], check=True)
    return shim


class Shim:
    """The shim in this process. Without it every journal has a disk that does as it should."""

    def __init__(self, folder: Path, record: int, *, recording: bool) -> None:
        self._library: Any = ctypes.CDLL(None)
        self.loaded = hasattr(self._library, "io_watch")
        if self.loaded:
            self._library.io_watch(bytes(folder), record, recording)

    def arm(self, fault: Fault) -> None:
        """From now on calls are counted, and this one goes wrong."""
        if self.loaded:
            self._library.io_arm(fault.what, ctypes.c_long(fault.at), fault.lasting, fault.error,
                                 fault.call.encode(), fault.path.encode())  # fmt: skip
        elif fault.what != NOTHING:
            raise RuntimeError("no faults without the shim")

    @property
    def hits(self) -> int:
        """How many calls went wrong."""
        return int(self._library.io_hits()) if self.loaded else 0
