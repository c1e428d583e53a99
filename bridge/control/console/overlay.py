"""What an event saw, as shapes over its scene: regions, boxes, tracks. The picture itself stays as it came."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bridge.event import Event, Region, Target

_MOST: Final = 200
"""Shapes of one kind: more of them would hide the scene."""
_WIDTH, _HEIGHT = 1920, 1080
_LONGEST: Final = 40


class Shape(Struct, frozen=True, kw_only=True):
    """One region or target, in pixels of the scene."""

    kind: str
    """region, shield or target."""
    points: str
    """As SVG writes them."""
    label: str
    x: float
    y: float
    """Where the label stands."""


class Overlay(Struct, frozen=True, kw_only=True):
    """All shapes of one scene."""

    width: int
    height: int
    shapes: list[Shape]

    @property
    def letters(self) -> float:
        """How high a label is: the picture is as large on the page however many pixels it has."""
        return round(self.height / 36, 2)


def overlay(event: Event, most: int = _MOST) -> Overlay:
    """The shapes of an event, so many of one kind; of a scene of unknown size as if it had 1920 by 1080 pixels."""
    scene = event.scene
    width = (scene and scene.width) or _WIDTH
    height = (scene and scene.height) or _HEIGHT
    shapes = [_region(region, width, height, most) for region in event.regions[:most] if len(region.points) > 1]
    shapes += [_target(target, width, height) for target in event.targets[:most] if target.box is not None]
    return Overlay(width=width, height=height, shapes=shapes)


def _region(region: Region, width: int, height: int, most: int) -> Shape:
    corners = [(_within(point.x) * width, _within(point.y) * height) for point in region.points[:most]]
    lowest = max(corners, key=lambda corner: corner[1])  # what the picture shows of itself is mostly above
    kind = "shield" if region.kind.startswith("shield") else "region"
    return _shape(kind, corners, region.name or region.id, lowest)


def _target(target: Target, width: int, height: int) -> Shape:
    assert target.box is not None  # noqa: S101 - asked for before
    left, top = _within(target.box.left) * width, _within(target.box.top) * height
    right = _within(target.box.left + target.box.width) * width
    bottom = _within(target.box.top + target.box.height) * height
    said = [f"#{target.track}" if target.track else "", *(one.value for one in target.attributes[:2])]
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return _shape("target", corners, " ".join(filter(None, said)), (left, top))


def _shape(kind: str, corners: list[tuple[float, float]], label: str, at: tuple[float, float]) -> Shape:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return Shape(kind=kind, points=points, label=label[:_LONGEST], x=round(at[0], 1), y=round(at[1], 1))


def _within(fraction: float) -> float:
    """What is far outside moves to the edge, and so does what is no number."""
    return min(1.0, max(0.0, fraction)) if fraction == fraction else 0.0  # noqa: PLR0124 - only nan is not itself
