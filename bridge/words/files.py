"""What `journal` and `doctor` say, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FILES: Final[Mapping[str, tuple[str, str]]] = {
    # --- journal check
    "finding": ("{file}: {what}", "{file}：{what}"),
    "note": ("note: {finding}", "提示：{finding}"),
    "journal holds": (
        "{journal}: {segments}, {size}, events {first} to {last}; {read}",
        "{journal}：{segments}，{size}，事件 {first} 至 {last}；{read}",
    ),
    "journal is empty": (
        "{journal}: {segments}, {size}, no event; {read}",
        "{journal}：{segments}，{size}，没有事件；{read}",
    ),
    "read through": ("events read: {events}, pictures: {pictures}", "已读取：事件 {events}，图片 {pictures}"),
    "read newest": (
        "of the newest segment, events read: {events}, pictures: {pictures}",
        "仅读取最新一段：事件 {events}，图片 {pictures}",
    ),
    "all is well": ("{read}: all is well", "{read}：一切正常"),
    "well as far as read": ("{read}: well; the others were not read", "{read}：该段正常；其余各段未读取"),
    "reading": ("reading", "读取中"),
    # --- journal rebuild, journal export
    "rebuilt": (
        "{index} is made again in {seconds:.1f} s; events in it: {events}",
        "{index} 已重建：事件 {events}，用时 {seconds:.1f} 秒",
    ),
    "exported": ("{target}: events: {events}, pictures: {pictures}", "{target}：事件 {events}，图片 {pictures}"),
    # --- doctor disk
    "disk": (
        "{folder} on {device} ({file_system}{kind}), {free} MB free",
        "{folder} 位于 {device}（{file_system}{kind}），可用 {free} MB",
    ),
    "a card": (", SD card or eMMC", "，SD 卡或 eMMC"),
    "a disk that turns": (", a disk that turns", "，机械硬盘"),
    "title sync": ("a sync", "同步"),
    "title writing": ("writing", "写入"),
    "syncs": (
        "{usual:.2f} ms, 1 in 100 longer than {p99:.2f} ms, the longest {worst:.2f} ms",
        "{usual:.2f} 毫秒，百分之一超过 {p99:.2f} 毫秒，最长 {worst:.2f} 毫秒",
    ),
    "writes": ("{rate} MB/s, with a sync for each {boxes} pictures", "{rate} MB/s，每 {boxes} 张图片同步一次"),
    "rates": ("Pushes a second that this disk makes safe:", "此磁盘每秒可安全保存的推送数："),
    "from one": ("from one box", "单台设备"),
    "from many": ("from {boxes} at once", "{boxes} 台同时"),
    "with a picture": ("with a picture", "带图片"),
    "without": ("without", "不带图片"),
    "warning": ("warning: {warning}", "警告：{warning}"),
}
