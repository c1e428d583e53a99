"""What is wrong with a webhook's options is said in a sentence that begins with the key and tells no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bridge import Secret
from bridge.config.convert import sentences
from bridge.config.load import read
from bridge.errors import ConfigError
from bridge.words.patterns import chinese
from bridge_webhook.options import Basic, OAuth2, WebhookOptions
from bridge_webhook.output import Webhook

HERE = "http://127.0.0.1/"
LOGIN = Basic(username="me", password=Secret("hush"))
OAUTH2 = OAuth2(token_url=HERE, client_id="me", client_secret=Secret("hush"))
FORBIDDEN = [
    ("169.254.169.254", "169.254.169.254", "link-local address: nothing is ever sent there"),
    ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254", "link-local address"),
    ("[fe80::1]", "fe80::1", "link-local address"),
    ("100.100.100.200", "100.100.100.200", "cloud's metadata address: nothing is ever sent there"),
    ("[fd00:ec2::254]", "fd00:ec2::254", "cloud's metadata address"),
]


@pytest.mark.parametrize(
    "url",
    [
        "https://erp.example/hooks/alarm",
        "http://192.168.1.5:8080/x?token=a%20b",
        "http://[::1]:80",
        "https://东门.example/",
        "http://erp.example/{site}/{device}/{channel}?kind={kind}",
    ],
)
def test_urls_that_are_fine(url: str) -> None:
    assert list(sentences(WebhookOptions(url=url).faults())) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        *(({"url": f"http://{host}/"}, f"url: {re.escape(named)} is a {kind}") for host, named, kind in FORBIDDEN),
        *(({"proxy": f"http://{host}/"}, f"proxy: {re.escape(named)} is a {kind}") for host, named, kind in FORBIDDEN),
        ({"url": "http://{device}.erp.example/"}, "url: names in braces may stand in its path and query, not"),
        ({"url": HERE + "{devise}"}, r'url: "devise" is not known, did you mean "device"\? \(there are: site, device'),
        ({"url": HERE + "{}"}, r'url: "" is not known \(there are: site'),
        ({"secret": []}, "secret: is empty"),
        ({"secret": [Secret("ok"), Secret("whsec_hush!!")]}, "secret: what follows whsec_ is not base64"),
        ({"bearer": Secret("")}, "bearer: is empty or holds characters that no header may hold"),
        ({"bearer": Secret("hush\n")}, "bearer: is empty or holds characters that no header may hold"),
        ({"bearer": Secret("hush"), "basic": LOGIN}, "basic: sets Authorization, as bearer does: only one of them can"),
        ({"oauth2": OAUTH2, "basic": LOGIN}, "oauth2: sets Authorization, as basic does"),
        ({"oauth2": OAUTH2, "headers": {"authorization": Secret("hush")}}, "headers: sets Authorization, as oauth2 do"),
        ({"basic": Basic(username="a:b", password=Secret("hush"))}, "basic: username holds a colon, which ends it"),
        ({"proxy": "socks5://h:1"}, 'proxy: not an http or https URL, such as "http://192.168.1.2:3128"'),
        ({"proxy": "http://u:hush@h"}, "proxy: holds a user name; put it into basic, or for a proxy into proxy_basic"),
        ({"proxy": "http://h/x"}, "proxy: nothing may follow host and port"),
        ({"proxy_basic": LOGIN}, "proxy_basic: needs proxy beside it"),
        ({"key": Path("x")}, "key: needs cert beside it"),
        ({"content_type": ""}, "content_type: is empty or holds characters that no header may hold"),
        ({"format": "original", "picture": "inline"}, 'picture: has to be "none" with format = "original", whose'),
        ({"format": "template"}, 'template: is missing, which format = "template" needs'),
        ({"template": "x"}, 'template: goes with format = "template" only'),
        ({"url": "erp.example"}, "url: not an http or https URL"),
        ({"url": "ftp://erp.example/"}, "url: not an http or https URL"),
        ({"url": "http://"}, "url: not an http or https URL"),
        ({"url": "http://erp.example/a b"}, "url: not an http or https URL"),
        ({"url": "http://erp.example:70000/"}, "url: not a URL with a port between 1 and 65535"),
        ({"url": "http://erp.example:0/"}, "url: not an http or https URL"),
        ({"url": "http://u:hush@erp.example/"}, "url: holds a user name"),
        ({"secret": Secret("")}, "secret: is empty"),
        ({"secret": Secret("whsec_")}, "secret: is empty"),
        ({"secret": Secret("whsec_hush!!")}, "secret: what follows whsec_ is not base64"),
        ({"headers": {"X Y": Secret("hush")}}, 'headers: "X Y" is not the name of a header'),
        ({"headers": {"X": Secret("hush\r\nY: 1")}}, 'headers: the value of "X" is empty or holds characters'),
        ({"headers": {"X": Secret("")}}, 'headers: the value of "X" is empty'),
        ({"headers": {"Content-Length": Secret("1")}}, 'headers: "Content-Length" is set by boxbridge itself'),
        ({"headers": {"webhook-id": Secret("1")}}, 'headers: "webhook-id" is set by boxbridge itself'),
        ({"headers": {"X-Boxbridge-Id": Secret("1")}}, 'headers: "X-Boxbridge-Id" is set by boxbridge itself'),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, Any], sentence: str) -> None:
    (told,) = sentences(WebhookOptions(**{"url": HERE, **options}).faults())
    assert re.match(sentence, told)
    assert "hush" not in told
    assert chinese(told)


def test_a_url_for_tokens_is_checked_as_well() -> None:
    for url in ("ftp://h/", "http://169.254.169.254/"):
        (told,) = OAuth2(token_url=url, client_id="me", client_secret=Secret("hush")).faults()
        assert told.startswith("token_url: ")
        assert chinese(told)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ('{"a":\n{{ evnt.name | tojson }}}', 'line 2 of the template: "evnt" is not known, did you mean "event"?'),
        ('{"a":\n{% if late %}{{ scene }}{% endif %}1}', 'line 2 of the template: "scene" is not known (there are: '),
        (
            "\n\n{{ event.nmae | tojson }}",
            "line 3 of the template: 'bridge.event.Event object' has no attribute 'nmae'",
        ),
        ('{{ event.counts["人"] | tojson }}', "line 1 of the template: 'dict object' has no attribute '人'"),
        ("{% if %}", "line 1 of the template: Expected an expression"),
        ("{{ event.name | bold }}", "line 1 of the template: No filter named 'bold'."),
        ("{{ 1 / 0 }}", "line 1 of the template: ZeroDivisionError: division by zero"),
        ("{{ event.with_(id=1) }}", "line 1 of the template: access to attribute 'with_' of 'Event' object is unsafe."),
        (
            "{{ event.scene.read() }}",
            "line 1 of the template: access to attribute 'read' of 'Picture' object is unsafe.",
        ),
        (
            '{{ "".__class__.mro() }}',
            "line 1 of the template: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ range(10 ** 9) | list }}", "line 1 of the template: OverflowError: Range too big"),
        ('{"a": "{{ event.name }}"}', 'gives no JSON where a name holds quotes, at: {"a": "'),
        (
            "plain text",
            "gives no JSON where a name holds quotes, at: plain text; write {{ … | tojson }} without quotes",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_its_line(template: str, sentence: str) -> None:
    (told,) = sentences(WebhookOptions(url=HERE, format="template", template=template).faults())
    assert told.startswith(f"template: {sentence}")
    assert chinese(told)


def test_a_template_that_is_wrong_is_found_where_it_stands_in_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "boxbridge.toml"
    table = '[output.erp]\ntype = "webhook"\nurl = "http://127.0.0.1/"\nformat = "template"\n'
    file.write_text(f'{table}template = """\n{{{{ evnt }}}}"""\nsecret = ["a", {{ file = "none" }}]\n')
    with pytest.raises(ConfigError) as raised:
        read(file, {}).settings({"webhook": Webhook})
    said = str(raised.value)
    assert "output.erp.secret[1].file: can't read" in said
    assert re.search(r'boxbridge\.toml:5:12 +output\.erp\.template: line 1 of the template: "evnt" is not known', said)
