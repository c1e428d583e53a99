"""`annotated = true`: each built-in output brings out a copy of the scene with the event drawn onto it, beside it."""

from __future__ import annotations

import base64
import email
import io
import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from bridge import Delivery, Event, Original, OutputContext, annotation
from bridge.annotation import annotate
from bridge.cli.configuration import check_command
from bridge.config.load import read
from bridge.errors import ConfigError
from bridge.event import encode_document
from bridge.fonts import chinese_font
from bridge.plugins import Plugins
from bridge.testing import draw_scene, sample_event
from bridge_archive.output import Archive, ArchiveOptions
from tests.brokers import Mosquitto, Subscriber
from tests.plugins.mqtt.sending import opened, output_to
from tests.plugins.webhook.receivers import Receiver
from tests.plugins.webhook.receivers import opened as opened_webhook

pytestmark = pytest.mark.anyio

SCENE = draw_scene(320, 180, seed=1, size=None)
OUTPUTS = Plugins().load().outputs


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The daemon's own event loop: paho hangs on its file descriptors."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web service that keeps what it is sent."""
    with Receiver().serving() as serving:
        yield serving


def delivery_of(event: Event) -> Delivery:
    return Delivery(event=event, document=encode_document(event), original=Original("POST", "/", "", "", (b"{}",)))


def event_of(picture: bytes = SCENE) -> Event:
    return sample_event(picture=picture, targets=1, device="gate-3")


def copies_in(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("*_annotated.jpg")]


def is_drawn(data: bytes) -> bool:
    return Image.open(io.BytesIO(data)).size == (320, 180) and data != SCENE


async def test_the_archive_keeps_it_beside_the_scene(tmp_path: Path) -> None:
    options = ArchiveOptions(annotated=True)
    archive = Archive(OutputContext(name="local", options=options, site="", data=tmp_path, timezone=UTC))
    await archive.open()
    delivery = delivery_of(event_of())
    await archive.deliver(delivery)
    await archive.deliver(delivery_of(event_of(b"no picture that anybody knows")))
    files = [Path(place) for place in archive.where(delivery).splitlines()]
    assert [file.name.partition(delivery.event.id)[2] for file in files] == [
        ".jpg", ".json", ".original.json", "_annotated.jpg",
    ]  # fmt: skip
    assert files[0].read_bytes() == SCENE
    assert is_drawn(files[3].read_bytes())
    assert copies_in(files[0].parent) == [files[3].name]
    assert (tmp_path / "archive" / "latest" / "gate-3_1.jpg").read_bytes() == SCENE


async def test_mqtt_publishes_it_beside_the_scene(mosquitto: Mosquitto, tmp_path: Path) -> None:
    channel = "boxbridge/plant-a/gate-3/1"
    delivery = delivery_of(event_of())
    with Subscriber(mosquitto, f"{channel}/#") as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path, annotated=True)) as output:
            await output.deliver(delivery)
            await subscriber.until(lambda got: got.on(f"{channel}/event"))
            assert output.where(delivery).splitlines() == subscriber.topics
    assert subscriber.topics == [f"{channel}/picture", f"{channel}/picture/annotated", f"{channel}/event"]
    scene, drawn, document = subscriber.messages
    assert (scene.payload, document.payload) == (SCENE, delivery.document)
    assert is_drawn(drawn.payload)
    assert (drawn.content_type, drawn.properties["id"]) == ("image/jpeg", delivery.event.id)


async def test_mqtt_leaves_it_out_where_it_does_not_fit(mosquitto: Mosquitto, tmp_path: Path) -> None:
    event = event_of()
    limit = len(annotate(SCENE, event, chinese_font(tmp_path), UTC))
    assert len(SCENE) < limit - 1000, "the scene fits, its copy does not"
    with Subscriber(mosquitto, "boxbridge/plant-a/gate-3/1/#") as subscriber:
        async with opened(output_to(mosquitto.url, tmp_path, annotated=True, max_packet=limit)) as output:
            await output.deliver(delivery_of(event))
            await subscriber.until(lambda got: got.on("boxbridge/plant-a/gate-3/1/event"))
    assert len(subscriber.messages) == 2
    assert subscriber.messages[1].properties["picture"].startswith("annotated: ")


async def test_a_webhook_sends_it_in_the_document_or_as_a_part(receiver: Receiver) -> None:
    delivery = delivery_of(event_of())
    async with opened_webhook(receiver.url(), picture="inline", annotated=True) as webhook:
        await webhook.deliver(delivery)
    async with opened_webhook(receiver.url(), picture="multipart", annotated=True) as webhook:
        await webhook.deliver(delivery)
    inline, multipart = receiver.requests
    (entry,) = json.loads(inline.body)["data"]["pictures"]
    assert base64.b64decode(entry["data_base64"]) == SCENE
    assert is_drawn(base64.b64decode(entry["annotated_base64"]))
    head = f"Content-Type: {multipart.headers['content-type']}\r\n\r\n".encode()
    parts = [part for part in email.message_from_bytes(head + multipart.body).walk() if not part.is_multipart()]
    names = [part.get_param("name", header="content-disposition") for part in parts]
    assert names == ["event", "scene", "annotated"]
    drawn = parts[2].get_payload(decode=True)
    assert isinstance(drawn, bytes)
    assert is_drawn(drawn)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('type = "mqtt"\nurl = "mqtt://127.0.0.1"\npicture = "none"', 'needs picture = "topic"'),
        ('type = "webhook"\nurl = "http://127.0.0.1/"', 'needs picture = "inline" or "multipart"'),
    ],
)
def test_without_pictures_there_is_nothing_to_draw_on(tmp_path: Path, keys: str, said: str) -> None:
    file = tmp_path / "boxbridge.toml"
    file.write_text(f"[output.a]\nannotated = true\n{keys}\n")
    with pytest.raises(ConfigError, match=f"output.a.annotated: {said}"):
        read(file).settings(OUTPUTS)


@pytest.mark.parametrize("beside", ["", 'layout = "{date}"\n'], ids=["alone", "beside another fault"])
def test_pillow_has_to_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str) -> None:
    file = tmp_path / "boxbridge.toml"
    file.write_text(f'[output.a]\ntype = "archive"\nannotated = true\n{beside}')
    monkeypatch.setattr(annotation, "is_possible", lambda: False)
    with pytest.raises(
        ConfigError, match=r'3:13 +output.a.annotated: needs Pillow: pip install "boxbridge\[annotate\]"'
    ):
        read(file).settings(OUTPUTS)
    file.write_text('[output.a]\ntype = "archive"\n')
    read(file).settings(OUTPUTS)


def test_check_says_which_font_has_chinese_or_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "boxbridge.toml"
    file.write_text('data = "data"\n[output.a]\ntype = "archive"\nannotated = true\n')
    monkeypatch.setattr("bridge.fonts.FOLDERS", ())

    def check(lang: str) -> str:
        chinese_font.cache_clear()
        return CliRunner().invoke(check_command, ["-c", str(file), "--lang", lang]).output

    assert "no font with Chinese here" in check("en")
    assert (
        f"本机没有中文字体，名称将以编号代替：请安装 fonts-wqy-microhei，或把字体文件放入 {tmp_path}/data/fonts"
        in check("zh")
    )
    (tmp_path / "data" / "fonts").mkdir(parents=True)
    (tmp_path / "data" / "fonts" / "ours.ttf").touch()
    assert f"annotated   Chinese by {tmp_path}/data/fonts/ours.ttf" in check("en")
    file.write_text('data = "data"\n[output.a]\ntype = "archive"\n')
    assert "annotated" not in check("en")
    chinese_font.cache_clear()
