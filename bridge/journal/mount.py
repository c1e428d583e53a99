"""What lies below a folder: its file system and device, as the kernel tells."""

from __future__ import annotations

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


def mount_of(
    folder: Path, mountinfo: Path = Path("/proc/self/mountinfo"), disks: Path = Path("/sys/dev/block")
) -> Mount:
    """The mount that a folder lies on; raises OSError."""
    place = folder.resolve(strict=True)
    found, depth = Mount("unknown", "unknown", (), turns=False), 0
    for line in mountinfo.read_text().splitlines():
        where, _, what = line.partition(" - ")
        _, _, number, _, point, options = where.split()[:6]
        mounted = Path(_unescaped(point))
        # Of two at the same place the later one hides the other.
        if place.is_relative_to(mounted) and len(mounted.parts) >= depth:
            file_system, device, more = what.split()[:3]
            both = (*options.split(","), *more.split(","))
            turns = _turns(device, disks / number)
            found, depth = Mount(_unescaped(device), file_system, both, turns), len(mounted.parts)
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)


def _turns(device: str, block: Path) -> bool:
    if not Path(device).name.startswith(("sd", "hd")):
        return False
    for place in (block / "queue", block / ".." / "queue"):  # a partition has none of its own
        if (place / "rotational").exists():
            return (place / "rotational").read_text().strip() == "1"
    return False
