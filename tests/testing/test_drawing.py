"""Drawn pictures are pictures for everybody."""

from __future__ import annotations

import io
import time

import pytest

from bridge.formats import measure, media_type
from bridge.testing import draw_dot, draw_scene, vary


def test_a_scene_has_about_the_wanted_size_and_its_measures() -> None:
    scene = draw_scene(seed=1)
    assert (media_type(scene), *measure(scene)) == ("image/jpeg", 1920, 1080)
    assert len(scene) == pytest.approx(290_000, rel=0.05)
    assert len(draw_scene(seed=1, size=150_000)) == pytest.approx(150_000, rel=0.05)
    assert len(draw_scene(seed=1, size=None)) < 50_000


def test_the_same_seed_draws_the_same_scene_and_another_seed_another() -> None:
    assert draw_scene(seed=1) == draw_scene(seed=1)
    assert draw_scene(seed=1) != draw_scene(seed=2)


def test_a_scene_is_drawn_well_before_the_next_push() -> None:
    begun = time.perf_counter()
    for seed in range(5):
        draw_scene(seed=seed)
    assert time.perf_counter() - begun < 2.5


def test_varied_pictures_differ_and_are_as_large() -> None:
    scene = draw_scene(640, 360, seed=1, size=None)
    varied = {vary(scene, number) for number in range(100)}
    assert len(varied) == 100
    assert {measure(picture) for picture in varied} == {(640, 360)}


def test_an_imaging_library_reads_what_was_drawn() -> None:
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(vary(draw_scene(641, 363, seed=50_000, size=60_000), 7))) as scene:
        scene.load()
        assert (scene.size, scene.mode) == ((641, 363), "RGB")
        red, green, blue = scene.getpixel((3, 3))
        assert blue > green > red, "the sky should be blue"
    with image.open(io.BytesIO(draw_dot(5))) as dot:
        assert dot.getpixel((4, 4)) == 5 * 37 % 255 + 1
