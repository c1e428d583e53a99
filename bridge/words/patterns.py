"""Chinese for what was said in English elsewhere: what is wrong with a configuration, what a daemon did or refused.

The English sentence stands where it is raised, and only there; here it is known by its pattern. `{name}` is a fact and
goes over as it is. `{NAME}` is a part that has a pattern of its own: where it has none, the whole one does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from bridge.words.refusals import REFUSALS

_SLOT = re.compile(r"{(\w+)}")
_KEY: Final = r'(?:[\w-]+|"(?:[^"\\]|\\.)*")'
_SHAPES: Final = {
    "gap": " {2,}",
    "count": r"\d+",
    "role": r"\w+",
    "amount": r"[\d.,]+ \w?B",
    "most": r"[\d.,]+ \w?B",
    "variable": r"\${[^}]*}",
    "version": r"[\d.]+",
    "first": r"\d+",
    "last": r"\d+",
    "class": r"\w+",
    "choice": '[^"]+',
    "value": r'"(?:[^"\\]|\\.)*"|[^"]+?',
    "key": rf"{_KEY}(?:\.{_KEY}|\[\d+\])*",
}
"""What some facts look like; any other is as short as it can be, and a part as long as it can be."""


_DEEPEST: Final = 12
"""So many parts may stand in each other: more than any sentence has, and a bound for what somebody makes up."""


@cache
def chinese(english: str, deep: int = 0) -> str | None:
    """A line in Chinese; None where no pattern fits."""
    return next((told for pattern in PATTERNS if (told := _fitted(pattern, english, deep)) is not None), None)


def _fitted(pattern: str, english: str, deep: int) -> str | None:
    match = _expression(pattern).fullmatch(english)
    if match is None or deep == _DEEPEST:
        return None
    parts = match.groupdict().items()
    said = {name: chinese(part, deep + 1) if name.isupper() else part for name, part in parts}
    return None if None in said.values() else _SLOT.sub(lambda slot: str(said[slot[1]]), PATTERNS[pattern])


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    def group(name: str) -> str:
        return f"(?P<{name}>{_SHAPES.get(name) or ('.+' if name.isupper() else '.*?')})"

    return re.compile("".join(group(it) if slot % 2 else re.escape(it) for slot, it in enumerate(_SLOT.split(pattern))))


PATTERNS: Final[Mapping[str, str]] = {
    # --- A configuration's faults, line by line, and what follows from them
    "1 error. {SO}": "1 个错误。{SO}",
    "{count} errors. {SO}": "{count} 个错误。{SO}",
    "Nothing was started.": "未启动任何服务。",
    "The old configuration stays in force.": "旧配置继续生效。",
    "the reload failed: {error}. The old configuration stays in force.": "重新加载失败：{error}。旧配置继续生效。",
    "{place}{gap}{FAULT}": "{place}{gap}{FAULT}",
    "{key}: {FAULT}": "{key}：{FAULT}",
    "There is no configuration ({places}). Make one: {command}": "没有找到配置（{places}）。生成配置：{command}",
    "There is no {file}. Make one: {command}": "没有文件 {file}。生成配置：{command}",
    "{n} of {all} outputs can't be reached.": "{all} 个输出中有 {n} 个无法连接。",
    # --- What a daemon refuses to show
    "{count} are watching already: end one of them first": "已有 {count} 个终端在查看：请先结束其中一个",
    # --- Files
    "this is not UTF-8 text": "不是 UTF-8 文本",
    "holds a NUL character, which no path, name or text may have": "含有 NUL 字符：路径、名称和文本中都不允许",
    "not TOML: {error}": "不是有效的 TOML：{error}",
    "can't be read: {error}": "无法读取：{error}",
    "can't read {file}: {error}": "无法读取 {file}：{error}",
    "{file} is not UTF-8 text": "{file} 不是 UTF-8 文本",
    "{file} is empty": "{file} 是空文件",
    "{file} is no folder: move it away, or set another `data`": "{file} 不是目录：请移走，或另设 `data`",
    "there is no folder {folder}": "没有目录 {folder}",
    "there is no file {file}": "没有文件 {file}",
    "{file} is a folder, not a file": "{file} 是目录，不是文件",
    "{path} begins with ~, another folder for each user: write it in full": (
        "{path} 以 ~ 开头，对每个用户指向不同目录：请写完整路径"
    ),
    "there is nothing in it: every output would be dropped": "文件是空的：所有输出都会被移除",
    "the socket's path {path} is longer than {n} bytes: set a shorter `data`": (
        "socket 路径 {path} 超过 {n} 字节：请缩短 `data`"
    ),
    # --- Outputs and devices
    "line {count} of the template: {FAULT}": "模板第 {count} 行：{FAULT}",
    "line {count} of the template: {error}": "模板第 {count} 行：{error}",
    "{FAULT} (there are: {known}). {broken}": "{FAULT}（可用：{known}）。{broken}",
    "{FAULT} (there are: {known})": "{FAULT}（可用：{known}）",
    "{FAULT}, did you mean {near}?": "{FAULT}，是否应为 {near}？",
    'no output type "{type}"': '没有输出类型 "{type}"',
    "an output's name is made of A-Z, a-z, 0-9, _ and -": "输出名只能由 A-Z、a-z、0-9、_ 和 - 组成",
    'the options of output type "{type}" can\'t be understood: {error}': '无法识别输出类型 "{type}" 的选项：{error}',
    'output type "{type}" has an option "{name}", which every output has': (
        '输出类型 "{type}" 的选项 "{name}" 与所有输出共有的键重名'
    ),
    "output {name} has {held} already: each needs its own": "输出 {name} 已占用 {held}：每个输出须使用各自的",
    "boxbridge has {held} already: each needs its own": "boxbridge 已占用 {held}：每个输出须使用各自的",
    "output {name} has {held} already: {path} may not lie in it, nor around it": (
        "输出 {name} 已占用 {held}：{path} 不能位于其中，也不能包含它"
    ),
    "boxbridge has {held} already: {path} may not lie in it, nor around it": (
        "boxbridge 已占用 {held}：{path} 不能位于其中，也不能包含它"
    ),
    "what it holds can't be said: {error}": "无法得知该输出占用什么：{error}",
    '"{name}" is the name of channel {channel} already': '"{name}" 已是通道 {channel} 的名称',
    '"{id}" is the name of device {device} already': '"{id}" 已是设备 {device} 的名称',
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
    "{name} is installed, and can't be loaded; {command} takes it away. {reason}": (
        "已安装 {name}，但无法加载；{command} 可卸载。{reason}"
    ),
    # --- Protocols
    "how are its pushes known? Set `paths`, `when`, or both": "如何识别其推送？请设置 `paths`、`when` 或两者",
    '"{path}" must begin with /': '"{path}" 必须以 / 开头',
    '"{place}" is no place in a body, such as "alarm.camera.id"': '"{place}" 不是报文中的位置，例如 "alarm.camera.id"',
    '"{format}" is none of {numbers} and no pattern': '"{format}" 不是 {numbers} 之一，也不是时间模式',
    '"{place}" is neither "sender" nor a network, such as {example}': (
        '"{place}" 既不是 "sender" 也不是网段，例如 {example}'
    ),
    "a box needs width and height, or right and bottom": "方框需要 width 和 height，或 right 和 bottom",
    "names nothing: give {keys}, or leave it out": "未指定任何内容：请给出 {keys}，或整个删除",
    'is empty, so that nothing would pass: name what should, or "*" for all': (
        '为空，任何事件都无法通过：请写明名称，或用 "*" 表示全部'
    ),
    "needs Pillow: {command}": "需要安装 Pillow：{command}",
    "needs picture = {values}": "需要 picture = {values}",
    # --- Addresses
    "[server] listens on port {port} already: set another one": "端口 {port} 已由 [server] 使用：请换一个",
    '"{host}" is not a loopback address, so it needs what `boxbridge password` makes': (
        '"{host}" 不是环回地址，必须设置 password：可用 `boxbridge password` 生成'
    ),
    '"{text}" is not an address such as "https://bridge.example"': '"{text}" 不是地址，例如 "https://bridge.example"',
    '"url" needs address in [control], where people reach the pages from outside': (
        '"url" 需要 [control] 中的 address，即外部访问页面的地址'
    ),
    "this link is not good any more: ask for another one": "该链接已失效：请重新获取",
    "is not what `boxbridge password` makes: scrypt:...": "不是 `boxbridge password` 生成的值：scrypt:...",
    "a password needs {count} characters at least: this one guards all that devices saw": (
        "密码至少需要 {count} 个字符：它保护设备采集的全部内容"
    ),
    "port {port} is not between {low} and {high}": "端口 {port} 不在 {low} 到 {high} 之间",
    "{value} is not between {low} and {high}": "{value} 不在 {low} 到 {high} 之间",
    '{value} is no network, such as "192.168.0.0/16"': '{value} 不是网段，例如 "192.168.0.0/16"',
    "a token has 8 characters or more of A-Z, a-z, 0-9, - . _ ~": "令牌至少 8 个字符，只能用 A-Z、a-z、0-9 和 - . _ ~",
    "{file} is no certificate with its private key, both as PEM and without password ({error})": (
        "{file} 不是带私钥的证书；两者须为 PEM 格式且不设密码（{error}）"
    ),
    # --- Keys and values
    'unknown key "{name}"': '未知的键 "{name}"',
    'key "{name}" is missing, such as {example}': '缺少键 "{name}"，例如 {example}',
    'key "{name}" is missing': '缺少键 "{name}"',
    "{variable} is not set": "环境变量 {variable} 未设置",
    "its checks failed: {error}": "插件的检查出错：{error}",
    '"{text}" is no time zone': '"{text}" 不是时区',
    '"{text}" is not a number with a unit ({units}), such as {example}': (
        '"{text}" 不是带单位（{units}）的数字，例如 {example}'
    ),
    "a table is not {WANTED}": "不能是表：应为{WANTED}",
    "a list is not {WANTED}": "不能是列表：应为{WANTED}",
    "this is not {WANTED}": "此值无效：应为{WANTED}",
    "{value} is not {WANTED}": "{value} 无效：应为{WANTED}",
    # --- What a value should be
    "{WANTED} or {OTHERWISE}": "{WANTED}或{OTHERWISE}",
    "an address and port, such as {example}": "地址和端口，例如 {example}",
    "a table; outputs are tables [output.NAME]": "表；每个输出是一个表 [output.NAME]",
    "a table; an output has a name of its own: [output.NAME]": "表；每个输出须有自己的名称：[output.NAME]",
    "a secret: {example}": "密钥：{example}",
    "{WANTED}, such as {example}": "{WANTED}，例如 {example}",
    "{WANTED} such as {example}": "{WANTED}，例如 {example}",
    "{WANTED} between {low} and {high}": "介于 {low} 和 {high} 之间的{WANTED}",
    "{WANTED} of at least {low}": "不小于 {low} 的{WANTED}",
    "{WANTED} above {low}": "大于 {low} 的{WANTED}",
    "{WANTED} of at most {high}": "不大于 {high} 的{WANTED}",
    "{WANTED} below {high}": "小于 {high} 的{WANTED}",
    "{WANTED} that is a multiple of {step}": "是 {step} 倍数的{WANTED}",
    "{WANTED} of length {n} or more": "长度至少为 {n} 的{WANTED}",
    "{WANTED} of length {n} or less": "长度至多为 {n} 的{WANTED}",
    "{WANTED} that matches {pattern}": "匹配 {pattern} 的{WANTED}",
    "one of {choices}": "下列之一：{choices}",
    '"{choice}"': '"{choice}"',
    "a duration": "时长",
    "a size": "大小",
    "a rate": "频率",
    "a share": "占比",
    "a path": "路径",
    "a time zone": "时区",
    "true or false": "布尔值（true 或 false）",
    "a whole number": "整数",
    "a number": "数字",
    "text": "文本",
    "a list": "列表",
    "a table": "表",
    "a {class}": "{class}",
    # --- The built-in outputs' own options
    '"{base}" is no beginning of a topic; {example} would be': '"{base}" 不能作为主题前缀；例如 {example}',
    "needs {key} beside it": "须同时设置 {key}",
    '"{name}" is no name in this topic': '"{name}" 不是此主题可用的名称',
    "needs {name} in it, or old news would come where people act on it": (
        "须包含 {name}，否则旧事件会出现在实时动作所用的主题上"
    ),
    "needs {name} in it, or all would share one topic": "须包含 {name}，否则所有设备共用一个主题",
    '"{template}" is no topic; {example} would be one': '"{template}" 不是主题；例如 {example}',
    '"{template}" is no topic: {error}': '"{template}" 不是主题：{error}',
    '"{name}" is no name in a layout': '"{name}" 不是 layout 可用的名称',
    "has to begin with {date}/, since whole days are sealed and removed": "须以 {date}/ 开头：封存和清理都按整天进行",
    "needs {id} in its last part, or events would share their files": "最后一段须包含 {id}，否则不同事件会共用文件",
    '"{template}" is no layout that every system takes; {example} would be one': (
        '"{template}" 不是所有系统都接受的 layout；例如 {example}'
    ),
    '"{template}" makes names longer than file systems take; {example} does not': (
        '"{template}" 生成的名称超过文件系统的限制；例如 {example}'
    ),
    '"{template}" is no layout: {error}': '"{template}" 不是 layout：{error}',
    "is longer than session_expiry, at whose end the broker says offline anyway": (
        "长于 session_expiry：会话到期时 broker 即发布 offline"
    ),
    "needs one topic a channel, so topics may not hold {name}": "每个通道须只有一个主题，因此 topics 中不能含 {name}",
    '"reduce" needs Pillow: {command}': '"reduce" 需要 Pillow：{command}',
    "is for TLS, so url has to begin with mqtts://": "仅用于 TLS，url 须以 mqtts:// 开头",
    "is no address ({error}); {example} would be one": "不是地址（{error}）；例如 {example}",
    "has to be mqtt://host[:port] or mqtts://host[:port]": "须为 mqtt://host[:port] 或 mqtts://host[:port]",
    "user name and password belong in username and password": "用户名和密码须写在 username 和 password 中",
    "nothing may follow host and port": "主机和端口之后不能再有内容",
    "not a URL with a port between {low} and {high}": "不是端口在 {low} 到 {high} 之间的 URL",
    "not an http or https URL, such as {example}": "不是 http 或 https URL，例如 {example}",
    "holds a user name; put it into basic, or for a proxy into proxy_basic": (
        "含有用户名；请改用 basic，代理则用 proxy_basic"
    ),
    "{address} is a link-local address: nothing is ever sent there": "{address} 是链路本地地址：绝不会向其发送",
    "{address} is a cloud's metadata address: nothing is ever sent there": (
        "{address} 是云平台的元数据地址：绝不会向其发送"
    ),
    "names in braces may stand in its path and query, not in its host": (
        "花括号中的名称只能用于路径和查询部分，不能用于主机"
    ),
    "{name} is not known": "未知的 {name}",
    "sets Authorization, as {other} does: only one of them can": (
        "与 {other} 都会设置 Authorization：只能使用其中之一"
    ),
    "username holds a colon, which ends it": "username 含有冒号，而冒号表示用户名结束",
    "is empty or holds characters that no header may hold": "为空，或含有头部不允许的字符",
    'has to be "none" with format = "original", whose pictures are where they came': (
        'format = "original" 时须为 "none"：图片在原始报文中的原处'
    ),
    'goes with format = "template", and only with that': '只能与 format = "template" 同时设置',
    "gives no JSON where a name holds quotes, at: {text}; write {example} without quotes around it": (
        "名称含引号时得不到有效的 JSON，见：{text}；请写 {example}，外面不加引号"
    ),
    "the template fails: {error}": "模板出错：{error}",
    '"{name}" is not the name of a header': '"{name}" 不是合法的头部名称',
    '"{name}" is set by boxbridge itself': '"{name}" 由 boxbridge 自行设置',
    'the value of "{name}" is empty or holds characters that no header may hold': (
        '"{name}" 的值为空，或含有头部不允许的字符'
    ),
    "what follows whsec_ is not base64": "whsec_ 之后的内容不是 base64",
    "is empty": "不能为空",
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
    "check who owns the folder": "请检查目录的属主",
    "systemd hands over something else than one TCP socket that listens: make the socket unit again with {command}": (
        "systemd 传入的不是单个监听中的 TCP socket：请用 {command} 重新生成 socket 单元"
    ),
    'a socket unit needs an address in server.listen, and "{host}" is a name': (
        'socket 单元需要 server.listen 中写 IP 地址，而 "{host}" 是名称'
    ),
    # --- Why an event is not out
    "its record in the journal is damaged or missing": "事件日志中的记录已损坏或缺失",
    "its record can't be read: {error}": "无法读取其记录：{error}",
    "tried for {span}: {reason}": "重试已满 {span}：{reason}",
    "a gap in the journal": "事件日志中有缺失",
    "no longer kept": "已不再保留",
    "boxbridge is stopping": "boxbridge 正在停止",
    "the index can't be written": "无法写入索引",
    # --- Why the journal takes nothing
    "the journal is full, {amount} of {most}": "事件日志已满：{amount}，上限 {most}",
    "the journal is full, {amount} of {most}, held by {name}, {n} events": (
        "事件日志已满：{amount}，上限 {most}，占用者：{name}，{n} 个事件"
    ),
    # --- What an output found when it was opened
    "{folder}, {size} GB free": "{folder}，可用 {size} GB",
    "{url}, signed": "{url}，已签名",
    "{url}, not signed": "{url}，未签名",
    "{url} reachable in {n} ms": "{url} 可以连接，用时 {n} 毫秒",
    "proxy {CONNECTED}; whether {url} is, behind it, only an event will tell": (
        "代理 {CONNECTED}；代理之后的 {url} 能否连接，要到投递事件时才知道"
    ),
    "{FOUND}, packets up to {amount}": "{FOUND}，报文上限 {amount}",
    "{FOUND}, {count} messages under way at a time": "{FOUND}，最多 {count} 条消息同时在途",
    "{FOUND}, no retained messages": "{FOUND}，不支持保留消息",
    "MQTT {version} over TLS": "MQTT {version}（TLS）",
    "MQTT {version}": "MQTT {version}",
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
    "{target}: {error}; nothing was kept of it": "{target}：{error}；未保留任何内容",
    "event {first}": "事件 {first}",
    "event {first} ({ids})": "事件 {first}（{ids}）",
    "events {first} to {last}": "事件 {first} 至 {last}",
    "events {first} to {last} ({ids})": "事件 {first} 至 {last}（{ids}）",
    "{EVENTS} damaged (bytes {first} to {last}): what was not delivered before is lost": (
        "{EVENTS}已损坏（字节 {first} 至 {last}）：此前未投递的已丢失"
    ),
    "{EVENTS} not there, as when a file or a page is lost: what was not delivered before is lost": (
        "{EVENTS}不存在（例如丢失了文件或数据页）：此前未投递的已丢失"
    ),
    "{file}: {EVENTS} damaged or missing: passed over": "{file}：{EVENTS}已损坏或缺失：已略过",
    "{EVENTS} is": "{EVENTS}",
    "{EVENTS} are": "{EVENTS}",
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
    "it is a copy of {file}": "是 {file} 的副本",
    "it belongs to another journal": "属于另一个事件日志",
    "was set aside at an earlier start; delete it when you know what it was": "此前启动时已另存；确认用途后可删除",
    # --- The disk
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
    "output {name} is not open now, so nothing was sent: {reason}": "输出 {name} 当前不可用，未发送任何内容：{reason}",
    "output {name} did not take the test event {event}: {reason}": "输出 {name} 未接收测试事件 {event}：{reason}",
    # --- Events and dead letters
    "no event {event}: give its id, at least {n} characters of its beginning, its msg_id, or the file name or "
    "SHA-256 of its picture": (
        "没有事件 {event}：请给出其 id、id 开头的至少 {n} 个字符、msg_id，或图片的文件名或 SHA-256"
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
    "{event} is no dead letter of output {output}: {command}": "{event} 不是输出 {output} 的死信：{command}",
    "{event} is no dead letter: {command}": "{event} 不是死信：{command}",
    "say which dead letters: ids, or --all": "请指明死信：事件 id，或 --all",
    "say which output and since when: --output NAME --since TIME": "请指明输出和起始时间：--output NAME --since TIME",
    "say which event: its id, its msg_id, or a picture's file name; or --device ID --at TIME": (
        "请指明事件：其 id、msg_id 或图片文件名；或用 --device ID --at TIME"
    ),
    "there is no replay {number} under way": "没有进行中的重放 {number}",
    "the rate must be a number of events a second, above 0 and up to 1000": "rate 须为每秒事件数，大于 0 且不超过 1000",
    # --- What an output could not bring as it is
    "{role}: left out, {WHY}": "{role}：已省略，{WHY}",
    "{role}: reduced to {size}, {amount}": "{role}：已缩小为 {size}，{amount}",
    "{amount} is larger than the broker's packets of {most}": "{amount} 超过 broker 的报文上限 {most}",
    "{amount} is larger than the broker's packets of {most}, and can't be reduced to fit": (
        "{amount} 超过 broker 的报文上限 {most}，且无法缩小到该大小"
    ),
    **REFUSALS,
    "{ONE}; {OTHER}": "{ONE}；{OTHER}",
}
