"""When what the pages need is loaded: before anybody asks for one, and never on the event loop."""

from __future__ import annotations

import contextlib
import http.client
import re
from pathlib import Path

from bridge.control.console.site import HERE
from bridge.testing import sample_push
from bridge.testing.bridge import Bridge
from bridge.testing.ports import HOST

WATCHER = """
import sys
from threading import current_thread, main_thread


def heard(event, about):
    if event == "import" or event == "compile" and about[1] != "<string>":
        where = "on the loop" if current_thread() is main_thread() else "in a thread"
        sys.stderr.write(f"{event} {where}: {about[1] if event == 'compile' else about[0]}\\n")


sys.addaudithook(heard)
"""
"""A drop-in plugin that tells in the log of everything that is imported or compiled from then on, and where."""
TEMPLATES = {file.name for file in (HERE / "templates").glob("*.html")}
PAGES = ("/", "/devices", "/outputs", "/dead", "/unknown", "/unknown/1", "/system", "/system/bundle", "/login", "/none")


def watch(bridge: Bridge) -> None:
    (bridge.plugins_dir / "watcher.py").write_text(WATCHER)


def compiled(bridge: Bridge) -> list[str]:
    """The templates that were made ready, as often as they were."""
    return re.findall(r"^compile .*/templates/(\w+\.html)$", bridge.log.read_text(), re.MULTILINE)


def held_up_by(bridge: Bridge, since: int) -> list[str]:
    """What was loaded on the event loop since the log was so long."""
    return re.findall(r"^\w+ on the loop: .*", bridge.log.read_text()[since:], re.MULTILINE)


def test_the_pages_are_ready_before_anybody_asks_for_one(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)
    watch(bridge)
    with bridge:
        bridge.until(lambda: set(compiled(bridge)) == TEMPLATES)
        bridge.ask("/")
        assert sorted(compiled(bridge)) == sorted(TEMPLATES)


def test_who_has_no_address_for_people_has_no_pages_in_memory(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)
    watch(bridge)
    written = bridge.config.read_text()
    bridge.config.write_text(written.replace(f'listen = "{HOST}:{bridge.control_port}"', 'listen = ""'))
    with bridge:
        assert bridge.push(sample_push(small=True))[0] == 200
        assert bridge.stop() == 0  # which waits for threads that are at something
    assert "jinja2" not in bridge.log.read_text()


def test_no_page_holds_the_event_loop_up_while_it_is_loaded(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path, '[output.erp]\ntype = "archive"\n')
    watch(bridge)
    with bridge:
        bridge.until(lambda: set(compiled(bridge)) == TEMPLATES)
        since = len(bridge.log.read_text())
        assert b"<svg" in bridge.ask("/")
        assert held_up_by(bridge, since) == []
        assert bridge.push(sample_push(small=True))[0] == 200
        bridge.send(b'{"what": "is this"}')
        since = len(bridge.log.read_text())
        for page in PAGES:
            bridge.ask(page)
        token = re.search(rb'name="token" value="(\w+)"', bridge.ask("/outputs"))
        assert token
        with contextlib.closing(http.client.HTTPConnection(HOST, bridge.control_port, timeout=30)) as connection:
            connection.request("POST", "/outputs/erp/test", b"token=" + token[1])
            assert b"took the test event" in connection.getresponse().read()
        assert held_up_by(bridge, since) == []
