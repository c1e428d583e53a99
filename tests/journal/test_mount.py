"""Mounts: the kernel's own words of what lies below a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.journal.mount import Mount, mount_of


def test_the_mount_is_the_one_that_the_folder_lies_on(tmp_path: Path) -> None:
    (tmp_path / "a card").mkdir()
    mountinfo = tmp_path / "mountinfo"
    point = str(tmp_path / "a card").replace(" ", "\\040")
    mountinfo.write_text(
        f"21 1 8:2 / / rw,relatime shared:1 - xfs /dev/sda2 rw,noquota\n"
        f"22 21 179:2 / {point} rw,relatime shared:2 master:1 - ext4 /dev/mmcblk0p2 rw,barrier=0\n"
        f"23 21 0:5 / /proc rw - proc proc rw\n"
    )
    found = mount_of(tmp_path / "a card", mountinfo)
    assert (found.device, found.file_system, found.is_card, found.no_barriers) == ("/dev/mmcblk0p2", "ext4", True, True)
    found = mount_of(tmp_path, mountinfo)
    assert (found.device, found.file_system, found.is_card, found.no_barriers) == ("/dev/sda2", "xfs", False, False)
    assert not found.in_memory
    assert not found.over_network


def test_a_mount_that_hides_another_is_the_one() -> None:
    assert mount_of(Path("/proc")).file_system == "proc"
    assert mount_of(Path("/")).device != "unknown"


def test_where_the_kernel_names_none_it_is_unknown(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("23 21 0:5 / /proc rw - proc proc rw\n")
    assert mount_of(tmp_path, mountinfo) == Mount("unknown", "unknown", (), turns=False)


@pytest.mark.parametrize("file_system", ["nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "9p", "glusterfs"])
def test_another_machines_disk_is_told(file_system: str) -> None:
    assert Mount("server:/data", file_system, ("rw",), turns=False).over_network


@pytest.mark.parametrize("file_system", ["tmpfs", "ramfs"])
def test_what_is_only_in_memory_is_told(file_system: str) -> None:
    assert Mount(file_system, file_system, ("rw",), turns=False).in_memory


@pytest.mark.parametrize(
    ("device", "told", "turns"),
    [
        ("sda", "1", True),
        ("sda", "0", False),
        ("sda1", "1", True),
        ("sdb", None, False),
        ("vda", "1", False),
    ],
)
def test_a_disk_that_turns_is_told_by_whole_disk_and_partition(
    tmp_path: Path, device: str, told: str | None, turns: bool
) -> None:
    """`told`: what the kernel says of it, at the disk; of a virtual machine's disk it is not to be believed."""
    disk = tmp_path / "devices" / device.rstrip("1")
    (disk / device).mkdir(parents=True)
    if told is not None:
        (disk / "queue").mkdir()
        (disk / "queue" / "rotational").write_text(f"{told}\n")
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "8:1").symlink_to(disk / device if device.endswith("1") else disk)
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"21 1 8:1 / / rw,relatime - ext4 /dev/{device} rw\n")
    assert mount_of(tmp_path, mountinfo, tmp_path / "block").turns == turns
