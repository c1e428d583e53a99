"""What is wrong with a configuration, and what follows from it, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONFIGURATION: Final[Mapping[str, str]] = {
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
    # --- Files
    "this is not UTF-8 text": "不是 UTF-8 文本",
    "holds a NUL character, which no path, name or text may have": "含有 NUL 字符：路径、名称和文本中都不允许",
    "not TOML: {WHY}": "不是有效的 TOML：{WHY}",
    "not TOML: {error}": "不是有效的 TOML：{error}",
    "a text is not closed: the quote at its end is missing": "文本未结束：缺少末尾的引号",
    'this is no value: text stands in straight quotes, such as "text"': '不是值：文本须写在半角引号内，例如 "text"',
    "this key is there twice": "此键出现了两次",
    "something follows the value": "值后面还有多余内容",
    "= and a value are missing after the key": "键后缺少 = 和值",
    "] is missing at the end of the table's name": "表名末尾缺少 ]",
    "this is neither a key nor a [table]": "既不是键，也不是 [表]",
    "this is no name of a key": "不是键名",
    "the list is not closed: ] is missing": "列表未结束：缺少 ]",
    r"a backslash is written \\, or the text stands in single quotes": r"反斜杠要写成 \\，或将文本写在单引号内",
    "[{key}] is there twice": "[{key}] 出现了两次",
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
    "{FAULT} (there are: {known}). {BROKEN}": "{FAULT}（可用：{known}）。{BROKEN}",
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
    "what it holds can't be said: {FAULT}; mend holds() in {module}": (
        "无法得知该输出占用什么：{FAULT}；请修正 {module} 中的 holds()"
    ),
    "what it holds can't be said: {error}; mend holds() in {module}": (
        "无法得知该输出占用什么：{error}；请修正 {module} 中的 holds()"
    ),
    '"{name}" is the name of channel {channel} already': '"{name}" 已是通道 {channel} 的名称',
    '"{id}" is the name of device {device} already': '"{id}" 已是设备 {device} 的名称',
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
    "is not what `boxbridge password` makes: scrypt:...": "不是 `boxbridge password` 生成的值：scrypt:...",
    "a password needs {count} characters at least: this one guards all that devices saw": (
        "密码至少需要 {count} 个字符：它保护设备采集的全部内容"
    ),
    "port {port} is not between {low} and {high}": "端口 {port} 不在 {low} 到 {high} 之间",
    "{value} is not between {low} and {high}": "{value} 不在 {low} 到 {high} 之间",
    '{value} is no network, such as "192.168.0.0/16"': '{value} 不是网段，例如 "192.168.0.0/16"',
    "a token has 8 characters or more of A-Z, a-z, 0-9, - . _ ~": "令牌至少 8 个字符，只能用 A-Z、a-z、0-9 和 - . _ ~",
    "{file} is no certificate with its private key, both as PEM and without password ({WHY})": (
        "{file} 不是带私钥的证书；两者须为 PEM 格式且不设密码（{WHY}）"
    ),
    "it is encrypted": "私钥已加密",
    "{file} is no certificate with its private key, both as PEM and without password ({error})": (
        "{file} 不是带私钥的证书；两者须为 PEM 格式且不设密码（{error}）"
    ),
    # --- Keys and values
    'unknown key "{name}"': '未知的键 "{name}"',
    'key "{name}" is missing, such as {example}': '缺少键 "{name}"，例如 {example}',
    'key "{name}" is missing': '缺少键 "{name}"',
    "{variable} is not set": "环境变量 {variable} 未设置",
    "its checks failed: {FAULT}; mend them in {module}": "其自身的检查出错：{FAULT}；请修正 {module} 中的检查",
    "its checks failed: {error}; mend them in {module}": "其自身的检查出错：{error}；请修正 {module} 中的检查",
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
    'a secret: "{variable}" or {example}': '密钥："{variable}" 或 {example}',
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
}
