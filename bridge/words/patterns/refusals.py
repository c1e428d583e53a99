"""Why a push was refused, whole or only what stands before its first colon, in Chinese by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REFUSALS: Final[Mapping[str, str]] = {
    "no wsKey": "缺少 wsKey",
    "no wsKey: this is no message of the family": "缺少 wsKey：不是该系列设备的消息",
    "not JSON": "不是 JSON",
    "not JSON: the body is {IT}": "不是 JSON：内容为 {IT}",
    "XML": "XML",
    "a JPEG picture": "JPEG 图片",
    "a PNG picture": "PNG 图片",
    "a multipart form, which only a [protocol.NAME] reads": "multipart 表单，只有 [protocol.NAME] 才能读取",
    "not JSON: it holds a number of thousands of digits": "不是 JSON：包含数千位的数字",
    "not JSON: something follows the document at byte {byte}": "不是 JSON：文档之后第 {byte} 字节处还有内容",
    "not JSON: {FAULT} at byte {byte}": "不是 JSON：第 {byte} 字节处{FAULT}",
    "not JSON: {error} at byte {byte}": "不是 JSON：第 {byte} 字节处 {error}",
    "expecting value": "应为一个值",
    "expecting ',' delimiter": "应为逗号",
    "expecting ':' delimiter": "应为冒号",
    "expecting property name enclosed in double quotes": "应为双引号内的键名",
    "illegal trailing comma before end of object": "右花括号前有多余的逗号",
    "illegal trailing comma before end of array": "右方括号前有多余的逗号",
    "not JSON: {error}": "不是 JSON：{error}",
    "not readable": "无法读取",
    "not readable: it is nested hundreds of levels deep": "无法读取：嵌套多达数百层",
    "the body is empty": "内容为空",
    "more than {count} values in one document": "一份文档中的值超过 {count} 个",
    "more than {count} fields in one form": "一份表单中的字段超过 {count} 个",
    "more than {count} parts in one form": "一份表单中的部分超过 {count} 个",
    "no form": "不是表单",
    "no form: it holds very many % that begin no escape": "不是表单：含有大量不构成转义的 %",
    "cut short": "内容不完整",
    "cut short: the JSON document ends before its end, at byte {byte}": "内容不完整：JSON 文档在第 {byte} 字节处中断",
    "cut short: the form ends before its last boundary": "内容不完整：表单在最后的分隔符之前中断",
    "cut short or broken": "内容不完整或已损坏",
    "cut short or broken: the body is compressed by gzip and can't be inflated": (
        "内容不完整或已损坏：gzip 压缩的内容无法解压"
    ),
    "no event in it": "其中没有事件",
    "no event in it: nothing stands at `{place}` of [protocol.{name}]": (
        "其中没有事件：[protocol.{name}] 的 `{place}` 处没有内容"
    ),
    "too large": "内容过大",
    "too large: the body has {count} bytes; max_body is {limit}": "内容过大：共 {count} 字节；max_body 为 {limit}",
    "no HTTP": "不是 HTTP",
    "not allowed": "不允许",
    "not allowed: the address is in none of the networks of `server.allow`": (
        "不允许：来源地址不在 `server.allow` 的网段内"
    ),
    "not allowed: the token of `server.token` is missing or wrong": "不允许：缺少 `server.token` 的令牌或令牌不正确",
    "busy": "接收繁忙",
    "busy: other pushes take all the room there is for bodies; come again": (
        "接收繁忙：其他推送已占满接收空间；请稍后再试"
    ),
    "wrong address": "来源地址不符",
    "wrong address: this device may push from its `address` in the configuration only": (
        "来源地址不符：该设备只能从配置中 `address` 的地址推送"
    ),
    "too many pushes": "推送过于频繁",
    "too many pushes: more than {rate} of one device; come again in {seconds} s": (
        "推送过于频繁：同一设备超过 {rate}；请 {seconds} 秒后再试"
    ),
}
