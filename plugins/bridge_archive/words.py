"""What the archive's commands say, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "changed": ("{path}   was CHANGED since its day was sealed", "{path}   在当天封存后被修改"),
    "missing": ("{path}   is MISSING", "{path}   缺失"),
    "unreadable": ("{path}   can't be read: {detail}", "{path}   无法读取：{detail}"),
    "day missing": ("{path}   the whole day is MISSING", "{path}   整天的文件缺失"),
    "list changed": (
        "{path}   this list was CHANGED since the next was made",
        "{path}   该清单在下一份清单生成后被修改",
    ),
    "list missing": ("{path}   this list is MISSING", "{path}   该清单缺失"),
    "list broken": ("{path}   this list can't be read: {detail}", "{path}   该清单无法读取：{detail}"),
    "unlisted": (
        "{path}   came after its day was sealed, and is in no list yet",
        "{path}   在当天封存后出现，尚未列入任何清单",
    ),
    "removed out of turn": (
        "{path}   was removed although older days are there: not by retention",
        "{path}   被移除，但更早的日期仍在：不是保留期限所致",
    ),
    "unknown head": (
        "{path}   this head is not in the chain: a list was changed",
        "{path}   链中没有该链首：有清单被修改",
    ),
    "verified": (
        "{root}: all is as it was; files: {files:,}, lists: {lists:,}",
        "{root}：{lists:,} 份清单中的 {files:,} 个文件均未改变",
    ),
    "faults": (
        "{root}: faults: {faults:,}; looked at: files: {files:,}, lists: {lists:,}",
        "{root}：{faults:,} 处问题；检查了 {lists:,} 份清单中的 {files:,} 个文件",
    ),
    "days removed": ("days removed by retention: {days:,}", "{days:,} 天的文件已按保留期限移除"),
    "not sealed": ("files of days that are not sealed yet: {files:,}", "{files:,} 个文件所属日期尚未封存"),
    "nothing sealed": ("nothing is sealed yet: a day is when it is over", "尚无封存：每天结束后封存"),
    "no story": ("without its story, which the daemon tells: {reason}", "不含事件经过（由守护进程提供）：{reason}"),
    "held": ("{event} is held, and its day {day} with it", "已保留 {event} 及其所在日期 {day}"),
    "released": ("{event} is held no more", "已取消保留 {event}"),
    "not held": ("{event} is not held", "{event} 未被保留"),
    "which archive": ("which archive? Say --output with one of {names}", "请用 --output 指定归档：{names}"),
    "no archive": ("the configuration has no output of type archive", "配置中没有 archive 类型的输出"),
    "no such event": (
        "{event} is not in {root}; an event is named by its whole id",
        "{root} 中没有 {event}；请使用完整的事件 id",
    ),
}


def say(language: str, sentence: str, **values: object) -> str:
    """A sentence with its values."""
    return _SENTENCES[sentence][language == "zh"].format(**values)
