"""What drawn people look like: skin, hair, clothes and their patterns."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pose_data.datasets.people_pose import Floats

NUM_DRAWS = 40  # uniform numbers that the looks of one person take

Colour = tuple[int, int, int]
Shades = tuple[Colour, Colour, Colour]  # outline, fill, light

_SKINS = ((255, 224, 196), (241, 194, 150), (224, 172, 125), (198, 134, 86), (141, 85, 50), (92, 56, 36))
_HAIRS = ((24, 20, 20), (60, 38, 24), (100, 62, 34), (150, 100, 50), (222, 188, 112), (170, 70, 35), (165, 165, 168))
_DULL = ((30, 34, 48), (50, 62, 96), (82, 86, 92), (120, 104, 80), (190, 178, 150), (24, 24, 26), (232, 232, 228))


@dataclass(frozen=True)
class Looks:
    """The looks of N people.

    Args:
        colours: per person, the three shades of every cloth.
        worn: per person, what is worn of the things that not everybody wears.
        girth: (N,) thickness of the body, 1 on average.
        hem: (N,) where a skirt ends, 0 at the hip, 1 at the knee.
        mane: (N,) how far long hair falls, in head radii.
        hairline: (N, 2) middle and opening of the face, radians.
        line: (N,) strength of the outline.
        light: (N, 2) where the light comes from.
        iris: per person.
        pattern: per person, the pattern of the shirt; -1 for none.
        pattern_colour: per person.
    """

    colours: tuple[dict[str, Shades], ...]
    worn: tuple[frozenset[str], ...]
    girth: Floats
    hem: Floats
    mane: Floats
    hairline: Floats
    line: Floats
    light: Floats
    iris: tuple[Colour, ...]
    pattern: tuple[int, ...]
    pattern_colour: tuple[Colour, ...]


def make_looks(draws: Floats) -> Looks:
    """Turn uniform numbers (N, NUM_DRAWS) in [0, 1) into looks; the first person's light falls on all."""
    light = np.tile((draws[:1, 0:2] - (0.5, 1.0)) * (1.0, 0.8), (len(draws), 1))
    rows = draws.tolist()
    worn = tuple(_worn(row) for row in rows)
    return Looks(
        colours=tuple(_colours(row, items) for row, items in zip(rows, worn, strict=True)),
        worn=worn,
        girth=0.86 + 0.42 * draws[:, 2] ** 1.5,
        hem=0.5 + 0.7 * draws[:, 3],
        mane=0.9 + 1.3 * draws[:, 4],
        hairline=np.stack([1.32 + 0.2 * draws[:, 5], 1.1 + 0.25 * draws[:, 6]], axis=1),
        line=np.where(draws[:, 7] < 0.7, 1.0, 0.4),
        light=light,
        iris=tuple(_pick(((30, 22, 20), (54, 36, 24), (40, 70, 110), (50, 84, 60)), row[8]) for row in rows),
        pattern=tuple(int(row[9] * 2 * NUM_PATTERNS) if row[9] < 0.5 else -1 for row in rows),
        pattern_colour=tuple(_vivid(row[10], row[11], row[12]) for row in rows),
    )


def _worn(row: list[float]) -> frozenset[str]:
    items = set()
    if row[13] < 0.5:
        items.add("short_sleeves")
    if row[14] < 0.3:
        items.add("shorts")
    elif row[14] < 0.45:
        items.add("skirt")
    if row[15] < 0.32:
        items |= {"mane", "left_lock", "right_lock"} if row[16] < 0.5 else {"mane"}
    elif row[15] > 0.93:
        items.add("bald")
    if row[17] < 0.16:
        items |= {"hat", "brim"}
    elif row[17] < 0.22:
        items.add("hat")
    if row[18] < 0.12:
        items.add("pack")
    if row[19] < 0.4:
        items.add("badge")
    elif row[19] < 0.7:
        items.add("buttons")
    return frozenset(items)


def _colours(row: list[float], worn: frozenset[str]) -> dict[str, Shades]:
    skin = _shades(_jitter(_pick(_SKINS, row[20]), row[21:24]))
    hair = skin if "bald" in worn else _shades(_jitter(_pick(_HAIRS, row[24]), row[21:24]))
    shirt = _shades(_cloth(row[25:29]))
    trousers = shirt if row[29] < 0.06 else _shades(_cloth([0.6 * row[30], *row[31:34]]))
    bare_legs = bool({"shorts", "skirt"} & worn)
    return {
        "skin": skin,
        "hair": hair,
        "shirt": shirt,
        "trousers": trousers,
        "upper_arm": skin if "short_sleeves" in worn else shirt,
        "forearm": skin if "short_sleeves" in worn else shirt,
        "thigh": skin if bare_legs else trousers,
        "shank": skin if bare_legs else trousers,
        "shoe": _shades(_cloth([0.7 * row[34], *row[35:38]])),
        "hat": _shades(_vivid(*row[35:38])),
        "pack": _shades(_vivid(row[38], row[39], row[37])),
    }


def _cloth(draws: list[float]) -> Colour:
    if draws[0] < 0.4:
        return _jitter(_pick(_DULL, draws[1]), [draws[2], draws[3], draws[2]])
    return _vivid(*draws[1:4])


def _vivid(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.35 + 0.6 * saturation, 0.3 + 0.68 * value)
    return int(255 * red), int(255 * green), int(255 * blue)


def _pick(choices: tuple[Colour, ...], draw: float) -> Colour:
    return choices[int(draw * len(choices))]


def _jitter(colour: Colour, draws: list[float]) -> Colour:
    red, green, blue = (min(255, max(0, int(c + 30 * (d - 0.5)))) for c, d in zip(colour, draws, strict=True))
    return red, green, blue


def _shades(colour: Colour) -> Shades:
    dark = (int(0.55 * colour[0]), int(0.55 * colour[1]), int(0.57 * colour[2]))
    light = tuple(min(255, int(1.06 * c + 9)) for c in colour)
    return dark, colour, (light[0], light[1], light[2])


NUM_PATTERNS = 6
_TILE = 256


def pattern(kind: int, *, height: int, width: int, cell: float) -> NDArray[np.uint8]:
    """A pattern of cloth: (height, width) uint8, 255 where it has its second colour.

    Args:
        kind: 0 to NUM_PATTERNS - 1.
        cell: size of what repeats, in pixels; rounded to a power of two.
    """
    step = 1 << min(max(round(cell).bit_length(), 1), 5)
    tile = _tile(kind, step)
    if height > _TILE or width > _TILE:
        tile = np.tile(tile, (-(-height // _TILE), -(-width // _TILE)))
    return tile[:height, :width]


@lru_cache(maxsize=64)
def _tile(kind: int, step: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[:_TILE, :_TILE]
    period = 2 * step
    marks = {
        0: y % period < step,
        1: x % period < step,
        2: (x + y) % period < step,
        3: (x // step + y // step) % 2 == 0,
        4: (x % period - step) ** 2 + (y % period - step) ** 2 < (0.6 * step) ** 2,
        5: y % (4 * period) < period,
    }[kind]
    tile: NDArray[np.uint8] = np.where(np.broadcast_to(marks, (_TILE, _TILE)), 255, 0).astype(np.uint8)
    return tile
