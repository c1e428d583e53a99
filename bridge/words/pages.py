"""What the console's pages say, in English and in Chinese; what they have in common with commands stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PAGES: Final[Mapping[str, tuple[str, str]]] = {
    # --- The frame
    "page live": ("Live", "实时"),
    "page first": ("Waiting for the first push", "等待首次推送"),
    "page devices": ("Devices", "设备"),
    "page outputs": ("Outputs", "输出"),
    "page dead": ("Dead letters", "死信"),
    "page unknown": ("Not understood", "无法识别"),
    "page system": ("System", "系统"),
    "page refused": ("Not done", "未执行"),
    "page skip": ("To the content", "跳到正文"),
    "page navigation": ("Pages", "页面"),
    "page other language": ("简体中文", "English"),
    "page sign out": ("Sign out", "退出登录"),
    "page token": (
        "This form is not of a page that is still good: load the page anew and try again.",
        "表单已失效：请重新加载页面后再试。",
    ),
    "page no picture": ("no picture", "无图片"),
    "page took": ("{milliseconds:.0f} ms", "{milliseconds:.0f} 毫秒"),
    "page took long": ("after {span}", "{span}后"),
    "page copy": ("Copy", "复制"),
    "page copied": ("Copied", "已复制"),
    # --- Live
    "page filters": ("Which events", "筛选事件"),
    "page device": ("Device", "设备"),
    "page kind": ("Kind", "类型"),
    "page output": ("Output", "输出"),
    "page state": ("State", "状态"),
    "page since": ("Since", "起始"),
    "page any": ("any", "全部"),
    "page show": ("Show", "筛选"),
    "page layers": ("Layers", "图层"),
    "page pause": ("Pause", "暂停"),
    "page resume": ("Go on", "继续"),
    "page new": ("{{count}} new", "{{count}} 个新事件"),
    "page fewer": (
        "{{count}} events came at once: {{shown}} of them are shown here. “Show” has all.",
        "同时到达 {{count}} 个事件，此处显示其中 {{shown}} 个；点击“筛选”可查看全部。",
    ),
    "page newest": ("To the newest", "回到最新"),
    "page older": ("Older events", "更早的事件"),
    # --- Before the first push
    "page first how": (
        "Type this address into the box, as the place that it pushes to:",
        "请在设备的推送地址中填写：",
    ),
    "page interface": ("On {name}", "网口 {name}"),
    "page code": ("The same address as a QR code", "该地址的二维码"),
    "page token how": (
        "In place of <token> goes the word in [server] token of the configuration.",
        "请将 <token> 替换为配置中 [server] token 的值。",
    ),
    "page first waiting": (
        "This page lights up as soon as anything arrives, also what is not understood.",
        "收到任何数据（包括无法识别的数据）后，本页会立即更新。",
    ),
    "page contact": ("Something came, but was not taken", "已收到数据，但未被接收"),
    "page contact refused": ("from {peer}: {reason}", "来自 {peer}：{reason}"),
    "page contact see": ("See what it was", "查看内容"),
    "page contact heartbeat": (
        "A box is connected: its heartbeat came. Now it only needs an event.",
        "设备已连接：已收到心跳，正在等待事件。",
    ),
}
