"""Drawing what an event says onto a copy of its scene: regions, boxes with tracks, counts. Needs Pillow.

Coordinates are fractions of the scene, as everywhere in an event. Text that the fonts of the machine can't show gives
way to an id or a number; nothing is ever drawn as empty squares.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final

from bridge.event import Event, Region, Target
from bridge.fonts import Font

if TYPE_CHECKING:
    from PIL import ImageDraw

MOST_PIXELS: Final = 20_000_000
"""A larger scene is not drawn on: decoded it takes three bytes a pixel."""
QUALITY: Final = 85

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
"""Pillow has decoders for much more, which no box sends and somebody might make use of."""
_MOST_DRAWN: Final = 200
"""Regions, targets or counts: more of them would hide the scene, and hold the thread."""
_OUTSIDE: Final = 1.0
"""How far outside the scene something is drawn, in scenes."""
_LONGEST: Final = 40
_MOST_LINES: Final = 20
_MOST_MOVES: Final = 8
"""Of a label that would hide others."""
_REGION: Final = (255, 204, 0)
_SHIELD: Final = (150, 150, 150)
_TARGET: Final = (255, 48, 48)
_SHADE: Final = (0, 0, 0, 190)
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)

Rgb = tuple[int, int, int]


class Undrawable(Exception):
    """The scene can't be drawn on; the text says why."""


def is_possible() -> bool:
    """Whether Pillow is installed."""
    return importlib.util.find_spec("PIL") is not None


def check_size(width: int, height: int) -> None:
    """Raises Undrawable for a scene that would take too much memory."""
    if width * height > MOST_PIXELS:
        raise Undrawable(f"it has {width}x{height} pixels, more than {MOST_PIXELS:,}")


def annotate(scene: bytes, event: Event, font: Font | None, timezone: tzinfo) -> bytes:
    """A JPEG of the scene with the event drawn onto it; raises Undrawable. Blocks, for a tenth of a second or so."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - an extra, and megabytes that only this needs

    try:
        with Image.open(io.BytesIO(scene), formats=_FORMATS) as opened:
            check_size(opened.width, opened.height)
            image = opened.convert("RGB")
    except Undrawable:
        raise
    except Exception as error:  # whatever a damaged file makes Pillow raise, down to SyntaxError
        raise Undrawable(f"it can't be decoded: {error}") from error
    _Drawing(ImageDraw.Draw(image, "RGBA"), image.size, font).event(event, timezone)
    drawn = io.BytesIO()
    image.save(drawn, "JPEG", quality=QUALITY)
    return drawn.getvalue()


class _Drawing:
    """One picture that is drawn on."""

    def __init__(self, draw: ImageDraw.ImageDraw, size: tuple[int, int], font: Font | None) -> None:
        self._draw = draw
        self._width, self._height = size
        self._line = max(1, min(size) // 300)
        self._letters = max(10, min(size) // 40)
        self._step = self._letters * 5 // 4
        """From one line of text to the next."""
        self._has_chinese = font is not None
        self._font = _loaded(font, self._letters)
        self._taken: list[tuple[float, float, float, float]] = []
        """Where words stand: no label hides others."""

    def event(self, event: Event, timezone: tzinfo) -> None:
        """Lines first, words over them; what it all is in the corner."""
        colour = _colour(event.style.get("color"))
        regions, targets = event.regions[:_MOST_DRAWN], event.targets[:_MOST_DRAWN]
        caption = self._caption(event, timezone)
        left = top = self._letters // 2
        self._taken.append(self._panel_at(caption, left, top))
        for region in regions:
            self._outline(region)
        for target in targets:
            self._box(target, colour)
        for region in regions:
            self._name(region)
        for target in targets:
            self._describe(target, colour)
        self._panel(caption, left, top)

    def _outline(self, region: Region) -> None:
        points = self._points(region)
        closed = [*points, points[0]] if len(points) > 2 else points
        for line, width in ((_SHADE, self._line + 2), (_of_region(region), self._line)):
            self._draw.line(closed, fill=line, width=width, joint="curve")

    def _name(self, region: Region) -> None:
        # At its lowest point: the caption is above.
        if points := self._points(region):
            lowest = max(points, key=lambda point: point[1])
            self._label(self._shown(region.name, region.id), lowest, _of_region(region))

    def _points(self, region: Region) -> list[tuple[int, int]]:
        """Its corners; none where a point alone would be drawn."""
        points = [self._at(point.x, point.y) for point in region.points[:_MOST_DRAWN]]
        return points if len(points) > 1 else []

    def _box(self, target: Target, colour: Rgb) -> None:
        if target.box is None:
            return
        box = target.box
        left, top = self._at(box.left, box.top)
        right, bottom = self._at(box.left + max(0, box.width), box.top + max(0, box.height))
        self._draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_SHADE, width=self._line + 3)
        self._draw.rectangle((left, top, right, bottom), outline=colour, width=self._line + 1)

    def _describe(self, target: Target, colour: Rgb) -> None:
        if target.box is None:
            return
        track = self._shown(target.track, "")
        said = [f"#{track}" if track else ""]
        told = [(self._shown(one.label, one.key), self._shown(one.value, "")) for one in target.attributes[:3]]
        said += [f"{label} {value}" for label, value in told if value]
        self._label(" · ".join(filter(None, said)), self._at(target.box.left, target.box.top), colour)

    def _at(self, x: float, y: float) -> tuple[int, int]:
        """A place in pixels; what is far outside moves nearer, since no number may hold the thread or break it."""
        left, top = (max(-_OUTSIDE, min(1 + _OUTSIDE, fraction)) for fraction in (x, y))
        return round(left * self._width), round(top * self._height)

    def _caption(self, event: Event, timezone: tzinfo) -> list[str]:
        channel = self._shown(event.channel.name, event.channel.id) or event.channel.id
        lines = [
            self._shown(event.name, event.kind),
            f"{self._shown(event.device.id, event.device.serial)} / {channel}",
            f"{event.occurred.astimezone(timezone):%Y-%m-%d %H:%M:%S}",
        ]
        counts = list(event.counts.items())[: _MOST_LINES - len(lines)]
        lines += [f"{self._shown(name, f'({number})')}: {count}" for number, (name, count) in enumerate(counts, 1)]
        return [line for line in lines if line]

    def _panel_at(self, lines: Sequence[str], left: int, top: int) -> tuple[float, float, float, float]:
        width = max((self._draw.textlength(line, self._font) for line in lines), default=0)
        margin = self._letters // 3
        return left, top, left + width + 2 * margin, top + self._step * len(lines) + 2 * margin

    def _panel(self, lines: Sequence[str], left: int, top: int) -> None:
        margin = self._letters // 3
        self._draw.rectangle(self._panel_at(lines, left, top), fill=_SHADE)
        for number, line in enumerate(lines):
            self._draw.text((left + margin, top + margin + self._step * number), line, fill=_WHITE, font=self._font)

    def _label(self, text: str, at: tuple[int, int], colour: Rgb) -> None:
        """Text on its colour, above a point (below it where there is no room), within the picture."""
        if not text:
            return
        width = self._draw.textlength(text, self._font) + self._letters // 2
        left = min(max(0, at[0]), max(0, int(self._width - width)))
        above = at[1] - self._step - self._line
        top = at[1] + self._line if above < 0 else above
        top = self._free(left, min(max(0, top), max(0, self._height - self._step)), left + width)
        place = (left, top, left + width, top + self._step)
        self._taken.append(place)
        self._draw.rectangle(place, fill=colour)
        self._draw.text((left + self._letters // 4, top), text, fill=_readable_on(colour), font=self._font)

    def _free(self, left: int, top: int, right: float) -> int:
        """From where on down a line of text hides no other; where it was to stand if that is far."""
        free = top
        for _ in range(_MOST_MOVES):
            bottom = free + self._step
            hidden = [it[3] for it in self._taken if it[0] < right and left < it[2] and it[1] < bottom and free < it[3]]
            if not hidden:
                return free if bottom <= self._height else top
            free = int(max(hidden)) + 1
        return top

    def _shown(self, text: str, otherwise: str) -> str:
        """A text as it can be drawn: short, on one line, and the other where the fonts have no characters for it."""
        line = " ".join("".join(c for c in text if c.isprintable()).split())[:_LONGEST]
        drawable = self._has_chinese or all(ord(character) < 0x250 for character in line)
        return line if line and drawable else otherwise if otherwise.isascii() else ""


def _loaded(font: Font | None, size: int) -> Any:
    from PIL import ImageFont  # noqa: PLC0415 - as above

    if font is None:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(str(font.path), size, font.face)
    except OSError as error:
        raise Undrawable(f"the font {font.path} can't be used: {error}") from error


def _colour(name: object) -> Rgb:
    """The vendor's colour, where it is one."""
    from PIL import ImageColor  # noqa: PLC0415 - as above

    try:
        return ImageColor.getrgb(name)[:3] if isinstance(name, str) and len(name) < 30 else _TARGET
    except ValueError:
        return _TARGET


def _of_region(region: Region) -> Rgb:
    return _SHIELD if region.kind.startswith("shield") else _REGION


def _readable_on(colour: Rgb) -> Rgb:
    red, green, blue = colour
    return _BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else _WHITE
