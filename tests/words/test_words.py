"""What commands say: in every language the same facts, and the language that a person reads."""

from __future__ import annotations

import ast
import re
import time
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from bridge.dispatch.door import LaneState
from bridge.journal.standing import State
from bridge.normalizer import Malformed, Outcome
from bridge.reading.decode import read_json
from bridge.words import LANGUAGES, SENTENCES, cells, language, padded, singular, translated
from bridge.words.files import FILES
from bridge.words.pages import PAGES
from bridge.words.patterns import (
    PATTERNS,
    answers,
    chinese,
    configuration,
    files,
    outputs,
    plugins,
    promises,
    refusals,
)  # fmt: skip
from bridge.words.reports import REPORTS
from bridge.words.stories import STORIES

ROOT = Path(__file__).parent.parent.parent


def test_no_two_sentences_have_one_name() -> None:
    assert sum(map(len, (STORIES, REPORTS, FILES, PAGES))) == len(SENTENCES)


def test_no_two_tables_know_one_pattern() -> None:
    tables = (
        answers.ANSWERS, configuration.CONFIGURATION, files.FILES, outputs.OUTPUTS, plugins.PLUGINS,
        promises.PROMISES, refusals.REFUSALS
    )  # fmt: skip
    assert sum(map(len, tables)) == len(PATTERNS)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_has_the_same_facts_in_every_language(sentence: str) -> None:
    assert len(SENTENCES[sentence]) == len(LANGUAGES)
    english, *others = [sorted(re.findall(r"{(\w+)", text)) for text in SENTENCES[sentence]]
    assert all(facts == english for facts in others)


def test_there_is_a_sentence_for_every_state_and_outcome() -> None:
    assert {f"state {state}" for state in get_args(State)} <= SENTENCES.keys()
    assert {f"lane {state}" for state in (*get_args(LaneState), "held", "off", "gone")} <= SENTENCES.keys()
    assert {f"is {state}" for state in (*get_args(LaneState), "held", "off", "gone")} <= SENTENCES.keys()
    assert {f"push {kind}" for kind in get_args(get_type_hints(Outcome)["kind"])} <= SENTENCES.keys()
    assert set(get_args(LaneState)) <= SENTENCES.keys()
    outcomes = {"delivered", "retry", "dead", "skipped", "unwanted", "expired", "dropped", "again", "replay"}
    assert outcomes | {"duplicate", "refused", "not stored"} <= SENTENCES.keys()


@pytest.mark.parametrize(
    ("asked", "environment", "told"),
    [
        ("zh", {"LANG": "en_US.UTF-8"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LC_MESSAGES": "zh_TW", "LANG": "de_DE"}, "zh"),
        (None, {"LANG": "de_DE.UTF-8"}, "en"),
        (None, {}, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_locales(
    asked: str | None, environment: dict[str, str], told: str
) -> None:
    assert language(asked, environment) == told


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_knows_its_own_english_and_invents_no_facts(pattern: str) -> None:
    slots = re.findall(r"{(\w+)}", pattern)
    assert set(re.findall(r"{(\w+)}", PATTERNS[pattern])) <= set(slots)
    assert len(slots) == len(set(slots))


@pytest.mark.parametrize("sentence", [pattern for pattern in PATTERNS if "{" not in pattern])
def test_a_sentence_without_facts_is_told_as_a_whole_whatever_else_fits(sentence: str) -> None:
    assert translated("zh", sentence) == PATTERNS[sentence]


def literals() -> list[str]:
    """All texts of the program but its words themselves; what is put into one stands as `{}`."""
    files = [*(ROOT / "bridge").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    nodes = [
        node
        for file in files
        if "words" not in file.parts
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant | ast.JoinedStr)
    ]
    parts = [node.values if isinstance(node, ast.JoinedStr) else [node] for node in nodes]
    return ["".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in part) for part in parts]


MADE_OF_TWO_TEXTS = {
    "1 fault in {folder}",
    "{count} faults in {folder}",
    "a table is not {WANTED}",
    "a list is not {WANTED}",
    "{event} is no dead letter of output {output}: {command}",
    "{event} is no dead letter of output {output}; its story: {command}",
}
OF_THE_JSON_READER = {
    "expecting value",
    "expecting ',' delimiter",
    "expecting ':' delimiter",
    "expecting property name enclosed in double quotes",
    "illegal trailing comma before end of object",
    "illegal trailing comma before end of array",
}
"""Python says it."""


def test_what_a_pattern_knows_is_still_said_somewhere() -> None:
    said = "\n".join(literals())
    longest = {pattern: max(re.split(r"{\w+}|[.,;:']", pattern), key=len).strip() for pattern in PATTERNS}
    assert {pattern for pattern, part in longest.items() if part not in said} == MADE_OF_TWO_TEXTS | OF_THE_JSON_READER


def refusals_of(file: Path) -> list[str]:
    """What is refused there, with something made up where facts are put in."""
    calls = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call) and node.args]
    named = [
        call for call in calls if getattr(call.func, "id", "") in ("Refusal", "Missing", "Wrong", "Trouble", "_Ended")
    ]
    parts = [call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else [call.args[0]] for call in named]
    texts = [[one.value if isinstance(one, ast.Constant) else "7" for one in part] for part in parts]
    return ["".join(map(str, text)) for text in texts if text != ["7"]]


@pytest.mark.parametrize("file", sorted((ROOT / "bridge" / "control").rglob("*.py")), ids=lambda file: file.stem)
def test_what_a_page_refuses_is_said_in_chinese(file: Path) -> None:
    untold = [text for text in refusals_of(file) if translated("zh", text) == text]
    assert [text for text in untold if "no dead letter7" not in text] == []  # it is made of two texts


MADE_UP = {
    "did": "returned as if all were well",
    "found": "7 bytes of each are left in memory",
    "place": "metrics",
    "lack": "without its document",
    "said": "event 7, written as a document and read again, has another 7",
    "error": "not over after 7 s: it waits for ever, or holds the event loop",
}
"""What is put into findings where it has to be Chinese as well."""


def told_by_contracts() -> list[str]:
    """What the kit promises, how it tries that, what it finds, and why it tries something not."""
    names = ("contract", "normalizer_contract", "trial", "far_side")
    files = [(ROOT / "bridge" / "testing" / f"{name}.py").read_text("utf-8") for name in names]
    calls = [node for file in files for node in ast.walk(ast.parse(file)) if isinstance(node, ast.Call)]
    named = [call for call in calls if ast.unparse(call.func) in ("pytest.mark.promise", "pytest.skip", "broken")]
    return [written(text) for call in named for text in call.args if isinstance(text, ast.Constant | ast.JoinedStr)]


def written(text: ast.expr) -> str:
    """A text with something made up where facts are put in."""
    match text:
        case ast.JoinedStr(parts):
            return "".join(map(written, parts))
        case ast.FormattedValue(ast.Name(name) | ast.Call(ast.Name(name))):
            return MADE_UP.get(name, "7")
        case ast.Constant(said):
            return str(said)
    return "7"


def test_what_contracts_tell_is_said_in_chinese() -> None:
    told = told_by_contracts()
    assert len(told) > 80
    assert [text for text in told if translated("zh", text) == text] == []


@pytest.mark.parametrize(
    ("english", "told"),
    [
        (
            'a.toml:3:1    output.b: unknown key "protcol", did you mean "protocol"?',
            'a.toml:3:1    output.b：未知的键 "protcol"，是否应为 "protocol"？',
        ),
        ('device."A: b".id: 5 is not text', 'device."A: b".id：5 无效：应为文本'),
        (
            'x: "a is not text" is not true or false or a path',
            'x："a is not text" 无效：应为布尔值（true 或 false）或路径',
        ),
        ("x: a table is not text or a list", "x：不能是表：应为文本或列表"),
        (
            'late_after: 5 is not a duration between 1s and 3650d, such as "30s"',
            'late_after：5 无效：应为介于 1s 和 3650d 之间的时长，例如 "30s"',
        ),
        ('p: 5 is not a secret: "${NAME}" or { file = "s" }', 'p：5 无效：应为密钥："${NAME}" 或 { file = "s" }'),
        ("output.erp.secret: is empty", "output.erp.secret：不能为空"),
        (
            "a: reduced to 9x5, 45 kB; 2 MB is larger than the broker's packets of 1 MB",
            "a：已缩小为 9x5，45 kB；2 MB 超过 broker 的报文上限 1 MB",
        ),
        (
            "a: left out, 2 MB is larger than the broker's packets of 1 MB; b: reduced to 9x5, 45.1 kB",
            "a：已省略，2 MB 超过 broker 的报文上限 1 MB；b：已缩小为 9x5，45.1 kB",
        ),
        (
            "a.pem is no certificate with its private key, both as PEM and without password (it is encrypted)",
            "a.pem 不是带私钥的证书；两者须为 PEM 格式且不设密码（私钥已加密）",
        ),
        ("2 errors. Nothing was started.", "2 个错误。未启动任何服务。"),
        (
            "the journal is full, 21.9 MB of 20.6 MB, held by erp (removed 2026-10-02), 71,204 events",
            "事件日志已满：21.9 MB，上限 20.6 MB，占用者：erp (removed 2026-10-02)，71,204 个事件",
        ),
        ('timezone: "" is no time zone', 'timezone："" 不是时区'),
        (
            "event 5 is damaged (bytes 40 to 81): what was not delivered before is lost",
            "事件 5 已损坏（字节 40 至 81）：此前未投递的已丢失",
        ),
        ("1.seg: events 5 to 7 are damaged or missing: passed over", "1.seg：事件 5 至 7 已损坏或缺失：已略过"),
        ("1.seg: event 5 (01A) is damaged or missing: passed over", "1.seg：事件 5（01A）已损坏或缺失：已略过"),
        (
            'backlog: "x" is not a duration of at least 1h, such as "30s" or a share such as "20%" or "all"',
            'backlog："x" 无效：应为不小于 1h 的时长，例如 "30s"或占比，例如 "20%"或"all"',
        ),
        (
            "MQTT 3.1.1 over TLS, packets up to 4 MB, 20 messages under way at a time, no retained messages",
            "MQTT 3.1.1（TLS），报文上限 4 MB，最多 20 条消息同时在途，不支持保留消息",
        ),
        (
            "proxy http://p:3128 reachable in 3 ms; whether http://erp is, behind it, only an event will tell",
            "代理 http://p:3128 可以连接，用时 3 毫秒；代理之后的 http://erp 能否连接，要到投递事件时才知道",
        ),
    ],
)
def test_what_was_said_in_english_is_said_in_chinese(english: str, told: str) -> None:
    assert translated("zh", english) == told
    assert translated("en", english) == english


@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("the broker refuses the connection: Not authorized", "broker 拒绝连接：Not authorized"),
        ("connection lost: closed by the broker", "连接已断开：被 broker 关闭"),
        ("connection lost: Connection reset by peer", "连接已断开：Connection reset by peer"),
        (
            "connection lost before the broker answered: Connection reset by peer; it may want TLS (mqtts://)",
            "broker 应答前连接已断开：Connection reset by peer；它可能要求 TLS（mqtts://）",
        ),
        (
            "h:8883: the broker's certificate is not accepted: self-signed certificate",
            "h:8883：不接受 broker 的证书：self-signed certificate",
        ),
        ("[::1]:1883: no answer within 10s", "[::1]:1883：10s 内无应答"),
        ("https://h: its certificate is not trusted: expired", "https://h：其证书不受信任：expired"),
        ("token from https://h: HTTP 401 Unauthorized", "获取令牌：https://h: HTTP 401 Unauthorized"),
        ("token from https://h: no answer within 20 s", "获取令牌：https://h：20 s 内无应答"),
        (
            "tried for 24h: the far side fell each time it was given this event: connection lost: closed by the broker",
            "重试已满 24h：每次投递此事件，对方都随即断开：连接已断开：被 broker 关闭",
        ),
        ("archive /a: 900.0 MB are free on its disk, `min_free` is 2%", "归档 /a：磁盘剩余 900.0 MB，`min_free` 为 2%"),
        ("/a, 40.0 MB free", "/a，可用 40.0 MB"),
        ("archive /a can't be written: Read-only file system (/a/x)", "归档 /a 无法写入：Read-only file system (/a/x)"),
        (
            "the event document: 2 MB is larger than the broker's packets of 1 MB",
            "事件文档：2 MB 超过 broker 的报文上限 1 MB",
        ),
    ],
)
def test_why_an_output_waits_or_stopped_is_said_in_chinese(english: str, told: str) -> None:
    assert translated("zh", english) == told


@pytest.mark.parametrize(
    "english",
    [
        "event 5 is damaged (bytes 4096 to 8192): what was not delivered before is lost",
        "events 5 to 7 (01A) are not there, as when a file or a page is lost: what was not delivered before is lost",
        "00000001.seg: event 5 (01A) is damaged or missing: passed over",
        "of event 01A, 01B: picture ab is damaged on disk (1.seg, offset 5); the event lives on without it",
        "event 01A: picture ab is damaged on disk (1.seg, offset 5): taken without it",
        "the index does not know 3 pushes from 5 on as they are: stop the daemon, and `boxbridge journal rebuild`",
        "it can't be read (it broke): stop the daemon, and `boxbridge journal rebuild`",
        "it is a copy of 00000001.seg; the next start sets it aside",
        "mounted without barriers: the disk is never asked to empty its own cache. Mount it with barriers.",
    ],
)
def test_what_was_found_in_the_files_is_said_in_chinese(english: str) -> None:
    left = re.sub(r"`.*?`|barrier|offset|[\w.]*seg|01[ABC]|it broke", "", translated("zh", english))
    assert re.findall(r"[a-z]{3,}", left) == []


@pytest.mark.parametrize(
    ("english", "told"),
    [
        (
            (
                'no output type "x" (there are: mqtt). plugin a (a.py): there is no hook "event", did you mean "even"? '
                "(there are: deliver, even). plugin b (boxbridge-b): line 7: invalid syntax"
            ),
            (
                '没有输出类型 "x"（可用：mqtt）。插件 a（a.py）：没有名为 "event" 的 hook，是否应为 "even"？'
                "（可用：deliver, even）。插件 b（boxbridge-b）：第 7 行：invalid syntax"
            ),
        ),
        (
            'no output type "x" (there are: mqtt). New plugins are loaded by a restart',
            '没有输出类型 "x"（可用：mqtt）。新插件在重启后加载',
        ),
        (
            (
                'no output type "x" (there are: mqtt). plugin a (a.py): there is no hook "e". '
                "New plugins are loaded by a restart"
            ),
            '没有输出类型 "x"（可用：mqtt）。插件 a（a.py）：没有名为 "e" 的 hook。新插件在重启后加载',
        ),
        (
            'no output type "x" (there are: archive). plugin a (/p/a.py): line 1: ValueError: Once. Above all',
            '没有输出类型 "x"（可用：archive）。插件 a（/p/a.py）：第 1 行：ValueError: Once. Above all',
        ),
        (
            (
                "it was written for version 1.9, and this boxbridge has version 1.0 of the plugin API: "
                "install a newer boxbridge, or an older version of a"
            ),
            "它是为版本 1.9 编写的，而此 boxbridge 的插件 API 版本为 1.0：请安装更新的 boxbridge，或旧版本的 a",
        ),
        ("RuntimeError: the output called sys.exit()", "输出调用了 sys.exit()"),
        (
            "x: its checks failed: RuntimeError: the output called sys.exit(); mend them in boxbridge_gate",
            "x：其自身的检查出错：输出调用了 sys.exit()；请修正 boxbridge_gate 中的检查",
        ),
    ],
)
def test_what_is_wrong_with_plugins_is_said_in_chinese(english: str, told: str) -> None:
    assert translated("zh", english) == told


@pytest.mark.parametrize(
    "sentence",
    ["url and key don't go together", "set url or path", "x: this is too early", "3 errors. Then it rained.", ""],
)
def test_what_no_pattern_knows_stays_as_it_is(sentence: str) -> None:
    assert chinese(sentence) is None
    assert translated("zh", sentence) == sentence


@pytest.mark.parametrize("part", ["a, such as b", "x is not ", "a list or ", "k: ", "  ", '"'])
def test_what_somebody_makes_up_to_have_very_many_parts_stays_as_it_is(part: str) -> None:
    made_up = part * 2000 + "!"
    assert translated("zh", made_up) == made_up


def test_a_long_line_of_somebody_s_own_words_is_left_alone_at_once() -> None:
    sentence = f"not what [protocol.cameras] takes by its `when`: /{'x: ' * 4000}"
    began = time.process_time()
    assert translated("zh", sentence) == sentence
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ("1 events wait", "1 event wait"),
        ("1 pushes, 1 times", "1 push, 1 time"),
        ("21 events, 0.1 events, 1,001 events", "21 events, 0.1 events, 1,001 events"),
        ("1 个事件", "1 个事件"),
    ],
)
def test_one_thing_is_one(told: str, right: str) -> None:
    assert singular(told) == right


def test_columns_are_counted_in_cells() -> None:
    assert [cells(text) for text in ("", "abc", "事件", "（a）", "é")] == [0, 3, 4, 5, 1]
    assert padded("输出", 6) + "|" == "输出  |"
    assert padded("too long", 3) == "too long"


@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("say which pushes: numbers, or --all", "请指明推送：编号，或 --all"),
        ("it has no sound header; the next start sets it aside", "没有可用的文件头；下次启动时会另存"),
        (
            "it belongs to another journal or version: stop the daemon, and `boxbridge journal rebuild`",
            "索引属于另一个事件日志或版本：请停止守护进程，然后执行 `boxbridge journal rebuild`",
        ),
        (
            "can't listen on /d/a.sock: Read-only file system; check who owns the folder, and how it is mounted",
            "无法监听 /d/a.sock：Read-only file system；请检查目录的属主和挂载方式",
        ),
        (
            "/d/1.seg has format 9; this version reads up to 1; start the newer version, or set the folder aside",
            "/d/1.seg 的格式为 9，本版本最高支持 1；请启动更新的版本，或另存该目录",
        ),
        (
            "/d: Permission denied; make it, or give the user who runs boxbridge the right to write there",
            "/d：Permission denied；请先创建，或给运行 boxbridge 的用户写权限",
        ),
        (
            "the reload failed: OSError: disk. The old configuration stays in force.",
            "重新加载失败：OSError: disk。旧配置继续生效。",
        ),
    ],
)
def test_what_a_command_could_not_do_is_said_in_chinese(english: str, told: str) -> None:
    assert translated("zh", english) == told


@pytest.mark.parametrize("body", [b"hello", b'{"a" 1}', b'{"a": 1 "b": 2}', b"{a: 1}", b'{"a": 1,}', b"[1 2]", b"[1,]"])
def test_what_is_no_json_is_said_in_chinese_to_the_last_word(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        read_json(body)
    assert re.findall("[A-Za-z]+", translated("zh", str(refused.value))) == ["JSON"]
