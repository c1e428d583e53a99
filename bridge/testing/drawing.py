"""Draws a parking lot as a JPEG, without any imaging library: what a simulated box sends for a scene picture.

The drawing has cells of 8 pixels, the blocks of JPEG: each cell's colour is its block's DC coefficient, and a camera's
noise of small AC coefficients brings the picture to the size that a real one has.
"""

from __future__ import annotations

import itertools
import random
import struct
from functools import lru_cache

_CELL = 8
_NOISE = 5
"""Quantizer of all coefficients but the first; the noise has one step of it in each of its frequencies."""
_DC_LENGTHS = (0, 1, 5, 1, 1, 1, 1, 1, 1)
_DC_SYMBOLS = range(12)
_AC_LENGTHS = (1, 1)
_AC_SYMBOLS = (0x01, 0x00)
_ONE, _END = "0", "10"
"""The codes of the two AC symbols in use: a coefficient of plus or minus one, and the end of the block."""

_SKY, _HAZE = (96, 150, 205), (205, 220, 228)
_HOUSE, _PANE, _TREE = (142, 132, 128), (232, 214, 150), (62, 98, 58)
_ASPHALT, _LINE, _KERB = (92, 94, 98), (222, 222, 214), (150, 148, 142)
_GLASS, _LAMP, _GRILLE, _TYRE, _DARK = (40, 54, 66), (250, 240, 190), (34, 34, 36), (24, 24, 26), (20, 24, 30)
_PAINTS = ((178, 34, 40), (32, 74, 150), (228, 228, 226), (46, 48, 52), (196, 160, 40), (60, 120, 92), (150, 156, 164))
_CAR = (
    "....BBBBBBBB....",
    "...BWWWWWWWWB...",
    "..BWWWWWWWWWWB..",
    ".BBBBBBBBBBBBBB.",
    "BBBBBBBBBBBBBBBB",
    "BLLBBBGGGGBBBLLB",
    "BLLBBBGGGGBBBLLB",
    "BBBBBBBBBBBBBBBB",
    "GBBBBBBBBBBBBBBG",
    ".TTT........TTT.",
)
_FONT = {
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 1, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
    ":": (0, 2, 0, 2, 0),
}
"""Three cells a row, as bits."""

_Colour = tuple[int, int, int]


class _Canvas:
    """Cells of colour: luminance and the two chrominances, 0 to 255."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.planes = [[bytearray(columns) for _ in range(rows)] for _ in range(3)]

    def copy(self) -> _Canvas:
        twin = _Canvas(0, 0)
        twin.columns, twin.rows = self.columns, self.rows
        twin.planes = [[bytearray(row) for row in plane] for plane in self.planes]
        return twin

    def fill(self, left: int, top: int, width: int, height: int, colour: _Colour) -> None:
        left, right = max(0, left), max(0, min(self.columns, left + width))
        for plane, value in zip(self.planes, _ycc(colour), strict=True):
            for row in plane[max(0, top) : max(0, top + height)]:
                row[left:right] = bytes([value]) * len(row[left:right])

    def car(self, left: int, top: int, scale: int, paint: _Colour) -> None:
        colours = {"B": paint, "W": _GLASS, "L": _LAMP, "G": _GRILLE, "T": _TYRE}
        for y, line in enumerate(_CAR):
            x = 0
            for part, run in itertools.groupby(line):
                length = len(list(run))
                if part != ".":
                    self.fill(left + x * scale, top + y * scale, length * scale, scale, colours[part])
                x += length

    def write(self, text: str, left: int, top: int, scale: int, colour: _Colour) -> None:
        for character in text:
            for y, bits in enumerate(_FONT[character]):
                for x in range(3):
                    if bits >> (2 - x) & 1:
                        self.fill(left + x * scale, top + y * scale, scale, scale, colour)
            left += 4 * scale


def _ycc(colour: _Colour) -> tuple[int, int, int]:
    red, green, blue = colour
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(luminance), round(128 + 0.564 * (blue - luminance)), round(128 + 0.713 * (red - luminance))


def _between(one: _Colour, other: _Colour, share: float) -> _Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


@lru_cache(maxsize=2)
def _lot(columns: int, rows: int) -> _Canvas:
    """The lot when it is empty: what never changes."""
    canvas = _Canvas(columns, rows)
    horizon, fence = rows * 30 // 100, rows * 42 // 100
    for row in range(horizon):
        canvas.fill(0, row, columns, 1, _between(_SKY, _HAZE, row / horizon))
    canvas.fill(0, horizon, columns, rows, _between(_HAZE, _TREE, 0.6))
    chance = random.Random(7)
    left = 0
    while left < columns:
        width, height = chance.randint(12, 26), chance.randint(6, max(7, horizon * 6 // 10))
        canvas.fill(left, horizon - height, width, height + 8, _between(_HOUSE, _HAZE, chance.random() / 2))
        for y in range(horizon - height + 2, horizon, 4):
            for x in range(left + 2, left + width - 2, 4):
                canvas.fill(x, y, 2, 2, _PANE if chance.random() < 0.3 else _GLASS)
        left += width + chance.randint(0, 6)
    for left in range(-4, columns, 5):
        height = chance.randint(5, 11)
        canvas.fill(left, fence - height, chance.randint(5, 9), height, _between(_TREE, _DARK, chance.random() / 3))
    canvas.fill(0, fence, columns, 2, _KERB)
    for row in range(fence + 2, rows):
        canvas.fill(0, row, columns, 1, _between(_ASPHALT, _DARK, 0.35 * (1 - row / rows)))
    for left, top, width, height in _bays(columns, rows):
        canvas.fill(left, top, 1, height, _LINE)
        canvas.fill(left + width, top, 1, height, _LINE)
    return canvas


def _bays(columns: int, rows: int) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of each bay: a far row of ten and a near one of six."""
    far = [(columns * n // 10 + 1, rows * 45 // 100, columns // 10, rows * 13 // 100) for n in range(10)]
    near = [(columns * n // 6 + 2, rows * 76 // 100, columns // 6, rows * 24 // 100) for n in range(6)]
    return far + near


def _scene(columns: int, rows: int, seed: int) -> _Canvas:
    canvas = _lot(columns, rows).copy()
    for number, (left, top, width, height) in enumerate(_bays(columns, rows)):
        # Each bay changes its guest at times of its own.
        chance = random.Random(number * 9973 + (seed + number * 7) // 45)
        scale = max(1, width // 17)
        if chance.random() < 0.7:
            spare = width - 16 * scale
            canvas.car(left + spare // 2 + 1, top + max(0, height - 11 * scale), scale, chance.choice(_PAINTS))
    # One car drives across the lane between the rows, a little further with each seed.
    canvas.car((seed * 9) % (columns + 32) - 24, rows * 60 // 100, 1, _PAINTS[seed // 30 % len(_PAINTS)])
    text = f"{seed // 3600 % 24:02}:{seed // 60 % 60:02}:{seed % 60:02}"
    canvas.fill(columns - 66, 2, 64, 12, _DARK)
    canvas.write(text, columns - 64, 3, 2, _LAMP)
    return canvas


def draw_scene(width: int = 1920, height: int = 1080, *, seed: int, size: int | None = 290_000) -> bytes:
    """A JPEG of a parking lot: cars and the clock in its corner follow the seed, a second for each step.

    `size`: bytes that it should have, met within a few percent; None for as few as it takes, without noise.
    """
    units = -(-width // 16), -(-height // 16)
    canvas = _scene(units[0] * 2, units[1] * 2, seed)
    chance = random.Random(seed)
    blocks = units[0] * units[1] * 4
    ends = _noise(chance, (size * 8 - blocks * 9) / blocks / 2 if size else 0)
    picks = iter(chance.randbytes(blocks))
    codes = _dc_codes()
    bits: list[str] = []
    last_y = last_cb = last_cr = 128
    luminance, blues, reds = canvas.planes
    for row in range(0, units[1] * 2, 2):
        above, below, blue, red = luminance[row], luminance[row + 1], blues[row], reds[row]
        for column in range(0, units[0] * 2, 2):
            for y in (above[column], above[column + 1], below[column], below[column + 1]):
                bits.append(codes[y - last_y])
                bits.append(ends[next(picks)])
                last_y = y
            cb, cr = blue[column], red[column]
            bits += codes[cb - last_cb], _END, codes[cr - last_cr], _END
            last_cb, last_cr = cb, cr
    return _jpeg(width, height, ((1, 0x22), (2, 0x11), (3, 0x11)), "".join(bits))


def draw_dot(seed: int = 0) -> bytes:
    """The smallest picture worth the name, 8x8 pixels of one grey in 154 bytes: for pushes that should be small."""
    return _jpeg(8, 8, ((1, 0x11),), _dc_codes()[seed * 37 % 255 - 127] + _END)


def vary(jpeg: bytes, number: int) -> bytes:
    """The same picture with a number in a comment: as cheap as a picture with a digest of its own can be."""
    return b"".join((jpeg[:2], b"\xff\xfe\x00\x0a", struct.pack(">Q", number), jpeg[2:]))


def _noise(chance: random.Random, coefficients: float) -> list[str]:
    """256 endings of a block, with so many coefficients of plus or minus one on average."""
    counts = [min(62, int(coefficients + n / 256)) for n in range(256)]
    signs = [f"{chance.getrandbits(62):062b}" for _ in counts]
    return ["".join(_ONE + sign for sign in signs[n][:count]) + _END for n, count in enumerate(counts)]


@lru_cache(maxsize=1)
def _dc_codes() -> dict[int, str]:
    """The bits for each step of a DC coefficient from one block to the next."""
    codes = {}
    prefixes = _huffman(_DC_LENGTHS)
    for step in range(-255, 256):
        category = abs(step).bit_length()
        bits = step if step >= 0 else step + (1 << category) - 1
        codes[step] = prefixes[category] + (f"{bits:0{category}b}" if category else "")
    return codes


def _huffman(lengths: tuple[int, ...]) -> list[str]:
    """The codes of a table that has so many of each length, from one bit on."""
    codes, code = [], 0
    for length, count in enumerate(lengths, 1):
        for _ in range(count):
            codes.append(f"{code:0{length}b}")
            code += 1
        code <<= 1
    return codes


def _jpeg(width: int, height: int, components: tuple[tuple[int, int], ...], bits: str) -> bytes:
    """A baseline JPEG of these components (number, sampling factors), with the scan's bits."""
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    count = len(components)
    frame = b"".join(bytes((number, sampling, 0)) for number, sampling in components)
    selectors = b"".join(bytes((number, 0)) for number, _ in components)
    segments = (
        (0xDB, bytes((0, _CELL, *[_NOISE] * 63))),
        (0xC0, struct.pack(">BHHB", 8, height, width, count) + frame),
        (0xC4, _table(0x00, _DC_LENGTHS, bytes(_DC_SYMBOLS))),
        (0xC4, _table(0x10, _AC_LENGTHS, bytes(_AC_SYMBOLS))),
        (0xDA, bytes((count,)) + selectors + b"\x00\x3f\x00"),
    )
    marked = (struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments)
    return b"".join((b"\xff\xd8", *marked, scan, b"\xff\xd9"))


def _table(place: int, lengths: tuple[int, ...], symbols: bytes) -> bytes:
    return bytes((place, *lengths, *[0] * (16 - len(lengths)))) + symbols
