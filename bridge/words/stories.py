"""What `why` says, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STORIES: Final[Mapping[str, tuple[str, str]]] = {
    # --- What came
    "event": ("Event {id}: {what}, {device}/{channel}", "事件 {id}：{what}，{device}/{channel}"),
    "occurred": ("the box says it happened", "设备报告的发生时间"),
    "received": (
        "received from {peer} ({method} {path}), msg_id {msg_id}",
        "收到推送，来自 {peer}（{method} {path}），msg_id {msg_id}",
    ),
    "received, no msg_id": ("received from {peer} ({method} {path})", "收到推送，来自 {peer}（{method} {path}）"),
    "dead, not tried": ("given up as a dead letter: {reason}", "成为死信：{reason}"),
    "received, no more": ("received; more is not known: {reason}", "收到推送；其余已无从得知：{reason}"),
    "kept": (
        "kept on disk before the box was answered: journal/{segment}, pictures: {pictures}",
        "先写入磁盘，再回复设备：journal/{segment}，图片：{pictures}",
    ),
    "no pictures": ("none", "无"),
    "repeated": (
        "the same push came again from {peer}, {count} times until {last}: answered with success, delivered only once",
        "同一推送再次到达，来自 {peer}，{count} 次，至 {last}：已回复成功，只投递一次",
    ),
    # --- What came around a time
    "around": ("{device} from {since} to {until}:", "{device}，{since} 至 {until}："),
    "came": ("{kind} came: {id}   {outputs}", "收到 {kind}：{id}   {outputs}"),
    "nothing came": ("no event came in this time", "此期间没有收到事件"),
    "duplicate": (
        "{count} times the push of {event} again, until {last}: answered with success, delivered only once",
        "{event} 的推送重复到达 {count} 次，至 {last}：已回复成功，只投递一次",
    ),
    "refused": (
        "{count} pushes from {peer} refused until {last}: {reason}",
        "来自 {peer} 的 {count} 次推送被拒绝，至 {last}：{reason}",
    ),
    "not stored": (
        "{count} pushes from {peer} not stored until {last}, the box was told to try again: {reason}",
        "来自 {peer} 的 {count} 次推送未能保存，至 {last}，已要求设备重试：{reason}",
    ),
    "others": (
        "And from addresses that the device is not known to push from:",
        "以及来自该设备未使用过的地址：",
    ),
    "silent": (
        "Silent at that time: its last event came at {before}, the next one at {after}.",
        "当时无事件：上一事件 {before}，下一事件 {after}。",
    ),
    "silent since": ("Silent since {before}: nothing came after that.", "自 {before} 起无事件。"),
    "silent before": ("Its first event came at {after}.", "首个事件于 {after} 收到。"),
    "silent always": ("No event of it ever came.", "从未收到该设备的事件。"),
    # --- What outputs did with it
    "delivered": ("delivered at attempt {attempt}", "第 {attempt} 次尝试，投递成功"),
    "delivered with less": (
        "delivered at attempt {attempt}; not as it is: {reason}",
        "第 {attempt} 次尝试，投递成功；与原件不同：{reason}",
    ),
    "retry": ("attempt {attempt} failed: {reason}", "第 {attempt} 次尝试失败：{reason}"),
    "dead": ("given up as a dead letter at attempt {attempt}: {reason}", "第 {attempt} 次尝试后成为死信：{reason}"),
    "skipped": ("skipped, never sent: {reason}", "已跳过，从未发送：{reason}"),
    "unwanted": ("skipped, never sent: {reason}", "已跳过，未发送：{reason}"),
    "expired": (
        "the dead letter expired (keep_dead, or 10,000 newer ones)",
        "死信已过期（keep_dead，或其后已有 10,000 个死信）",
    ),
    "dropped": ("the dead letter was dropped by a person", "死信被人工丢弃"),
    "again": ("a person asked for the dead letter to be tried again", "人工要求重新投递该死信"),
    "replay": ("a person asked for it to be delivered again (replay)", "人工要求重新投递（replay）"),
    "open": ("the output was there", "输出可用"),
    "waiting": ("the output was away: {reason}", "输出不可用：{reason}"),
    "paused": ("the output was paused: {reason}", "输出被暂停：{reason}"),
    "stopped": (
        "the output was stopped: boxbridge ended, was reloaded, or a person paused it",
        "输出已停止（程序退出、重新加载或人工暂停）",
    ),
    "opening": ("the output was being opened", "输出正在打开"),
    "left out": ("… {count} more steps", "……另有 {count} 步"),
    # --- How it stands
    "state delivered": ("delivered", "已投递"),
    "state waiting": ("waiting", "等待中"),
    "state dead": ("DEAD", "死信"),
    "state skipped": ("skipped", "已跳过"),
    "state expired": ("expired", "已过期"),
    "state dropped": ("dropped", "已丢弃"),
    "state earlier": ("came before the output was there", "早于该输出"),
    "waits, and then": ("{waits}; {again}", "{waits}；{again}"),
    "lane open": ("it waits for its turn", "正在排队"),
    "lane opening": ("it waits until the output is open", "等待输出打开"),
    "lane waiting": ("it waits for the output, which is away: {reason}", "等待输出恢复：{reason}"),
    "lane paused": (
        "it waits: the output is paused ({reason}); mend that, then: boxbridge reload",
        "等待：输出已暂停（{reason}）；修复后执行：boxbridge reload",
    ),
    "lane stopped": ("it waits: the output is stopped", "等待：输出已停止"),
    "lane held": (
        "it waits: a person paused the output; to go on: boxbridge outputs resume {output}",
        "等待：输出被人工暂停；恢复：boxbridge outputs resume {output}",
    ),
    "lane off": ("it waits: the output is off (enabled = false)", "等待：输出已关闭（enabled = false）"),
    "lane gone": (
        "the output is no longer configured; to let go of what it holds: boxbridge outputs forget {output}",
        "该输出已不在配置中；释放其保留的事件：boxbridge outputs forget {output}",
    ),
    "tried again": ("tried again at {time}", "将于 {time} 重试"),
    "dead what now": (
        "to deliver it again: boxbridge dead retry {id} --output {output}",
        "重新投递：boxbridge dead retry {id} --output {output}",
    ),
    "dead what now, lost": (
        "there is nothing to deliver any more; to drop it: boxbridge dead drop {id} --output {output}",
        "已没有可投递的内容；清除它：boxbridge dead drop {id} --output {output}",
    ),
    "no outputs": (
        "No output is configured: the event is only kept in the journal.",
        "未配置任何输出：事件只保存在事件日志中。",
    ),
}
