"""What lies below a folder: its file system and device, as the kernel tells."""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct


class Mount(Struct, frozen=True):
    """Where a folder's bytes go."""

    device: str
    """Such as /dev/mmcblk0p2."""
    file_system: str
    options: tuple[str, ...]
    turns: bool
    """Whether it is a disk that turns; of what a virtual machine is given, nobody knows."""

    @property
    def in_memory(self) -> bool:
        """Whether nothing of it outlives a power cut."""
        return self.file_system in ("tmpfs", "ramfs")

    @property
    def over_network(self) -> bool:
        """Whether another machine keeps the bytes."""
        return bool(re.match(r"nfs|cifs|smb|fuse\.sshfs|ceph|9p|glusterfs", self.file_system))

    @property
    def is_card(self) -> bool:
        """Whether it is an SD card or eMMC."""
        return Path(self.device).name.startswith("mmcblk")

    @property
    def no_barriers(self) -> bool:
        """Whether the file system was told not to have the disk's own cache written."""
        return "nobarrier" in self.options or "barrier=0" in self.options


def mount_of(folder: Path, mounts: str | None = None) -> Mount:
    """The mount that a folder lies on; `mounts`: what else than /proc/self/mountinfo is read. Raises OSError."""
    number = folder.stat().st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    found = Mount("unknown", "unknown", (), turns=False)
    for line in (mounts or Path("/proc/self/mountinfo").read_text()).splitlines():
        where, _, what = line.partition(" - ")
        if where.split()[2] == wanted:
            file_system, device, options = what.split()[:3]
            both = (*where.split()[5].split(","), *options.split(","))
            found = Mount(_unescaped(device), file_system, both, _turns(device, wanted))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)


def _turns(device: str, number: str) -> bool:
    if not Path(device).name.startswith(("sd", "hd")):
        return False
    block = Path("/sys/dev/block", number)
    for place in (block / "queue", block / ".." / "queue"):  # a partition has none of its own
        if (place / "rotational").exists():
            return (place / "rotational").read_text().strip() == "1"
    return False
