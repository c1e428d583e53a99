"""What was found in the journal's files and of the disk, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FILES: Final[Mapping[str, str]] = {
    # --- The journal's files, looked at from outside
    "{folder} is not there: the first {command} makes a journal, or name one with --folder": (
        "{folder} 不存在：首次执行 {command} 会建立事件日志；也可用 --folder 指定"
    ),
    "{folder} is no folder: the first {command} makes a journal, or name one with --folder": (
        "{folder} 不是目录：首次执行 {command} 会建立事件日志；也可用 --folder 指定"
    ),
    "{file} has format {n}; this version reads up to {max}. Nothing was touched: use the newer version": (
        "{file} 的格式为 {n}，本版本最高支持 {max}。未改动任何文件：请使用更新的版本"
    ),
    "{file} has format {n}; this version reads up to {max}; start the newer version, or set the folder aside": (
        "{file} 的格式为 {n}，本版本最高支持 {max}；请启动更新的版本，或另存该目录"
    ),
    "{file}: {error}; make it, or give the user who runs boxbridge the right to write there": (
        "{file}：{error}；请先创建，或给运行 boxbridge 的用户写权限"
    ),
    "the journal in {folder} can't be read: {error}": "无法读取 {folder} 中的事件日志：{error}",
    "the index in {folder} can't be made: {error}; the next start tries again": (
        "无法在 {folder} 中建立索引：{error}；下次启动时会重试"
    ),
    "{file} may not be used by its owner: {command}": "{file} 的属主没有权限：{command}",
    "{file} belongs to {owner}, and {me} may not use it: {command}, or run this as {owner_}": (
        "{file} 属于 {owner}，{me} 没有权限：{command}，或以 {owner_} 的身份运行"
    ),
    "1 fault in {folder}": "{folder} 中有 1 处问题",
    "{count} faults in {folder}": "{folder} 中有 {count} 处问题",
    "damaged, and not in it: {count}, see above": "已损坏、未导出：{count} 处，见上文",
    "{target} is there already: move it away, or name another": "{target} 已存在：请移走，或换一个名称",
    "{target}: of archives only .tar is written, since pictures are compressed as they are": (
        "{target}：归档文件只支持 .tar（图片本身已压缩）"
    ),
    "{target}: {error}; nothing was kept of it": "{target}：{error}；未保留任何内容",
    "event {first} is": "事件 {first} ",
    "event {first} ({ids}) is": "事件 {first}（{ids}）",
    "events {first} to {last} are": "事件 {first} 至 {last} ",
    "events {first} to {last} ({ids}) are": "事件 {first} 至 {last}（{ids}）",
    "{EVENTS} damaged (bytes {first} to {last}): what was not delivered before is lost": (
        "{EVENTS}已损坏（字节 {first} 至 {last}）：此前未投递的已丢失"
    ),
    "{EVENTS} not there, as when a file or a page is lost: what was not delivered before is lost": (
        "{EVENTS}不存在（例如丢失了文件或数据页）：此前未投递的已丢失"
    ),
    "{file}: {EVENTS} damaged or missing: passed over": "{file}：{EVENTS}已损坏或缺失：已略过",
    "event {id}: {PICTURE}: taken without it": "事件 {id}：{PICTURE}：导出时不含该图片",
    "event {id}: its request can't be made whole: taken without it": "事件 {id}：无法还原原始请求：导出时不含原始请求",
    "event {id}: its document can't be understood ({error}): taken as it is, without pictures": (
        "事件 {id}：无法识别其文档（{error}）：原样导出，不含图片"
    ),
    "of event {ids}: {PICTURE}; the event lives on without it": "事件 {ids}：{PICTURE}；事件本身不受影响",
    "picture {sha} is damaged on disk {place}": "图片 {sha} 在磁盘上已损坏 {place}",
    "picture {sha} can't be read now {place}": "图片 {sha} 暂时无法读取 {place}",
    "the disk does not give all of it (input/output error): look at the kernel's log, and copy the journal while you "
    "can": "磁盘无法读出全部内容（输入/输出错误）：请查看内核日志，并趁早复制事件日志",
    "where the outputs stood is damaged (bytes {first} to {last}): some events may come again": (
        "输出进度记录已损坏（字节 {first} 至 {last}）：部分事件可能重复投递"
    ),
    "bytes {first} to {last} are no record; no event is missing, some may come again": (
        "字节 {first} 至 {last} 不是记录；没有缺失事件，部分事件可能重复投递"
    ),
    "bytes {first} to {last} are no record; if a push was answered there, it is lost": (
        "字节 {first} 至 {last} 不是记录；若此处曾有已回复的推送，则该推送已丢失"
    ),
    "ends in a group that was never answered (bytes {first} to {last})": (
        "末尾是一组从未回复过的推送（字节 {first} 至 {last}）"
    ),
    "one of the two copies of its header is damaged; the other does": "文件头的两份副本之一已损坏；另一份可用",
    "the index does not know {PUSHES} as they are: {REMEDY}": "索引中的{PUSHES}与事件日志不符：{REMEDY}",
    "the push at {first}": "推送 {first} ",
    "{count} pushes from {first} on": "自 {first} 起的 {count} 个推送",
    "stop the daemon, and {command}": "请停止守护进程，然后执行 {command}",
    "there is none: the next start makes it": "没有索引：下次启动时会建立",
    "it belongs to another journal or version: {REMEDY}": "索引属于另一个事件日志或版本：{REMEDY}",
    "it is damaged ({found}): {REMEDY}": "索引已损坏（{found}）：{REMEDY}",
    "it can't be read ({error}): {REMEDY}": "无法读取索引（{error}）：{REMEDY}",
    "it knows {count} events from {first} on that the segments have not: a segment was lost": (
        "索引中自 {first} 起有 {count} 个事件不在任何段中：丢失了一个段"
    ),
    "it is {count} events behind, and reads on by itself": "索引落后 {count} 个事件，会自动补上",
    "{STRAY}; the next start sets it aside": "{STRAY}；下次启动时会另存",
    "it has no sound header": "没有可用的文件头",
    "it is a copy of {file}": "是 {file} 的副本",
    "it belongs to another journal": "属于另一个事件日志",
    "was set aside at an earlier start; delete it when you know what it was": "此前启动时已另存；确认用途后可删除",
    # --- What is logged while the index is made again
    "events are damaged or missing": "事件已损坏或缺失",
    "reading events into the index": "正在将事件读入索引",
    "damage in the newest segment": "最新一段中有损坏",
    "a write was cut short; nothing of it was answered": "一次写入未完成；其中的推送均未回复",
    "a file of the journal is set aside": "事件日志的一个文件已另存",
    "it could not be renamed, and is left alone": "无法重命名，保持原样",
    "a segment's state is damaged; reading the one before": "一段的输出进度已损坏；改读前一段",
    "ALARM: where the outputs stood is lost: each begins anew with the oldest event": (
        "警报：输出进度已丢失：每个输出都从最早的事件重新开始"
    ),
    # --- The disk
    "the journal may have {amount} of the disk below {folder}, and should have {most}: when it is full, pushes are "
    "refused. Free some, or give it more by `quota`.": (
        "{folder} 所在磁盘上事件日志只能使用 {amount}，至少应有 {most}：写满后会拒绝推送。请清理磁盘，或调大 `quota`。"
    ),
    "{folder} is no folder that is there: make it, or name another with --folder": (
        "没有目录 {folder}：请先创建，或用 --folder 另行指定"
    ),
    "{folder} has {free} MB free, and {needed} are needed to measure": "{folder} 可用 {free} MB，测量需要 {needed} MB",
    "{file}: {error}: run this as a user who may write there, or name another folder with --folder": (
        "{file}：{error}：请以有写权限的用户运行，或用 --folder 另行指定目录"
    ),
    "this is memory ({type}): nothing of it outlives a power cut. Set `data` to a disk.": (
        "这是内存（{type}）：断电后内容全部丢失。请把 `data` 设到磁盘上。"
    ),
    "this lies on another machine ({type}): it is as safe as that, as fast as the way there.": (
        "数据在另一台机器上（{type}）：安全程度取决于该机器，速度取决于网络。"
    ),
    "mounted without barriers: the disk is never asked to empty its own cache. Mount it with barriers.": (
        "挂载时关闭了 barrier：磁盘自身的缓存不会被强制写入。请启用 barrier 重新挂载。"
    ),
    "a sync takes {ms} ms, and no card is that fast: it looks as if this one says that bytes are safe when they are "
    "not. A power cut may cost pushes that were answered.": (
        "同步只需 {ms} 毫秒，存储卡不可能这么快：它似乎在数据尚未写入时就报告已写入。断电可能丢失已回复的推送。"
    ),
    "a sync takes {ms} ms, less than a turn of a disk: it looks as if its write cache is not emptied. Where no battery "
    "stands behind it, switch it off: hdparm -W 0.": (
        "同步只需 {ms} 毫秒，比磁盘转一圈还短：写缓存似乎没有被清空。若没有电池保护，请关闭写缓存：hdparm -W 0。"
    ),
}
