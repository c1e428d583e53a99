"""Whether this user may use a journal's files: said in one sentence, with the remedy, before anything is written."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import FileTrouble
from bridge.journal.folder import INDEX, LOCK


def check_access(folder: Path) -> None:
    """Raise FileTrouble where files of the journal are another user's, as after a start as root by mistake."""
    writable = not os.statvfs(folder).f_flag & os.ST_RDONLY  # else what is there can be delivered all the same
    shut = [path for path in sorted(folder.iterdir()) if not _may_use(path, write=writable)]
    if shut:
        raise denied(shut[0], folder, len(shut) - 1)


def _may_use(path: Path, *, write: bool) -> bool:
    if path.suffix == ".seg":
        return os.access(path, os.R_OK)
    if path.name.startswith((INDEX, LOCK)):
        return os.access(path, os.R_OK | os.W_OK if write else os.R_OK)
    return True


def denied(path: Path, folder: Path, more: int = 0) -> FileTrouble:
    """What to say where this user may not use a file of a journal's folder."""
    others = f" (and {more} more)" if more else ""
    while not os.access(path, os.F_OK):  # what is to be changed is the nearest that this user sees
        path = path.parent
    folder = path if path in folder.parents else folder
    owner = path.stat().st_uid
    if owner == os.geteuid():
        return FileTrouble(f"{path}{others} may not be used by its owner: chmod -R u+rwX {folder}")
    me = _name(os.geteuid())
    remedy = f"chown -R {me} {folder}, or run this as {_name(owner)}"
    return FileTrouble(f"{path}{others} belongs to {_name(owner)}, and {me} may not use it: {remedy}")


@contextmanager
def left_to_owner(folder: Path) -> Iterator[None]:
    """What root makes in a folder belongs to the folder's owner: else the daemon's next start could not use it."""
    try:
        yield
    finally:
        owner = folder.stat()
        if os.geteuid() == 0 != owner.st_uid:
            for path in folder.iterdir():
                if path.lstat().st_uid == 0:
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
