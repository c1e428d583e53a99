"""The pages' languages: which one a reader gets, and that nothing on a page is in one language only."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers

from bridge.control.console.site import HERE, accepted
from bridge.testing import sample_push
from bridge.words.pages import PAGES
from tests.daemon import bridge_with

TEMPLATES = sorted((HERE / "templates").glob("*.html"))
NAMES = {"boxbridge", "curl"}
"""What is called the same in every language."""


@pytest.mark.parametrize(
    ("wished", "told"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh-TW;q=0.5,en;q=0.4", "zh"),
        ("zh;q=0.1,en;q=0.2", "en"),
        ("fr", "en"),
        ("", "en"),
        ("zh;q=none", "en"),
    ],
)
def test_a_browser_gets_the_first_language_of_its_wishes(wished: str, told: str) -> None:
    assert accepted(Headers({"accept-language": wished})) == told


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.stem)
def test_a_template_has_no_text_of_its_own(template: Path) -> None:
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", template.read_text("utf-8"), flags=re.DOTALL)
    shown = re.sub(r"<!doctype.*?>|<[^<>]*>", " ", text)
    attributes = re.findall(r'\b(?:alt|title|aria-label|placeholder)="([^"]*)"', text)
    assert "\\" not in shown + "".join(attributes)
    words = {
        word for piece in (shown, *attributes) for word in re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", "", piece))
    }
    assert words - NAMES == set()


def test_every_sentence_of_the_pages_is_said() -> None:
    templates = "".join(file.read_text("utf-8") for file in TEMPLATES)
    code = "".join(file.read_text("utf-8") for file in HERE.glob("*.py"))
    said = set(re.findall(r"""t\(["'](page [\w ]+)["']""", templates))
    said |= {f"page {name}" for name in ("live", "devices", "outputs", "dead", "unknown", "system")}
    said |= {f"page {file.stem}" for file in TEMPLATES}
    said |= {f"page device {state}" for state in ("online", "late", "new")}
    assert {name for name in PAGES if name not in said and f'"{name}"' not in code} == set()


@pytest.mark.anyio
async def test_a_reader_may_choose_the_language(tmp_path: Path) -> None:
    async with bridge_with(tmp_path) as running:
        page = await running.control.get("/outputs", headers={"Accept-Language": "zh-CN"})
        assert '<html lang="zh-Hans">' in page.text
        chosen = await running.control.get("/outputs?lang=en", headers={"Accept-Language": "zh-CN"})
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/outputs")
        page = await running.control.get("/outputs", headers={"Accept-Language": "zh-CN"})
        assert '<html lang="en">' in page.text
        elsewhere = await running.control.get(f"{running.control.base_url}//evil.example/?lang=zh")
        assert elsewhere.headers["location"] == "/evil.example/"


@pytest.mark.anyio
async def test_no_page_speaks_english_to_who_reads_chinese(tmp_path: Path) -> None:
    async with bridge_with(tmp_path, '[output.erp]\ntype = "archive"\n') as running, running.box() as box:
        first = await told(running.control, "/")
        await box.push(sample_push(small=True, device="box1", kind="pre1"))
        pages = ["/", "/devices", "/outputs", "/dead", "/unknown", "/login", "/none"]
        english = {page: await told(running.control, page) for page in pages} | {"first": first}
        assert {page: words & ENGLISH for page, words in english.items() if words & ENGLISH} == {}


ENGLISH = {word for english, _ in PAGES.values() for word in re.findall(r"\b[A-Z][a-z]{3,}\b", english)} - {"English"}


async def told(control: httpx2.AsyncClient, page: str) -> set[str]:
    """The words of a page in Chinese."""
    text = (await control.get(page, headers={"Accept-Language": "zh"})).text
    return set(re.findall(r"\w+", re.sub(r"<[^>]*>", " ", text)))
