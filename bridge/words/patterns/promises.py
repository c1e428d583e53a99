"""What outputs and normalizers promise, how that is tried, and how it was found broken, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROMISES: Final[Mapping[str, str]] = {
    # --- Promises of outputs
    "delivered intact": "完整送达",
    "an event with a scene and two snapshots: document, each picture's digest": (
        "一个带全景图和两张抓拍图的事件：文档、每张图片的摘要"
    ),
    "the same id on a repeat": "重复投递时 id 不变",
    "the same event twice, as after a timeout": "同一事件投递两次，如超时之后",
    "a far side that is away costs nothing": "对方离线不造成损失",
    "cut off while open, tried, mended": "打开期间断开，尝试投递，再恢复",
    "a slow far side ends in the timeout": "对方缓慢时按时超时",
    "a far side that answers nothing; timeout 0.5 s": "对方毫无应答；超时 0.5 秒",
    "a late answer counts for no other": "迟到的应答不算作其他事件的应答",
    "answered after its timeout; the next one is not answered": "超时之后才应答；下一个事件没有应答",
    "cancelled in the middle, it lets go": "中途取消即放手",
    "cancelled after 0 to 20 turns of the loop, and frozen": "在事件循环 0 至 20 轮之后取消，以及对方冻结时取消",
    "refused for good, it says so": "被彻底拒绝时如实上报",
    "a far side that refuses every event": "对方拒绝每个事件",
    "a crash loses nothing": "崩溃不丢事件",
    "a daemon killed with 20 events on their way, and started again": "守护进程在投递 20 个事件时被强制终止，再启动",
    "large pictures": "大图片",
    "one of 1 MB, one of 10 MB": "1 MB 和 10 MB 各一张",
    "no picture": "没有图片",
    "an event whose push has none": "推送不带图片的事件",
    "many at once, in disorder": "大量并发、次序混乱",
    "1,000 events of 7 devices, as many at once as the daemon gives": "7 台设备的 1,000 个事件，并发数与守护进程一致",
    "closed with deliveries under way": "投递途中关闭",
    "8 under way to a frozen far side; they come again": "8 个事件正投往冻结的对方；之后重新投递",
    "wrong options are told": "错误的选项会被指出",
    "each of a wrong type, missing, unknown, and the wrong ones of the test": (
        "逐个选项：类型错误、缺失、未知，以及测试给出的错误值"
    ),
    "secrets are told nobody": "密钥不外泄",
    "log, reasons, repr and metrics, with the far side there and away": "日志、原因、repr 和指标，对方在线和离线时",
    "the event loop is never held": "从不占住事件循环",
    "opened, then a frozen far side or 10 MB; less than 0.1 s at once": "打开后，对方冻结或投递 10 MB；每次少于 0.1 秒",
    "it does not grow": "资源占用不增长",
    "{n} deliveries in a process of its own: memory, files, threads, tasks": (
        "在独立进程中投递 {n} 次：内存、文件、线程、任务"
    ),
    # --- Promises of normalizers
    "it knows its own": "认得自己的推送",
    "each push on a path of nobody's, and six bodies that are none": "每个推送发到无主的路径，另有六种不是推送的内容",
    "events and pictures are whole": "事件和图片完整",
    "each document; each picture's digest, size, format and place": "每个文档；每张图片的摘要、大小、格式和位置",
    "a repeat is known as one": "认得出重复的推送",
    "each push read twice; all pushes have keys of their own": "每个推送读取两次；各个推送的 key 互不相同",
    "what is damaged is Malformed": "损坏的内容判为 Malformed",
    "each push cut off and with wrong bytes, in 200 places": "每个推送在 200 处截断、改错字节",
    "every outcome has an answer": "每种结果都有应答",
    "each outcome, with the push read and not": "每种结果，推送已读取和未读取时",
    "the loop is not held": "不占住事件循环",
    "each push, the best of three; less than 0.1 s": "每个推送，三次取最快；少于 0.1 秒",
    "it reads in the daemon": "在守护进程中可用",
    "each push sent twice to a daemon of its own with an archive": "每个推送向带 archive 的独立守护进程发送两次",
    # --- What came of a call
    "returned as if all were well": "却正常返回",
    "came to {kind} ({reason})": "的结果是 {kind}（{reason}）",
    # --- What was found, of outputs
    "the far side was away, and {call} {DID}; it should raise Unavailable": (
        "对方离线，{call} {DID}；应抛出 Unavailable"
    ),
    "the far side is there, and {call} {DID}": "对方在线，{call} {DID}",
    "deliver {DID} after {seconds} s, before the far side had taken anything": (
        "对方尚未收下任何内容，deliver 在 {seconds} 秒后{DID}"
    ),
    "the far side was slow, and deliver {DID}": "对方缓慢，deliver {DID}",
    "the answer to an event that had timed out was taken for the answer to the next one": (
        "已超时事件的应答被当作下一个事件的应答"
    ),
    "the far side refused, and the output {DID}; it should raise Rejected or Stopped": (
        "对方拒绝，输出{DID}；应抛出 Rejected 或 Stopped"
    ),
    "{pushed} events were pushed, and {n} ids arrived": "推送了 {pushed} 个事件，送达 {n} 个 id",
    "{n} of {pushed} events became dead letters": "{pushed} 个事件中有 {n} 个成为死信",
    "the event has no picture, and deliver {DID}": "事件没有图片，deliver {DID}",
    "{n} of 1,000 deliveries failed; the first {DID}": "1,000 次投递中有 {n} 次失败；第一次{DID}",
    "close {DID}": "close {DID}",
    "option {name} is text; as bridge.Secret it would be kept from logs and errors": (
        "选项 {name} 是普通文本；改为 bridge.Secret 后就不会出现在日志和错误中"
    ),
    "a secret stands in {PLACE}": "密钥出现在{PLACE}中",
    "its reasons": "失败原因",
    "the log": "日志",
    "metrics": "指标",
    "repr": " repr ",
    "it held the event loop for {seconds} s; meanwhile nobody is served": (
        "它占住事件循环 {seconds} 秒；期间其他一切都无法处理"
    ),
    "over {deliveries} deliveries {GROWTH}": "投递 {deliveries} 次期间，{GROWTH}",
    "{n} {what} of each {deliveries} are left behind": "每 {deliveries} 次遗留 {n} 个 {what}",
    "{n} bytes of each are left in memory": "每次在内存中遗留 {n} 字节",
    "deliver is {LASTING}": "deliver {LASTING}",
    "not over after {seconds} s: it waits for ever, or holds the event loop": (
        "{seconds} 秒后仍未结束：它无限等待，或占住了事件循环"
    ),
    "deliver went on for {seconds} s after it was cancelled, and had to be cut off": (
        "deliver 被取消后仍继续了 {seconds} 秒，只得强行中断"
    ),
    "a delivery is not over {seconds} s after its end was asked for": "要求结束 {seconds} 秒后，投递仍未结束",
    'something arrived under the id "{id}", which is no event\'s': '送达的内容带有 id "{id}"，它不属于任何事件',
    "{n} of {wanted} events never arrived, though deliver returned for them": (
        "{wanted} 个事件中有 {n} 个从未送达，而 deliver 已正常返回"
    ),
    "event {id} arrived {LACK}": "事件 {id} 送达，但{LACK}",
    "without its document": "缺少文档",
    "with another document than it was given": "文档与所给的不同",
    "without these pictures as they were: {roles}": "以下图片缺失或已改变：{roles}",
    "option {name} takes a list, a table, true, 7 and text alike": ("选项 {name} 对列表、表、true、7 和文本一概接受"),
    "option {name} is required, and may be missing": "选项 {name} 为必填，缺失时却不报错",
    "option {name} takes {content}, which its test says is wrong": "选项 {name} 接受 {content}，而其测试说明这是错误值",
    "an unknown key is taken": "接受了未知的键",
    "option {name} is wrong, and the sentence does not name it: {sentence}": (
        "选项 {name} 有误，错误信息却没有指明它：{sentence}"
    ),
    "option {name} is wrong, and checking it raised {error}": "选项 {name} 有误，检查时抛出 {error}",
    # --- What was found, of normalizers
    "it has no `paths`, and does not recognize all of its pushes by their bytes": (
        "它没有 `paths`，也不能凭内容认出自己的全部推送"
    ),
    "it takes {body} for a push of its own": "它把 {body} 当作自己的推送",
    "a push holds no event": "有推送不含事件",
    "event {kind}, written as a document and read again, has another {field}: {got}, not {wanted}": (
        "事件 {kind} 写成文档再读回，{field} 变了：得到 {got}，应为 {wanted}"
    ),
    "the same push has another key each time, so that repeats are delivered as new events": (
        "同一推送每次的 key 不同，重复的推送会作为新事件投递"
    ),
    "two different pushes have one key, so that the second is taken for a repeat": (
        "两个不同的推送 key 相同，第二个会被当作重复"
    ),
    "a damaged push raised {error}; it should raise Malformed": "损坏的推送抛出了 {error}；应抛出 Malformed",
    'the answer to "{outcome}" is no Answer': '对 "{outcome}" 的应答不是 Answer',
    "a push that could not be stored is answered as if it were, and the device forgets it": (
        "未能存储的推送得到了已存储的应答，设备会将其丢弃"
    ),
    "a push of {n} bytes takes {seconds} s; meanwhile nobody is served": (
        "{n} 字节的推送耗时 {seconds} 秒；期间其他一切都无法处理"
    ),
    "the daemon answered {status} to a push; its log says why: {line}": (
        "守护进程对推送应答 {status}；原因见其日志：{line}"
    ),
    "of {wanted} events in pushes that came twice, {n} were delivered": (
        "推送各来两次，共 {wanted} 个事件，投递了 {n} 个"
    ),
    "a picture's sha256 is not that of its bytes": "图片的 sha256 与其内容不符",
    "a picture's span is not where its base64 text stands in the body": "图片的 span 不是其 base64 文本在内容中的位置",
    "an event names a picture ({role}) that is not among those of the push": (
        "事件列出的图片（{role}）不在推送的图片之中"
    ),
    "a picture ({role}) is {told} by its bytes, and its media_type says {media_type}": (
        "图片（{role}）按其字节为 {told}，而其 media_type 为 {media_type}"
    ),
    "a picture ({role}) has {n} bytes, and its size says {size}": "图片（{role}）有 {n} 字节，而其 size 为 {size}",
    # --- Why a promise was not tried
    "a plain deliver waits for its answer, however late it comes": "普通的 deliver 会一直等待应答，无论多晚",
    "a plain deliver runs in a thread, which nobody can cancel": "普通的 deliver 在线程中运行，无法取消",
    "its table sets no bridge.Secret": "其表中没有设置 bridge.Secret",
    "its test does not say how to freeze the far side: {methods}": "其测试没有说明如何冻结对方：{methods}",
    "its test does not say how to have the far side refuse: {method}": "其测试没有说明如何让对方拒绝：{method}",
}
