"""What arrives at the far side."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
import json
import re
import time
from email.message import Message
from urllib.parse import unquote

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from bridge import PictureLost, Rejected, Secret
from bridge_webhook.options import Basic
from tests.plugins.deliveries import ID, SCENE, delivery_of
from tests.plugins.webhook.receivers import Receiver, opened

pytestmark = pytest.mark.anyio

KEY = bytes(range(24))
WHSEC = "whsec_" + base64.b64encode(KEY).decode()


def parts_of(content_type: str, body: bytes) -> list[Message]:
    """The parts of a form, as another program reads them."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    return [part for part in email.message_from_bytes(head + body).walk() if not part.is_multipart()]


def content_of(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


async def test_the_document_arrives_as_a_cloudevent(receiver: Receiver) -> None:
    delivery = delivery_of(("scene", SCENE))
    async with opened(receiver.url()) as webhook:
        await webhook.deliver(delivery)
    (request,) = receiver.requests
    assert request.target == "/hooks/alarm"
    assert request.body == delivery.document
    assert request.headers["content-type"] == "application/cloudevents+json"
    event = from_http_event(HTTPMessage(headers=request.headers, body=request.body))
    assert event.get_id() == ID
    assert event.get_type() == "boxbridge.event.pre_offvehicle"
    assert event.get_source() == "/plant-a/gate-3/1"
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["counts"] == {"车辆离开": 2}


async def test_what_belongs_to_the_delivery_is_in_headers(receiver: Receiver) -> None:
    async with opened(receiver.url(), headers={"Authorization": Secret("Bearer abc")}) as webhook:
        await webhook.deliver(delivery_of(kind="车辆 100%", attempt=3, late=True))
        await webhook.deliver(delivery_of(replayed=True))
    late, replayed = (request.headers for request in receiver.requests)
    assert late["x-boxbridge-id"] == ID
    assert unquote(late["x-boxbridge-kind"]) == "车辆 100%"
    assert late["x-boxbridge-attempt"] == "3"
    assert (late["x-boxbridge-late"], late["x-boxbridge-replayed"]) == ("true", "false")
    assert (replayed["x-boxbridge-late"], replayed["x-boxbridge-replayed"]) == ("false", "true")
    assert replayed["x-boxbridge-kind"] == "pre_offvehicle"
    assert late["authorization"] == "Bearer abc"
    assert late["user-agent"] == "boxbridge/1.2.3"
    assert "webhook-signature" not in late


@pytest.mark.parametrize(("secret", "key"), [(WHSEC, KEY), (WHSEC.rstrip("="), KEY), ("just text", b"just text")])
async def test_a_secret_signs_the_exact_body(receiver: Receiver, secret: str, key: bytes) -> None:
    async with opened(receiver.url(), secret=Secret(secret), picture="inline") as webhook:
        await webhook.deliver(delivery_of(("scene", SCENE)))
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == ID
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert Verifier(key).verify(request.body, request.headers)["id"] == ID
    with pytest.raises(WebhookVerificationError):
        Verifier(key).verify(request.body.replace(b"plant-a", b"plant-b"), request.headers)


async def test_the_signature_of_a_form_covers_its_bytes(receiver: Receiver) -> None:
    async with opened(receiver.url(), secret=Secret(WHSEC), picture="multipart") as webhook:
        await webhook.deliver(delivery_of(("scene", SCENE)))
    (request,) = receiver.requests
    signed = f"{ID}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


async def test_inline_adds_the_pictures_to_their_entries_and_changes_nothing_else(receiver: Receiver) -> None:
    delivery = delivery_of(("scene", SCENE), ("target", b"snapshot"))
    async with opened(receiver.url(), picture="inline") as webhook:
        await webhook.deliver(delivery)
    (request,) = receiver.requests
    sent, plain = json.loads(request.body), json.loads(delivery.document)
    added = [entry.pop("data_base64") for entry in sent["data"]["pictures"]]
    assert [base64.b64decode(text) for text in added] == [SCENE, b"snapshot"]
    assert sent == plain


def test_inline_keeps_every_byte_of_the_document_where_no_picture_is_added() -> None:
    delivery = delivery_of(("scene", SCENE))
    assert delivery.with_pictures({}) == delivery.document
    added = delivery.with_pictures({0: SCENE})
    assert added.replace(b',"data_base64":"%s"' % base64.b64encode(SCENE), b"") == delivery.document


async def test_multipart_has_the_document_and_a_part_for_each_picture(receiver: Receiver) -> None:
    delivery = delivery_of(("scene", SCENE), ("target", b"--\r\nsnapshot\r\n"))
    async with opened(receiver.url(), picture="multipart") as webhook:
        await webhook.deliver(delivery)
    (request,) = receiver.requests
    event, scene, target = parts_of(request.headers["content-type"], request.body)
    assert event.get_param("name", header="content-disposition") == "event"
    assert event.get_content_type() == "application/cloudevents+json"
    assert content_of(event) == delivery.document
    assert scene.get_param("name", header="content-disposition") == "scene"
    assert scene.get_filename() == "scene-0.jpg"
    assert scene.get_content_type() == "image/jpeg"
    assert content_of(scene) == SCENE
    assert target.get_filename() == "target-1.jpg"


@pytest.mark.parametrize("picture", ["inline", "multipart"])
async def test_an_event_whose_picture_is_lost_is_sent_without_it(receiver: Receiver, picture: str) -> None:
    async with opened(receiver.url(), picture=picture) as webhook:
        less = await webhook.deliver(delivery_of(("scene", None), ("target", b"snapshot")))
    assert less == "scene: left out, its bytes were damaged on disk"
    (request,) = receiver.requests
    assert request.headers["x-boxbridge-picture"] == "lost"
    if picture == "inline":
        entries = json.loads(request.body)["data"]["pictures"]
        assert ["data_base64" in entry for entry in entries] == [False, True]
    else:
        names = [part.get_filename() for part in parts_of(request.headers["content-type"], request.body)]
        assert names == [None, "target-1.jpg"]


async def test_a_lost_picture_that_is_not_sent_anyway_is_no_news(receiver: Receiver) -> None:
    async with opened(receiver.url()) as webhook:
        await webhook.deliver(delivery_of(("scene", None)))
    assert "x-boxbridge-picture" not in receiver.requests[0].headers


async def test_connections_are_used_again(receiver: Receiver) -> None:
    async with opened(receiver.url(), picture="multipart") as webhook:
        for _ in range(5):
            await webhook.deliver(delivery_of(("scene", bytes(300_000))))
    assert len(receiver.requests) == 5
    assert len({request.peer for request in receiver.requests}) == 1


async def test_while_secrets_change_over_each_of_them_verifies(receiver: Receiver) -> None:
    """The receiver changes whenever it likes: the old secret, the new one and both in either order are good."""
    old, new = Secret(WHSEC), Secret("whsec_" + base64.b64encode(bytes(32)).decode())
    for secrets in ([old], [new, old], [old, new], [new]):
        async with opened(receiver.url(), secret=secrets) as webhook:
            await webhook.deliver(delivery_of())
        request = receiver.requests[-1]
        signatures = request.headers["webhook-signature"].split(" ")
        assert [signature[:3] for signature in signatures] == ["v1,"] * len(secrets)
        for secret in (old, new):
            verifier = Verifier(secret.reveal())
            if secret in secrets:
                assert verifier.verify(request.body, request.headers)["id"] == ID
            else:
                with pytest.raises(WebhookVerificationError):
                    verifier.verify(request.body, request.headers)


async def test_the_original_is_posted_as_it_came_with_its_content_type(receiver: Receiver) -> None:
    delivery = delivery_of(("scene", SCENE))
    async with opened(receiver.url(), format="original", secret=Secret(WHSEC)) as webhook:
        await webhook.deliver(delivery)
    (request,) = receiver.requests
    assert request.body == b'{"bg" : "' + base64.b64encode(SCENE) + b'"}'
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-boxbridge-id"] == ID
    expected = hmac.digest(KEY, f"{ID}.{request.headers['webhook-timestamp']}.".encode() + request.body, hashlib.sha256)
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


@pytest.mark.parametrize("content_type", ["", "text/plain; name=东", "a\r\nX: y"])
async def test_an_original_of_no_sendable_content_type_is_bytes(receiver: Receiver, content_type: str) -> None:
    delivery = delivery_of()
    original = msgspec.structs.replace(delivery.original, content_type=content_type)
    async with opened(receiver.url(), format="original") as webhook:
        await webhook.deliver(msgspec.structs.replace(delivery, original=original))
    assert receiver.requests[0].headers["content-type"] == "application/octet-stream"


async def test_an_original_whose_picture_is_lost_can_not_be_sent(receiver: Receiver) -> None:
    async with opened(receiver.url(), format="original") as webhook:
        with pytest.raises(PictureLost):
            await webhook.deliver(delivery_of(("scene", None)))
    assert receiver.requests == []


TEXT = """{"msgtype": "text", "text": {"content":
  {{ (event.occurred | localtime("%H:%M") ~ " " ~ event.channel.name ~ " " ~ event.name) | tojson }}},
  "counts": {{ event.counts | tojson }}, "again": {{ attempt }}, "late": {{ late | tojson }},
  "when": {{ event.received | tojson }}}"""


async def test_a_template_gives_the_body(receiver: Receiver) -> None:
    async with opened(receiver.url(), format="template", template=TEXT, secret=Secret(WHSEC)) as webhook:
        await webhook.deliver(delivery_of(attempt=2))
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "msgtype": "text",
        "text": {"content": "12:15 东门 车辆离开"},
        "counts": {"车辆离开": 2},
        "again": 2,
        "late": False,
        "when": "2026-11-23T20:15:01.123000+08:00",
    }
    assert Verifier(KEY).verify(request.body, request.headers)


async def test_a_template_has_the_pictures_where_they_are_inline(receiver: Receiver) -> None:
    template = '{"scene": {{ scene | tojson }}, "all": {{ pictures | tojson }}}'
    options = {"format": "template", "picture": "inline", "template": template}
    async with opened(receiver.url(), **options) as webhook:
        await webhook.deliver(delivery_of(("target", b"snapshot"), ("scene", SCENE), ("other", None)))
        await webhook.deliver(delivery_of())
    with_pictures, without = (json.loads(request.body) for request in receiver.requests)
    scene, snapshot = base64.b64encode(SCENE).decode(), base64.b64encode(b"snapshot").decode()
    assert with_pictures == {"scene": scene, "all": [snapshot, scene, ""]}
    assert without == {"scene": "", "all": []}
    assert receiver.requests[0].headers["x-boxbridge-picture"] == "lost"


async def test_a_template_may_be_a_part_beside_the_pictures(receiver: Receiver) -> None:
    options = {
        "format": "template",
        "picture": "multipart",
        "template": "{{ event.kind }}",
        "content_type": "text/plain",
    }
    async with opened(receiver.url(), **options) as webhook:
        await webhook.deliver(delivery_of(("scene", SCENE)))
    (request,) = receiver.requests
    event, scene = parts_of(request.headers["content-type"], request.body)
    assert (event.get_content_type(), content_of(event)) == ("text/plain", b"pre_offvehicle")
    assert content_of(scene) == SCENE


async def test_an_event_without_what_a_template_asks_for_is_rejected_with_the_line(receiver: Receiver) -> None:
    options = {"format": "template", "template": "\n{{ event.targets[0].track }}", "content_type": "text/plain"}
    async with opened(receiver.url(), **options) as webhook:
        with pytest.raises(Rejected, match=r"^line 2 of the template: tuple object has no element 0$"):
            await webhook.deliver(delivery_of())
    assert receiver.requests == []


async def test_what_a_device_says_is_never_a_template(receiver: Receiver) -> None:
    options = {"format": "template", "template": "{{ event.kind }}", "content_type": "text/plain"}
    async with opened(receiver.url(), **options) as webhook:
        await webhook.deliver(delivery_of(kind="{{ 7 * 7 }}"))
    assert receiver.requests[0].body == b"{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("device", "kind", "target"),
    [
        ("gate-3", "pre_offvehicle", "/plant-a/gate-3/1?kind=pre_offvehicle"),
        ("东门/../x", "a&b=c#d", "/plant-a/%E4%B8%9C%E9%97%A8%2F..%2Fx/1?kind=a%26b%3Dc%23d"),
        ("a b%2F{kind}", "100%", "/plant-a/a%20b%252F%7Bkind%7D/1?kind=100%25"),
    ],
)
async def test_names_in_the_url_are_filled_in_and_can_not_lead_elsewhere(
    receiver: Receiver, device: str, kind: str, target: str
) -> None:
    async with opened(receiver.url("/{site}/{device}/{channel}?kind={kind}")) as webhook:
        await webhook.deliver(delivery_of(device=device, kind=kind))
    assert receiver.requests[0].raw == target


@pytest.mark.parametrize("device", [".", ".."])
async def test_an_event_whose_name_would_be_a_step_between_folders_is_rejected(receiver: Receiver, device: str) -> None:
    async with opened(receiver.url("/{device}/x")) as webhook:
        with pytest.raises(Rejected, match=f'the device "{re.escape(device)}" can\'t stand in a url'):
            await webhook.deliver(delivery_of(device=device))


async def test_bearer_and_basic_are_sent(receiver: Receiver) -> None:
    login = Basic(username="me", password=Secret("hush:东"))
    for options in ({"bearer": Secret("t0ken")}, {"basic": login}):
        async with opened(receiver.url(), **options) as webhook:
            await webhook.deliver(delivery_of())
    bearer, basic = (request.headers["authorization"] for request in receiver.requests)
    assert bearer == "Bearer t0ken"
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "me:hush:东"
