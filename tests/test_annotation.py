"""An event is drawn onto a copy of its scene, once whichever outputs ask, and the scene itself stays as it is."""

from __future__ import annotations

import asyncio
import io
import random
import threading
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from bridge import Attribute, Box, Event, Output, OutputContext, PictureLost, Point, Region, Target
from bridge import annotator as annotator_module
from bridge.annotation import MOST_PIXELS, Undrawable, annotate
from bridge.annotator import Annotator
from bridge.fonts import Font, chinese_font
from bridge.output import NoOptions
from bridge.testing import draw_dot, draw_scene, sample_event

pytestmark = pytest.mark.anyio

SIZE = 640, 360
SCENE = draw_scene(*SIZE, seed=1, size=None)
LATIN = Font(next(Path("/usr/share/fonts").rglob("DejaVuSans.ttf"), Path("none")))


def drawn(event: Event, font: Font | None = None, scene: bytes = SCENE) -> Image.Image:
    return Image.open(io.BytesIO(annotate(scene, event, font, UTC)))


def bare(**changes: Any) -> Event:
    """An event that says nothing that would be drawn but its caption."""
    return sample_event(small=True).with_(**{"regions": (), "targets": (), "counts": {}} | changes)


def difference(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int]) -> int:
    """How much a part of two pictures differs, 0 to 255."""
    extremes = ImageChops.difference(one.convert("L").crop(box), other.convert("L").crop(box)).getextrema()
    assert isinstance(extremes[1], int | float)
    return int(extremes[1])


# --- Drawing


def test_a_box_is_drawn_where_the_event_says_in_the_vendors_colour() -> None:
    target = Target(track="17", box=Box(0.5, 0.5, 0.25, 0.25))
    plain, marked = drawn(bare(style={"color": "BLUE"})), drawn(bare(style={"color": "BLUE"}, targets=(target,)))
    red, _, blue = marked.convert("RGB").getpixel((320, 225))  # type: ignore[misc]
    assert blue > 150 > red
    assert difference(plain, marked, (330, 190, 470, 265)) < 60  # what is in the box stays to be seen
    assert difference(plain, marked, (0, 100, 300, 360)) < 60


@pytest.mark.parametrize("colour", ["GREEN", "BLUE", "BLACK", "WHITE", "YELLOW", "RED"])
def test_a_label_can_be_read_whatever_the_vendors_colour(colour: str) -> None:
    target = Target(track="88888888", box=Box(0.5, 0.5, 0.25, 0.25))
    label = drawn(bare(style={"color": colour}, targets=(target,))).convert("L").crop((322, 167, 380, 176))
    darkest, brightest = label.getextrema()
    assert isinstance(darkest, int)
    assert isinstance(brightest, int)
    assert brightest - darkest > 100


def test_a_label_hides_no_other_one() -> None:
    one, other = (Target(track=track, box=Box(0.5, 0.5, 0.25, 0.25)) for track in ("1111111", "8888888"))
    alone, both = drawn(bare(targets=(one,))), drawn(bare(targets=(one, other)))
    assert difference(alone, both, (320, 164, 400, 176)) < 30
    assert difference(alone, both, (330, 184, 380, 192)) > 60


def test_the_label_of_a_target_beneath_the_caption_is_beside_it() -> None:
    target = Target(track="1111111", box=Box(0.02, 0.02, 0.02, 0.02))
    event = bare()
    assert difference(drawn(event), drawn(event.with_(targets=(target,))), (0, 0, *SIZE)) > 100


def test_regions_and_lines_are_drawn_and_a_point_alone_is_not() -> None:
    corners = (Point(0.5, 0.5), Point(0.9, 0.5), Point(0.9, 0.9))
    for points, seen in ((corners, True), (corners[:2], True), (corners[:1], False), ((), False)):
        region = Region(id="1", name="area", points=points)
        assert (difference(drawn(bare()), drawn(bare(regions=(region,))), (330, 170, 600, 190)) > 60) == seen


@pytest.mark.parametrize("value", [float("inf"), -1e300, 1e300, float("nan")])
def test_absurd_coordinates_harm_nobody(value: float) -> None:
    target = Target(track="1" * 5000, box=Box(value, 0.5, 1e9, -5))
    region = Region(id="1", points=(Point(value, 0), Point(0, value)))
    assert drawn(bare(targets=(target,) * 1000, regions=(region,))).size == SIZE


def test_chinese_is_never_drawn_as_squares() -> None:
    """Given no font with Chinese: what Latin fonts can show stands in its place."""
    target = Target(track="7", box=Box(0.5, 0.5, 0.2, 0.2), attributes=(Attribute(key="k", label="颜色", value="红"),))
    plain = Target(track="7", box=Box(0.5, 0.5, 0.2, 0.2))
    assert drawn(bare(targets=(target,))).tobytes() == drawn(bare(targets=(plain,))).tobytes()
    named = bare(name="离开", counts={"车": 2})
    assert drawn(named).tobytes() == drawn(named.with_(name="", counts={"(1)": 2})).tobytes()


@pytest.mark.skipif(not LATIN.path.is_file(), reason="no font on this machine")
def test_with_a_font_each_character_is_drawn() -> None:
    one, other = (drawn(bare(name=name), LATIN) for name in ("车辆离开", "Car left"))
    assert difference(one, other, (0, 0, 200, 40)) > 100


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (31, 2000)])
def test_a_small_or_odd_scene_is_drawn_on_as_well(size: tuple[int, int]) -> None:
    assert drawn(sample_event(small=True, targets=3), scene=draw_scene(*size, seed=1, size=None)).size == size


@pytest.mark.parametrize("scene", [b"", b"GIF89a", SCENE[:2000], b"\xff\xd8\xff" + bytes(100)])
def test_what_is_no_whole_picture_is_not_drawn_on(scene: bytes) -> None:
    with pytest.raises(Undrawable, match="it can't be decoded"):
        annotate(scene, bare(), None, UTC)


def test_a_huge_picture_is_not_decoded() -> None:
    huge = io.BytesIO()
    Image.new("1", (MOST_PIXELS // 1000 + 1, 1000)).save(huge, "PNG")
    with pytest.raises(Undrawable, match=r"it has 20001x1000 pixels, more than 20,000,000"):
        annotate(huge.getvalue(), bare(), None, UTC)


def test_a_font_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ttf").write_bytes(b"no font")
    with pytest.raises(Undrawable, match=r"the font .*a\.ttf can't be used"):
        annotate(SCENE, bare(), Font(tmp_path / "a.ttf"), UTC)


# --- Fonts


def test_the_font_is_the_one_below_data_else_the_best_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, data = tmp_path / "machine", tmp_path / "data"
    (machine / "deep").mkdir(parents=True)
    monkeypatch.setattr("bridge.fonts.FOLDERS", (str(tmp_path / "nowhere"), str(machine)))
    for name in ("DejaVuSans.ttf", "wqy-microhei.ttc", "uming.ttc"):
        (machine / "deep" / name).touch()
    (data / "fonts").mkdir(parents=True)
    (data / "fonts" / "README.txt").touch()
    assert chinese_font(data) == Font(machine / "deep" / "wqy-microhei.ttc")
    (machine / "NotoSansCJK-Regular.ttc").touch()
    chinese_font.cache_clear()
    assert chinese_font(data) == Font(machine / "NotoSansCJK-Regular.ttc", 2)
    (data / "fonts" / "Ours.TTF").touch()
    chinese_font.cache_clear()
    assert chinese_font(data) == Font(data / "fonts" / "Ours.TTF")
    monkeypatch.setattr("bridge.fonts.FOLDERS", ())
    assert chinese_font(tmp_path) is None
    chinese_font.cache_clear()


# --- Once an event, in a thread, and no more kept than there may be


class Source:
    """Where a scene comes from; it may be lost, or slow."""

    def __init__(self, scene: bytes = SCENE) -> None:
        self.scene = scene
        self.reads: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    async def read(self, sha256: str) -> bytes:
        raise AssertionError("only the thread reads it")

    def read_blocking(self, _: str) -> bytes:
        self.reads.append(threading.current_thread().name)
        assert self.go_on.wait(20)
        if self.error:
            raise self.error
        return self.scene


class Asking(Output):
    type = "asking"


def outputs(folder: Path, count: int) -> list[Output]:
    shared = Annotator()
    context = [
        OutputContext(name=f"o{n}", options=NoOptions(), site="", data=folder, timezone=UTC, annotator=shared)
        for n in range(count)
    ]
    return [Asking(one) for one in context]


async def test_it_is_drawn_once_whichever_outputs_ask_and_never_on_the_loop(tmp_path: Path) -> None:
    source = Source()
    first, second, third = outputs(tmp_path, 3)
    event = sample_event(small=True).reading_from(source)
    together = await asyncio.gather(first.annotated(event), second.annotated(event))
    later = await asyncio.to_thread(third.annotated_blocking, event)
    assert together[0] is together[1] is later
    assert later is not None
    assert source.reads == ["annotate-1"]
    assert event.scene is not None
    assert event.scene.read_blocking() == SCENE


async def test_who_gives_up_waiting_takes_nothing_from_the_others(tmp_path: Path) -> None:
    source = Source()
    source.go_on.clear()
    impatient, patient = outputs(tmp_path, 2)
    event = sample_event(small=True).reading_from(source)
    waiting = asyncio.create_task(patient.annotated(event))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await impatient.annotated(event)
    source.go_on.set()
    assert await waiting


@pytest.mark.parametrize("error", [PictureLost("damaged"), OSError(5, "input/output error")])
async def test_a_scene_that_can_t_be_read_is_an_error_and_tried_anew(tmp_path: Path, error: Exception) -> None:
    source = Source()
    source.error = error
    (output,) = outputs(tmp_path, 1)
    event = sample_event(small=True).reading_from(source)
    with pytest.raises(type(error)):
        await output.annotated(event)
    source.error = None
    assert await output.annotated(event)


async def test_without_a_scene_or_with_one_that_is_no_picture_there_is_none(tmp_path: Path) -> None:
    (output,) = outputs(tmp_path, 1)
    assert await output.annotated(sample_event(picture=b"")) is None
    assert await output.annotated(sample_event(small=True).reading_from(Source(b"no picture"))) is None
    assert await output.annotated(sample_event(picture=draw_dot())) is not None


async def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = io.BytesIO()
    Image.frombytes("RGB", (200, 200), random.Random(1).randbytes(120_000)).save(noise, "JPEG")
    monkeypatch.setattr(annotator_module, "KEPT_BYTES", 100_000)
    source = Source(noise.getvalue())
    (output,) = outputs(tmp_path, 1)
    events = [sample_event(small=True).reading_from(source) for _ in range(8)]
    sizes = [len(await output.annotated(event) or b"") for event in events]
    most = 100_000 // max(sizes)
    assert 1 <= most < 8
    await output.annotated(events[-1])
    assert len(source.reads) == 8
    await output.annotated(events[0])
    assert len(source.reads) == 9
