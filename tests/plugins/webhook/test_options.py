"""What is wrong with a webhook's options is said in a sentence that begins with the key and tells no secret."""

from __future__ import annotations

from typing import Any

import pytest

from bridge import Secret
from bridge.cli.words.patterns import chinese
from bridge_webhook.options import WebhookOptions

HERE = "http://127.0.0.1/"


@pytest.mark.parametrize(
    "url",
    [
        "https://erp.example/hooks/alarm",
        "http://192.168.1.5:8080/x?token=a%20b",
        "http://[::1]:80",
        "https://东门.example/",
    ],
)
def test_urls_that_are_fine(url: str) -> None:
    assert WebhookOptions(url=url).url == url


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
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
    (told,) = WebhookOptions(**{"url": HERE, **options}).faults()
    assert told.startswith(sentence)
    assert "hush" not in told
    assert chinese(told)
