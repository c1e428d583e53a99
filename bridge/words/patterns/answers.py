"""What a daemon answers, says when it can't start, and gives as reasons, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ANSWERS: Final[Mapping[str, str]] = {
    # --- The daemon and the journal
    "no daemon answers at {socket} ({error}): is it running, with this configuration, and may you reach it?": (
        "{socket} 处没有守护进程应答（{error}）：它是否在运行、是否使用此配置、您是否有权访问？"
    ),
    "the journal takes nothing now: {reason}": "事件日志已停止写入：{reason}",
    "the index can't be asked now: {reason}": "索引暂时无法查询：{reason}",
    "{folder} is in use by process {owner}: stop it first, or set another `data`": (
        "{folder} 正被进程 {owner} 使用：请先停止该进程，或另设 `data`"
    ),
    "can't listen on {address}: {error}; {REMEDY}": "无法监听 {address}：{error}；{REMEDY}",
    "another program has port {port}: stop it, or set another `listen`": (
        "端口 {port} 已被其他程序占用：请停止该程序，或另设 `listen`"
    ),
    "ports below 1024 need a right of their own: set a higher port in `listen`": (
        "1024 以下的端口需要专门的权限：请在 `listen` 中改用更高的端口"
    ),
    "set `listen` to an address of this host, or 0.0.0.0": "请把 `listen` 设为本机地址或 0.0.0.0",
    "check who owns the folder, and how it is mounted": "请检查目录的属主和挂载方式",
    "the daemon answered HTTP {n}: {text}": "守护进程应答 HTTP {n}：{text}",
    "the reload failed: {class}: {error}. The old configuration stays in force.": (
        "重新加载失败：{class}: {error}。旧配置继续生效。"
    ),
    "systemd hands over something else than one TCP socket that listens: make the socket unit again with {command}": (
        "systemd 传入的不是单个监听中的 TCP socket：请用 {command} 重新生成 socket 单元"
    ),
    'a socket unit needs an address in server.listen, and "{host}" is a name': (
        'socket 单元需要 server.listen 中写 IP 地址，而 "{host}" 是名称'
    ),
    # --- init and demo
    "{file} is there already; another name with -o, or --force overwrites it.": (
        "{file} 已存在：请用 -o 指定其他名称，或用 --force 覆盖。"
    ),
    "the demo needs an embedded MQTT broker: {command}": "演示需要内嵌的 MQTT broker：{command}",
    "the embedded broker did not start; see {file}": "内嵌的 broker 未能启动；见 {file}",
    "{file} can't be written: {error}.": "{file} 无法写入：{error}",
    "{folder}: {error}; go to a folder that you may write to": "{folder}：{error}；请换到有写权限的目录",
    # --- Why an event is not out
    "its record in the journal is damaged or missing": "事件日志中的记录已损坏或缺失",
    "its record can't be read: {error}": "无法读取其记录：{error}",
    "tried for {span}: {WHY}": "重试已满 {span}：{WHY}",
    "tried for {span}: {reason}": "重试已满 {span}：{reason}",
    "the far side fell each time it was given this event: {WHY}": "每次投递此事件，对方都随即断开：{WHY}",
    "the far side fell each time it was given this event: {reason}": "每次投递此事件，对方都随即断开：{reason}",
    "no answer within {span}": "{span} 内无应答",
    "a gap in the journal": "事件日志中有缺失",
    "no longer kept": "已不再保留",
    "boxbridge is stopping": "boxbridge 正在停止",
    "the index can't be written": "无法写入索引",
    "the journal is full, {amount} of {most}": "事件日志已满：{amount}，上限 {most}",
    "the journal is full, {amount} of {most}, held by {name}, {n} events": (
        "事件日志已满：{amount}，上限 {most}，占用者：{name}，{n} 个事件"
    ),
    # --- What a daemon refuses to show
    "{count} are watching already: end one of them first": "已有 {count} 个终端在查看：请先结束其中一个",
    "this link is not good any more: ask for another one": "该链接已失效：请重新获取",
    # --- Outputs, as people handle them
    "output {name} is paused; its events wait until: {command}": "输出 {name} 已暂停；事件等待中，恢复：{command}",
    "output {name} goes on; {n} waiting for it": "输出 {name} 已恢复；{n} 个事件等待中",
    "output {old} is called {new} now, and goes on where {old_} stood: {n} waiting, {dead} dead": (
        "输出 {old} 已改名为 {new}，从原位置继续：等待 {n}，死信 {dead}"
    ),
    "what it keeps at its far side stays there: {reason}": "它留在对方的内容未能清除：{reason}",
    "what it may keep at its far side stays there: it was not configured since boxbridge was started": (
        "它可能留在对方的内容未清除：本次启动以来该输出未在配置中"
    ),
    "{n} retained messages were taken from the broker": "已从 broker 清除 {n} 条保留消息",
    "output {name} is forgotten, with {n} that waited and {dead} dead": (
        "输出 {name} 已移除，连同 {n} 个等待中的事件和 {dead} 条死信"
    ),
    "output {name} is off in the configuration: remove enabled = false there, then reload": (
        "输出 {name} 在配置中已关闭：请删除 enabled = false，再重新加载"
    ),
    "output {name} is no longer configured: it can be renamed or forgotten": (
        "输出 {name} 已不在配置中：可改名（rename）或移除（forget）"
    ),
    "output {name} is configured: change its table in {file} first, then reload": (
        "输出 {name} 仍在配置中：请先修改 {file} 中的对应表，再重新加载"
    ),
    "{name} is the name of another output that is no longer configured: forget that one first": (
        "{name} 是另一个已不在配置中的输出的名称：请先移除（forget）该输出"
    ),
    'there is no output "{name}": there are {names}': '没有输出 "{name}"：现有 {names}',
    "its {field} is not among those of `only`": "其 {field} 不在 `only` 之列",
    "it was older than `max_age` ({age}) when its turn came": "轮到它时已超过 `max_age`（{age}）",
    "`at_most` ({n} in {per}) had passed before it": "在它之前已达到 `at_most`（{per} 内 {n} 个）",
    "more than its backlog of {backlog} waited": "等待的事件超过其 backlog（{backlog}）",
    "output {name} does not run now, so nothing was sent: {command} says why": (
        "输出 {name} 当前未运行，未发送任何内容；原因见：{command}"
    ),
    "output {name} is not open now, so nothing was sent: {WHY}": "输出 {name} 当前不可用，未发送任何内容：{WHY}",
    "output {name} is not open now, so nothing was sent: {reason}": "输出 {name} 当前不可用，未发送任何内容：{reason}",
    "output {name} did not take the test event {event}: {WHY}": "输出 {name} 未接收测试事件 {event}：{WHY}",
    "output {name} did not take the test event {event}: {reason}": "输出 {name} 未接收测试事件 {event}：{reason}",
    # --- Events and dead letters
    'no event "{event}": give its id, at least {n} characters of its beginning, its msg_id, or the file name or '
    "SHA-256 of its picture": (
        '没有事件 "{event}"：请给出其 id、id 开头的至少 {n} 个字符、msg_id，或图片的文件名或 SHA-256'
    ),
    "more than one event is meant by {what}: give the whole id, such as {id}": (
        "{what} 对应多个事件：请给出完整 id，例如 {id}"
    ),
    "the record of event {event} can't be read now: {error}": "事件 {event} 的记录暂时无法读取：{error}",
    "the record of event {event} is damaged on disk": "事件 {event} 的记录在磁盘上已损坏",
    "the record of event {event} holds no event": "事件 {event} 的记录中没有事件",
    'there is no state "{state}": give one of {states}': '没有状态 "{state}"：可用 {states}',
    '"{text}" is no time: give one such as {examples}, or how long ago: {spans}': (
        '"{text}" 不是时间：可写 {examples}，或多久之前：{spans}'
    ),
    "nothing was ever received of a device {device}; devices that pushed: {names}": (
        "从未收到设备 {device} 的推送；推送过的设备：{names}"
    ),
    "there is no push {number} that was not understood: {command}": "没有编号为 {number} 的无法识别的推送：{command}",
    "no device {id} is known; there are: {devices}": "没有设备 {id}；现有：{devices}",
    "{event} is no dead letter; its story: {command}": "{event} 不是死信；其过程：{command}",
    "{event} is no dead letter of output {output}; its story: {command}": (
        "{event} 不是输出 {output} 的死信；其过程：{command}"
    ),
    "{event} is no dead letter of output {output}: {command}": "{event} 不是输出 {output} 的死信：{command}",
    "{event} is no dead letter: {command}": "{event} 不是死信：{command}",
    "say which dead letters: ids, or --all": "请指明死信：事件 id，或 --all",
    "say which output and since when: --output NAME --since TIME": "请指明输出和起始时间：--output NAME --since TIME",
    "say which pushes: numbers, or --all": "请指明推送：编号，或 --all",
    "--original and --picture are two different things: choose one": "--original 和 --picture 只能选其一",
    "a picture is no text: give a file with -o, or redirect the output": "图片不是文本：请用 -o 指定文件，或重定向输出",
    "there is no [protocol.{name}] in the configuration": "配置中没有 [protocol.{name}]",
    "say which event: its id, its msg_id, or a picture's file name; or --device ID --at TIME": (
        "请指明事件：其 id、msg_id 或图片文件名；或用 --device ID --at TIME"
    ),
    "there is no replay {number} under way": "没有进行中的重放 {number}",
    "the rate must be a number of events a second, above 0 and up to 1000": "rate 须为每秒事件数，大于 0 且不超过 1000",
    # --- What pages and the API refuse
    "it is done, but lost in a crash until the journal can be written again: {reason}": (
        "已执行，但在事件日志恢复可写之前，一旦崩溃即会丢失：{reason}"
    ),
    "the body has more than {count} bytes": "请求内容超过 {count} 字节",
    "the body is not what it should be: it holds no event": "请求内容不符合要求：其中没有事件",
    "the body is not what it should be: {error}": "请求内容不符合要求：{error}",
    "event {id} has no picture {number}; its pictures, counted from 0: {count}": (
        "事件 {id} 没有图片 {number}；共有 {count} 张图片，从 0 起编号"
    ),
    "event {id} has no {part}; its pictures, counted from 0: {count}": (
        "事件 {id} 没有 {part}；共有 {count} 张图片，从 0 起编号"
    ),
    "event {id} has no picture {number}": "事件 {id} 没有第 {number} 张图片",
    "event {id} is no longer kept": "事件 {id} 已不再保留",
    "the record of event {id} holds a document that can't be understood: {error}": (
        "事件 {id} 的记录中的文档无法解读：{error}"
    ),
    "say which event; or which device and around which time": "请指明事件，或设备和大致时间",
    "an output can't be asked to {action}: pause, resume, rename or forget it": (
        "输出不支持 {action}：可用 pause, resume, rename, forget"
    ),
    "say what it is to be called": "请指明新名称",
    "the journal can't be read now: {error}": "暂时无法读取事件日志：{error}",
    "the links are revoked, but only until a restart: {error}": "链接已撤销，但仅到下次重启为止：{error}",
    "`after` is not what the part of the list before said": "`after` 不是列表前一部分给出的值",
    "say which dead letters: events, or all": "请指明死信：events 或 all",
    "the limit must be a number; 0 for all": "limit 须为数字；0 表示全部",
    "the limit must be a number from 1 to {number}": "limit 须为 1 到 {number} 的数字",
    "say which output is to deliver again": "请指明要重新投递的输出",
    "say since when": "请指明起始时间",
    "say which pushes: numbers, or all": "请指明推送：numbers 或 all",
    "what was not understood can't be read: {error}": "无法读取未识别的推送：{error}",
    "push {number} can't be read: {error}": "无法读取推送 {number}：{error}",
    '"{what}" can\'t be watched: pushes, events and deliveries can': (
        '"{what}" 不能监视：可用 pushes, events, deliveries'
    ),
    '"{text}" is no number of seconds': '"{text}" 不是秒数',
    # --- Plugins
    '"{name}" is no name for a plugin: up to {n} of a-z, 0-9 and -, as in {example}': (
        '"{name}" 不能用作插件名：最多 {n} 个字符，只能含 a-z、0-9 和 -，例如 {example}'
    ),
    'there is a plugin that brings "{name}" already: give it another name': '已有插件提供 "{name}"：请换一个名称',
    "{folder} is there already: move it away, or give the plugin another name": (
        "{folder} 已存在：请移走，或为插件换一个名称"
    ),
    "{folder} is a folder: make a wheel of it first, with {command}": "{folder} 是目录：请先制成 wheel：{command}",
    'no plugin is installed as "{name}": there are {names}': '没有名为 "{name}" 的已安装插件：现有 {names}',
    "output {name} is of type {type}, which {package} brings: remove its table first": (
        "输出 {name} 的类型 {type} 由 {package} 提供：请先删除该输出的表"
    ),
    "there is no pip in {folder}: {command} brings it": "{folder} 中没有 pip：{command} 可安装",
    "pip {action} failed, see above; nothing was changed": "pip {action} 失败，见上文；未作任何改动",
    '"{package}" is neither a package\'s name nor a wheel': '"{package}" 既不是包名，也不是 wheel 文件',
    "pip installed {name} under another name: {command} shows what it brings": (
        "pip 以另一个名称安装了 {name}：{command} 可查看它提供的内容"
    ),
    "{name} is installed, and brings no plugin: it has no entry point in the group {group}": (
        "已安装 {name}，但它不提供插件：它在 {group} 组中没有入口点"
    ),
    "{name} is installed, and can't be loaded; {command} takes it away. {BROKEN}": (
        "已安装 {name}，但无法加载；{command} 可卸载。{BROKEN}"
    ),
}
