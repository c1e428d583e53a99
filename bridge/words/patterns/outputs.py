"""What the built-in outputs say of their options, their far sides and what they brought, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OUTPUTS: Final[Mapping[str, str]] = {
    # --- The built-in outputs' own options
    '"{base}" is no beginning of a topic; "boxbridge" or "plant/boxes" would be': (
        '"{base}" 不能作为主题前缀；例如 "boxbridge" 或 "plant/boxes"'
    ),
    "needs {key} beside it": "须同时设置 {key}",
    '"{name}" is no name in this topic': '"{name}" 不是此主题可用的名称',
    "needs {name} in it, or old news would come where people act on it": (
        "须包含 {name}，否则旧事件会出现在实时动作所用的主题上"
    ),
    '"{template}" is where {field} goes already': '"{template}" 已用于 {field}',
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
    "is no address; {example} would be one": "不是地址；例如 {example}",
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
    'goes with format = "template" only': '只能与 format = "template" 同时设置',
    'is missing, which format = "template" needs': '缺失：format = "template" 需要它',
    'needs picture = "inline" or "multipart"': '需要 picture = "inline" 或 "multipart"',
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
    # --- What an output found when it was opened
    "{folder}, {amount} free": "{folder}，可用 {amount}",
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
    # --- Why an output waits, stopped, or could not bring an event
    "token from {WHY}": "获取令牌：{WHY}",
    "token from {reason}": "获取令牌：{reason}",
    "not connected": "未连接",
    "closed by the broker": "被 broker 关闭",
    "connection lost before the broker answered: {reason}; {HINT}": "broker 应答前连接已断开：{reason}；{HINT}",
    "connection lost before the broker answered: {WHY}": "broker 应答前连接已断开：{WHY}",
    "connection lost before the broker answered: {reason}": "broker 应答前连接已断开：{reason}",
    "connection lost: {WHY}": "连接已断开：{WHY}",
    "connection lost: {reason}": "连接已断开：{reason}",
    "it may want TLS (mqtts://)": "它可能要求 TLS（mqtts://）",
    "it may want to see a client certificate": "它可能要求客户端证书",
    "the broker refuses the connection: {reason}": "broker 拒绝连接：{reason}",
    "the broker refuses the message: {reason}": "broker 拒绝此消息：{reason}",
    "the broker closed the connection: {reason}": "broker 关闭了连接：{reason}",
    "the broker sends a packet of {amount}": "broker 发来 {amount} 的报文",
    "the broker did not answer within {span}": "broker 在 {span} 内无应答",
    "the broker has acknowledged nothing for {span}": "broker 已有 {span} 未确认任何消息",
    "the broker does not speak MQTT {version}": "broker 不支持 MQTT {version}",
    "the broker acknowledges nothing (Maximum QoS 0): no event would be known to arrive": (
        "broker 不确认任何消息（Maximum QoS 0）：无法得知事件是否送达"
    ),
    "the event document: {WHY}": "事件文档：{WHY}",
    "MQTT has no room for it: {reason}": "MQTT 放不下：{reason}",
    "{address}: the broker's certificate is not accepted: {reason}": "{address}：不接受 broker 的证书：{reason}",
    "{address}: its certificate is not trusted: {reason}": "{address}：其证书不受信任：{reason}",
    "{address}: TLS failed: {reason}": "{address}：TLS 失败：{reason}",
    "{address}: no answer within {span}": "{address}：{span} 内无应答",
    "{address}: no connection within {span}": "{address}：{span} 内无法连接",
    "{address}: the proxy said {reason}": "{address}：代理应答 {reason}",
    "{address}: the proxy wants credentials, or others: HTTP 407; see proxy_basic": (
        "{address}：代理要求凭据，或凭据不对：HTTP 407；见 proxy_basic"
    ),
    "{address}: its answer holds none: {answer}": "{address}：应答中没有令牌：{answer}",
    "{address}: it is none that can be sent as Bearer": "{address}：不是可作为 Bearer 发送的令牌",
    "archive {folder} can't be written: {reason}": "归档 {folder} 无法写入：{reason}",
    "archive {folder} is full: {free} bytes free, {needed} needed": (
        "归档 {folder} 已满：剩余 {free} 字节，需要 {needed} 字节"
    ),
    "archive {folder}: {NO_ROOM}": "归档 {folder}：{NO_ROOM}",
    "{amount} are free on its disk, `min_free` is {least}": "磁盘剩余 {amount}，`min_free` 为 {least}",
    "{option} file {file} can't be used: {WHY}": "{option} 文件 {file} 无法使用：{WHY}",
    "{option} file {file} can't be used: {reason}": "{option} 文件 {file} 无法使用：{reason}",
    "its key is encrypted; it must be without pass phrase": "其私钥已加密；私钥不能带密码",
    # --- What an output could not bring as it is
    "{role}: left out, {WHY}": "{role}：已省略，{WHY}",
    "{role}: reduced to {size}, {amount}": "{role}：已缩小为 {size}，{amount}",
    "{amount} is larger than the broker's packets of {most}": "{amount} 超过 broker 的报文上限 {most}",
    "{amount} is larger than the broker's packets of {most}, and can't be reduced to fit": (
        "{amount} 超过 broker 的报文上限 {most}，且无法缩小到该大小"
    ),
    "{ONE}; {OTHER}": "{ONE}；{OTHER}",
}
