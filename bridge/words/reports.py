"""What `init`, `run`, `status`, `events`, `dead`, `outputs`, `replay` and others say, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REPORTS: Final[Mapping[str, tuple[str, str]]] = {
    # --- Titles, in front of a column
    "title devices": ("devices", "设备"),
    "title pushes": ("pushes", "推送"),
    "title refused": ("refused", "被拒绝"),
    "title odd field": ("odd field", "异常字段"),
    "title output": ("output", "输出"),
    "title outputs": ("outputs", "输出"),
    "title replay": ("replay", "重放"),
    "title journal": ("journal", "事件日志"),
    "title site": ("site", "站点"),
    "title data": ("data", "数据目录"),
    "title server": ("server", "接收地址"),
    "title control": ("control", "管理地址"),
    "title received": ("received", "收到"),
    "title failing_since": ("first failed", "首次失败"),
    "title died": ("given up", "放弃"),
    "title attempts": ("attempts", "尝试次数"),
    "title reason": ("reason", "原因"),
    "title peer": ("from", "来自"),
    "title request": ("request", "请求"),
    "title size": ("size", "大小"),
    # --- The contract of a plugin, as its test finds it
    "contract": ("contract of {name}: {verdicts}", "{name} 的契约：{verdicts}"),
    "promise kept": ("kept", "遵守"),
    "promise broken": ("BROKEN", "违反"),
    "promise not tried": ("not tried", "未验证"),
    # --- plugins
    "plugin written": (
        "{folder} is written. Put what is yours into {module}; it works as it is. Then:",
        "已生成 {folder}。请在 {module} 中填写您自己的内容；它现在即可运行。然后：",
    ),
    "plugin installed": (
        "{name} {version} is installed, and brings: {brings}. Restart boxbridge to have it loaded.",
        "已安装 {name} {version}，提供：{brings}。重新启动 boxbridge 后生效。",
    ),
    "title plugin": ("NAME", "名称"),
    "title version": ("VERSION", "版本"),
    "title origin": ("ORIGIN", "来源"),
    "title brings": ("BRINGS", "提供"),
    "brings output": ("output {name}", "输出 {name}"),
    "brings protocol": ("protocol {name}", "协议 {name}"),
    "brings hook": ("hook {name}", "hook {name}"),
    "plugin broken": ("broken: {reason}", "无法加载：{reason}"),
    "plugin gone": (
        "{name} is gone. Restart boxbridge, so that it no longer runs.",
        "已卸载 {name}。请重新启动 boxbridge，使其不再运行。",
    ),
    # --- How long
    "ago": ("{span} ago", "{span}前"),
    "span d": ("{count} d", "{count} 天"),
    "span h": ("{count} h", "{count} 小时"),
    "span min": ("{count} min", "{count} 分钟"),
    "span s": ("{count} s", "{count} 秒"),
    # --- tap
    "tap push": (
        "push  {peer}  {protocol}  {device}  {size}  {outcome}",
        "推送  {peer}  {protocol}  {device}  {size}  {outcome}",
    ),
    "pushed stored": ("stored", "已保存"),
    "pushed duplicate": ("duplicate", "重复"),
    "pushed heartbeat": ("heartbeat", "心跳"),
    "pushed unknown": ("unknown", "未知"),
    "pushed refused": ("refused", "被拒绝"),
    "pushed not stored": ("not stored", "未能保存"),
    "tap event": ("event  {id}  {kind}  {device}/{channel}", "事件  {id}  {kind}  {device}/{channel}"),
    "tap pictures": ("{count} pictures {size}", "{count} 张图片 {size}"),
    "tap delivered": (
        "{output}  delivered  {id}  {kind}  {device}/{channel}",
        "{output}  已送达  {id}  {kind}  {device}/{channel}",
    ),
    "tap failed": (
        "{output}  FAILED, attempt {attempt}  {id}  {kind}  {device}/{channel}",
        "{output}  失败，第 {attempt} 次尝试  {id}  {kind}  {device}/{channel}",
    ),
    "tap dead": (
        "{output}  DEAD  {id}  {kind}  {device}/{channel}",
        "{output}  已放弃  {id}  {kind}  {device}/{channel}",
    ),
    "tap dropped": (
        "{count} lines left out here: this terminal is too slow for them",
        "此处略去 {count} 行：终端读取太慢",
    ),
    "tap ended": ("The daemon was stopped.", "守护进程已停止。"),
    # --- init
    "configuration written": (
        "{file} and {schema} are written. Fill in what is yours, then:",
        "已生成 {file} 和 {schema}。请填写您自己的内容，然后：",
    ),
    # --- run, demo
    "title console": ("console", "管理页面"),
    "banner": (
        "boxbridge {version}   {config}   site {site}   data {data}",
        "boxbridge {version}   {config}   站点 {site}   数据目录 {data}",
    ),
    "type into box": ("<- type this into the box   (or {url})", "<- 请填入设备   （或 {url}）"),
    "ready": (
        "ready in {seconds:.1f} s, waiting for the first push",
        "已就绪，用时 {seconds:.1f} 秒，等待首次推送",
    ),
    "demo begins": (
        "A simulated box pushes a picture every {seconds:g} s; Ctrl-C stops it. On MQTT:",
        "模拟设备每 {seconds:g} 秒推送一张图片，按 Ctrl-C 停止。MQTT 上的消息：",
    ),
    "demo picture": ("a JPEG, {kilobytes:.0f} kB", "JPEG 图片，{kilobytes:.0f} kB"),
    "demo ended": (
        "Stopped. What came in is in {folder}: data/archive has the pictures, boxbridge.toml the configuration.",
        "已停止。收到的内容在 {folder} 中：图片在 data/archive，配置为 boxbridge.toml。",
    ),
    # --- run --output
    "alone open": ("{name} is open  {found}", "{name} 已打开  {found}"),
    "alone delivered": ("delivered", "已送达"),
    "alone unavailable": ("NOT TAKEN: the output would wait and try again", "未接收：输出会等待后重试"),
    "alone retry": ("NOT TAKEN: it would be tried again", "未接收：该事件会重试"),
    "alone rejected": ("NOT TAKEN: it would be a dead letter", "未接收：该事件会成为死信"),
    "alone stopped": ("NOT TAKEN: the output would be paused", "未接收：输出会暂停"),
    "alone not closed": ("it failed to close: {reason}", "关闭失败：{reason}"),
    # --- status
    "daemon": (
        "boxbridge {version}   {config}   site {site}   up {span}",
        "boxbridge {version}   {config}   站点 {site}   已运行 {span}",
    ),
    "listening": ("listening on {address}", "监听 {address}"),
    "last push": ("{device}   last push {ago}", "{device}   最近推送：{ago}"),
    "push stored": ("{count} stored", "已保存 {count}"),
    "push duplicate": ("{count} duplicate", "重复 {count}"),
    "push heartbeat": ("{count} heartbeats", "心跳 {count}"),
    "push unknown": ("{count} unknown", "未知 {count}"),
    "push refused": ("{count} refused", "被拒绝 {count}"),
    "push not stored": ("{count} not stored", "未能保存 {count}"),
    "no pushes": ("none yet", "尚无"),
    "refused so often": ("{peer}   {count} times: {reason}", "{peer}   {count} 次：{reason}"),
    "odd field": ("{device}   {field}, {count} times", "{device}   {field}，{count} 次"),
    "journal full": ("{share:.0f} % full", "已占用 {share:.0f} %"),
    "held by": ("{full}, held by {holder}", "{full}，占用者：{holder}"),
    "holder": ("{name}, {events:,} events", "{name}，{events:,} 个事件"),
    "removed holder": (
        "{name} (removed {removed}), {events:,} events: boxbridge outputs forget {name}",
        "{name}（{removed} 移出配置），{events:,} 个事件：boxbridge outputs forget {name}",
    ),
    "taken": ("{taken} of {limit} in {segments}", "{taken}，上限 {limit}，{segments}"),
    "1 segment": ("1 segment", "1 段"),
    "segments": ("{count} segments", "{count} 段"),
    "room hours": ("{hours:,.0f} h of room at the last day's rate", "按最近一天的写入速度还可用 {hours:,.0f} 小时"),
    "room years": ("room for more than a year at the last day's rate", "按最近一天的写入速度还可用一年以上"),
    "missed": (
        "{name} missed {count:,} events, the last on {when}: {reason}",
        "{name} 错过 {count:,} 个事件，最近一次在 {when}：{reason}",
    ),
    "journal closed": ("TAKES NOTHING: {reason}", "停止写入：{reason}"),
    "journal keeps": (
        "keeps {count} events for {name}, which is no longer configured",
        "为 {name} 保留 {count} 个事件，该输出已不在配置中",
    ),
    # --- An output, in status and outputs
    "is open": ("ok", "正常"),
    "is opening": ("opening", "正在打开"),
    "is waiting": ("waiting", "不可用"),
    "is paused": ("PAUSED", "已暂停"),
    "is stopped": ("stopped", "已停止"),
    "is held": ("PAUSED by a person", "已人工暂停"),
    "is off": ("off (enabled = false)", "已关闭（enabled = false）"),
    "is gone": ("no longer configured", "已不在配置中"),
    "since": ("{state} since {span}", "{state}，持续 {span}"),
    "because": ("{state}: {reason}", "{state}：{reason}"),
    "again in": ("{state}, again in {seconds:.0f} s", "{state}，{seconds:.0f} 秒后重试"),
    "count delivered": ("{count} delivered", "已投递 {count}"),
    "count waiting": ("{count} waiting", "等待 {count}"),
    "count dead": ("{count} DEAD", "死信 {count}"),
    "and": (", ", "，"),
    "tried": (
        "output {output} took the test event {event} in {milliseconds:.0f} ms",
        "输出 {output} 已接收测试事件 {event}，用时 {milliseconds:.0f} 毫秒",
    ),
    # --- reload
    "reloaded": ("{config} is in force", "{config} 已生效"),
    "after restart": ("but a new {key} is taken over by a restart only", "但 {key} 的新值重启后才生效"),
    "dropped output": (
        "but it has no output {name} any more: it is stopped, its backlog is kept",
        "但配置中已没有输出 {name}：该输出已停止，等待中的事件按其 backlog 保留",
    ),
    # --- events
    "no events": ("there are no such events", "没有符合条件的事件"),
    "more events": ("There are more: see --limit.", "还有更多事件：见 --limit。"),
    # --- dead
    "more dead": ("{total} in all: see --limit.", "共 {total} 条：见 --limit。"),
    "dead retried": ("{output}: {count} to be delivered again", "{output}：{count} 个事件将重新投递"),
    "dead dropped": ("{output}: {count} dropped", "{output}：已丢弃 {count} 条死信"),
    "no dead": ("there are no dead letters", "没有死信"),
    # --- devices
    "no devices": ("no device pushed yet", "尚无设备推送"),
    "none late": ("no device is late", "没有超时未推送的设备"),
    "device online": ("{id}   online, last push {ago}", "{id}   在线，最近推送：{ago}"),
    "device late": ("{id}   LATE, last push {ago}", "{id}   超时未推送，最近推送：{ago}"),
    "device new": ("{id}   new, last push {ago}", "{id}   新设备，最近推送：{ago}"),
    "device name": ("name {name}", "名称 {name}"),
    "device serial": ("serial {serial}", "序列号 {serial}"),
    "device peer": ("from {peer}", "来自 {peer}"),
    "device rhythm": (
        "{pushes:,} pushes, usually every {rhythm}, late after {within} of silence",
        "推送 {pushes:,} 次，通常间隔 {rhythm}，静默 {within}后视为超时",
    ),
    "device pushes": ("{pushes:,} pushes", "推送 {pushes:,} 次"),
    "clock ahead": ("its clock is {span} ahead", "时钟快 {span}"),
    "clock behind": ("its clock is {span} behind", "时钟慢 {span}"),
    "skill version": ("{skill} {version}", "{skill} {version}"),
    "device odd": ("odd field {field}, {count:,} times", "异常字段 {field}，{count:,} 次"),
    "device forgotten": ("{id} is forgotten", "已移除 {id}"),
    # --- unknown
    "no unknown": ("there is nothing that was not understood", "没有无法识别的推送"),
    "unknown push": ("push {number}, which nothing understood", "推送 {number}，无法识别"),
    "push size": ("{bytes:,} bytes", "{bytes:,} 字节"),
    "characters": ("({count:,} characters)", "（{count:,} 个字符）"),
    "goes on": ("… it goes on: boxbridge unknown save {number}", "……以下省略：boxbridge unknown save {number}"),
    "understood": ("{number}   from {peer}: understood now: {answer}", "{number}   来自 {peer}：已识别：{answer}"),
    "not understood": (
        "{number}   from {peer}: still not understood: {answer}",
        "{number}   来自 {peer}：仍无法识别：{answer}",
    ),
    # --- password
    "new password": ("Password for the console", "管理页面密码"),
    "same password": ("The same again", "再次输入"),
    "password goes": ("Put this line into [control] of the configuration.", "请将此行加入配置的 [control]。"),
    # --- map
    "mapped to": ("The event that comes out of it:", "由此得到的事件："),
    # --- replay
    "replay stands": (
        "{number}   to {output}, {opened} delivered again, {left} to look at, {rate:g} a second",
        "{number}   输出 {output}，已重新投递 {opened}，待检查 {left}，每秒 {rate:g}",
    ),
    "replay cancelled": ("cancelled: {replay}", "已取消：{replay}"),
    "replay events": ("{events} events, in {span} at least", "{events} 个事件，至少需 {span}"),
    "replay waiting": (
        "{events} events, {waiting} of them waiting for it anyway, in {span} at least",
        "{events} 个事件（其中 {waiting} 个本已在等待），至少需 {span}",
    ),
    "replay would": ("{output} would get {what}", "{output} 将收到 {what}"),
    "replay begun": (
        "{output} gets {what}; to stop it: boxbridge replay --cancel {number}",
        "{output} 将收到 {what}；取消：boxbridge replay --cancel {number}",
    ),
    "no replay": ("no replay is under way", "没有进行中的重放"),
    "replay nothing": ("there are no such events", "没有符合条件的事件"),
    # --- check
    "right": ("{file} is right.", "{file} 正确。"),
    "how long kept": (
        "quota {quota}, settled events {keep}, history {history}, dead letters {keep_dead}",
        "配额 {quota}，已处理事件 {keep}，历史 {history}，死信 {keep_dead}",
    ),
    "socket only": ("unix socket only", "仅 unix socket"),
    "only kept": ("none: events are only kept", "无：事件只保存"),
    "output of type": ("{name} ({type})", "{name} ({type})"),
    "output paused": ("{name} ({type}, paused)", "{name}（{type}，已暂停）"),
    "title annotated": ("annotated", "标注图片"),
    "font found": ("Chinese by {font}", "中文字体 {font}"),
    "font missing": (
        "no font with Chinese here, names become ids: install fonts-wqy-microhei, or put a font file into {folder}",
        "本机没有中文字体，名称将以编号代替：请安装 fonts-wqy-microhei，或把字体文件放入 {folder}",
    ),
    "called": ("{serial} is {name}", "{serial} 即 {name}"),
    "examples read": (
        "  [protocol.{name}]: captured bodies read: {count}",
        "  [protocol.{name}]：已读取 {count} 个样本",
    ),
    "well": ("ok, {found}", "正常，{found}"),
}
