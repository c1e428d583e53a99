"""Why a plugin could not be loaded, and what an output's own code does, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLUGINS: Final[Mapping[str, str]] = {
    # --- A plugin that could not be loaded
    "{BROKEN}. New plugins are loaded by a restart": "{BROKEN}。新插件在重启后加载",
    "New plugins are loaded by a restart": "新插件在重启后加载",
    "{BROKEN}. plugin {name} ({origin}): {FAULT}": "{BROKEN}。插件 {name}（{origin}）：{FAULT}",
    "{BROKEN}. plugin {name} ({origin}): {error}": "{BROKEN}。插件 {name}（{origin}）：{error}",
    "plugin {name} ({origin}): {FAULT}": "插件 {name}（{origin}）：{FAULT}",
    "plugin {name} ({origin}): {error}": "插件 {name}（{origin}）：{error}",
    "line {first}: {FAULT}": "第 {first} 行：{FAULT}",
    "line {first}: {error}": "第 {first} 行：{error}",
    "{file}, line {first}: {error}": "{file} 第 {first} 行：{error}",
    "it is no Python source: {error}": "不是 Python 源代码：{error}",
    "this is no Python file": "不是 Python 文件",
    "it was not loaded within {n} s: what takes long belongs into open()": (
        "未能在 {n} 秒内加载完成：耗时的操作应放在 open() 中"
    ),
    "it needs the module {module}, which is not there: install it beside boxbridge": (
        "需要模块 {module}，但未安装：请将其安装到 boxbridge 的环境中"
    ),
    "cannot import name {name} from 'bridge': {THERE}; install a newer one, or correct the name": (
        "无法从 'bridge' 导入 {name}：{THERE}；请安装更新的 boxbridge，或更正名称"
    ),
    "this boxbridge has version {version} of the plugin API": "此 boxbridge 的插件 API 版本为 {version}",
    "it was written for version {version}, and {THERE}: install a newer boxbridge, or an older version of {name}": (
        "它是为版本 {version} 编写的，而{THERE}：请安装更新的 boxbridge，或旧版本的 {name}"
    ),
    "it was written for version {version}, and {THERE}: install a newer {name}": (
        "它是为版本 {version} 编写的，而{THERE}：请安装更新的 {name}"
    ),
    "its API_VERSION is {stated}: two numbers would be right, as in {example}": (
        "其 API_VERSION 为 {stated}：应为两个数字，例如 {example}"
    ),
    "its entry point names {it}, which is not there: install {name} anew, or take it away: {command}": (
        "其入口点指向 {it}，但它不存在：请重新安装 {name}，或将其卸载：{command}"
    ),
    'there is a plugin "{name}" already: give it another name': '已有名为 "{name}" 的插件：请换一个名称',
    # --- What is wrong with its hooks, and with what it brings
    'there is no hook "{name}"': '没有名为 "{name}" 的 hook',
    'hook {hook} is given no argument "{name}"': 'hook {hook} 没有参数 "{name}"',
    "hook {hook} must be a plain def, not async def": "hook {hook} 必须是普通的 def，不能是 async def",
    "it has no hook: mark functions of these names with @hookimpl: {hooks}": (
        "其中没有 hook：请用 @hookimpl 标记下列名称的函数：{hooks}"
    ),
    "its function {hook} is not marked as a hook: write @hookimpl above it": (
        "函数 {hook} 未标记为 hook：请在其上方写 @hookimpl"
    ),
    "{hook} returned {it}, which is no list: return a list": "{hook} 返回了 {it}，不是列表：请返回列表",
    "register_outputs returned {it}, which is no subclass of Output: return classes": (
        "register_outputs 返回了 {it}，不是 Output 的子类：请返回类"
    ),
    "register_normalizers returned {it}, which is no instance of Normalizer: return instances": (
        "register_normalizers 返回了 {it}，不是 Normalizer 的实例：请返回实例"
    ),
    "output {name} has no type: give it {example}": "输出 {name} 没有 type：请加上 {example}",
    "normalizer {name} has no name: give it {example}": "协议 {name} 没有 name：请加上 {example}",
    'output type "{type}" is already there, from {module}: give this one another `type`': (
        '输出类型 "{type}" 已由 {module} 提供：请为此输出另取 `type`'
    ),
    'normalizer "{name}" is already there, from {module}: give this one another `name`': (
        '协议 "{name}" 已由 {module} 提供：请为此协议另取 `name`'
    ),
    'output type "{type}" is there twice: give one of them another name': (
        '输出类型 "{type}" 出现了两次：请为其中一个另取名称'
    ),
    'normalizer "{name}" is there twice: give one of them another name': (
        '协议 "{name}" 出现了两次：请为其中一个另取名称'
    ),
    "output {name} has no deliver(): write one": "输出 {name} 没有 deliver()：请编写",
    "deliver() of output {name} holds a yield, so that a call runs nothing of it: take the yield out": (
        "输出 {name} 的 deliver() 含有 yield，调用时不会执行任何内容：请去掉 yield"
    ),
    "deliver() of output {name} can't take a delivery: write {example}": (
        "输出 {name} 的 deliver() 无法接收 delivery：请写成 {example}"
    ),
    "unavailable of output {name} is {it}, which is no tuple of exceptions: write {example}": (
        "输出 {name} 的 unavailable 是 {it}，不是异常的元组：请写 {example}"
    ),
    "Options of output {name} are no struct: write {example}": "输出 {name} 的 Options 不是 struct：请写 {example}",
    "Options of output {name} can't be understood: {error}": "无法识别输出 {name} 的 Options：{error}",
    # --- What an output's code does while it runs
    "it could not be made: {error}": "无法创建：{error}",
    "{class}: the output called sys.exit()": "输出调用了 sys.exit()",
    "{class}: the output raised {error}": "输出引发了 {error}",
    "{class}: something that the output waited for was cancelled": "输出所等待的操作被取消",
    "its code held the event loop {n} times within a minute, {seconds} s in all, while nobody was served; {REMEDY}": (
        "其代码在一分钟内 {n} 次占住事件循环，共 {seconds} 秒，其间无法提供任何服务；{REMEDY}"
    ),
    "its code started {n} threads that still run, and {limit} are the most; a restart of boxbridge ends them": (
        "其代码启动的 {n} 个线程仍在运行，上限为 {limit}；重新启动 boxbridge 可结束它们"
    ),
    "mend its plugin, then restart boxbridge": "请修正其插件，然后重新启动 boxbridge",
    "internal error, see the log: {error}": "内部错误，见日志：{error}",
    # --- One output alone
    "output {name} did not open: {REASON}": "输出 {name} 未能打开：{REASON}",
    "output {name} did not open: {reason}": "输出 {name} 未能打开：{reason}",
    "output {name} did not take {n}, see above": "输出 {name} 有 {n} 个事件未接收，见上文",
    "there is no table [output.{name}], and {FAULT}": "没有表 [output.{name}]，且{FAULT}",
    "--plugin and --from-journal are for one output alone: name it with --output": (
        "--plugin 和 --from-journal 用于单独试运行一个输出：请用 --output 指明"
    ),
}
