"""One event as a file that stands for itself: what a lawyer or an insurer asks for, with how to verify it."""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bridge_archive.finding import files_of
from bridge_archive.manifest import FOLDER, digest_of, manifests

_HOW: Final = """\
One event, exported by boxbridge from the archive {root}

  event.json       the event as it was recorded
  *.jpg, *.png     its pictures, untouched
  original.json    the request in which the device sent it; each picture stands in it as sha256:<digest>
  story.json       what became of it: when it came, where it was delivered
  SHA256SUMS       digests of the files above
{there}
To verify: in this folder, `sha256sum -c SHA256SUMS` (Windows: certutil -hashfile FILE SHA256).{proof}

本文件由 boxbridge 从归档 {root} 导出，包含一个事件

  event.json       事件记录
  *.jpg, *.png     图片原件，未经修改
  original.json    设备发送的原始请求；其中每张图片以 sha256:<摘要> 表示
  story.json       事件经过：何时收到，投递到哪里
  SHA256SUMS       以上文件的摘要
{there_zh}
验证方法：在此目录执行 `sha256sum -c SHA256SUMS`（Windows：certutil -hashfile 文件 SHA256）。{proof_zh}
"""
_SEALED: Final = {
    "there": """\
  manifests/       lists of all files of that day, made when the day was over; each begins with the digest of the list
                   before it
""",
    "proof": """\
 The same digests stand
in manifests/, under the file's name in the archive. `sha256sum manifests/{newest}` gives the head at that
time: {head}
Whoever kept that head elsewhere knows that nothing was changed since.""",
    "there_zh": """\
  manifests/       当天所有文件的清单，于当天结束后生成；每份清单以上一份清单的摘要开头
""",
    "proof_zh": """\
相同的摘要也记录在
manifests/ 中，位于该文件在归档中的名称之后。执行 `sha256sum manifests/{newest}` 得到当时的链首：
{head}
在别处保存过该链首的人，可据此确认此后没有任何更改。""",
}
_NOT_SEALED: Final = {
    "there": "",
    "proof": """\

The day of this event was not over when it was exported: no list holds these digests yet. An export after
the day was sealed, ten minutes after midnight, can be held against those lists.""",
    "there_zh": "",
    "proof_zh": """\

导出时该事件当天尚未结束，摘要还未列入任何清单。当天于零点后十分钟封存；封存后再次导出，即可对照清单验证。""",
}


def export(root: Path, stem: Path, story: Mapping[str, Any] | None, case: Path) -> list[str]:
    """Write the case of the event whose files begin with this path; returns the names in it. Raises OSError."""
    named = {_name(path, stem): path for path in files_of(root, stem)}
    lists = [manifest.path for manifest in manifests(root) if manifest.day == stem.parts[0]]
    told = json.dumps(story, ensure_ascii=False, indent=2) if story else "null"
    case = case.resolve()  # a link goes on leading to it
    if case.exists() and not case.is_file():
        raise OSError(errno.EEXIST, "is there already, and no file", str(case))
    beside = case.with_name(f".{case.name}.part")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in named.items():
                archive.write(path, name)
            archive.writestr("story.json", told)
            sums = "".join(f"{digest_of(path)}  {name}\n" for name, path in named.items())
            archive.writestr("SHA256SUMS", sums)
            for path in lists:
                archive.write(path, f"{FOLDER}/{path.name}")
            archive.writestr("VERIFY.txt", _how(root, lists))
            names = archive.namelist()
        beside.replace(case)
    finally:
        beside.unlink(missing_ok=True)
    return names


def _how(root: Path, lists: Sequence[Path]) -> str:
    """How to verify it: with the day's lists, where the day is over."""
    if not lists:
        return _HOW.format(root=root, **_NOT_SEALED)
    newest, head = lists[-1].name, digest_of(lists[-1])
    return _HOW.format(root=root, **{name: text.format(newest=newest, head=head) for name, text in _SEALED.items()})


def _name(path: Path, stem: Path) -> str:
    ending = path.name.removeprefix(stem.name)
    return {".json": "event.json", ".original.json": "original.json"}.get(
        ending, f"scene{ending}".replace("scene_", "")
    )
