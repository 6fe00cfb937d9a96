"""Skeletons of digits, letters and symbols as a pen writes them, for drawing examples with.

A glyph is one or more strokes, divided by `/`; a stroke is points `xy` on a 10x10 grid, x to the right and y down,
which a smooth curve passes through. `!` marks a corner. A name may have several forms, divided by commas; each is
another way of writing it.

The letters that pass for digits when written alone, such as o, l, z and s, are no letters here.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

NUM_POINTS = 48
_STEPS = 12  # Points that a curve is drawn with between two of the skeleton.

DIGITS = {
    "0": "50 20 05 29 59 95 80 50,60 30 05 39 79 84 70 40,50 10 06 39 77 83 60 30/90 09,40 10 06 39 77 83 60 30/72 28",
    "1": "50 59,60 49,03 50! 59,22 50! 59,03 50! 59/19 99,50 59/29 89,13 50! 59/29 89",
    "2": "02 20 60 73 46 09! 49 99,03 20 60 73 46 09 26 48 99,02 20 60 73 09! 99,13 40 72 46 09! 58 89",
    "3": "01 40 72 34! 76 59 08,01 30 62 34 24 34 76 59 18,00 80! 34! 76 59 08,02 40 72 44 34 76 49 07",
    "4": "00 05! 75/60 69,20 06! 96/60 69,60 06! 96!/60 69,69 60! 06! 96,00 14 55 75/70 69,10 06 95/73 69",
    "5": "80 10! 04! 53 86 59 08,10 04! 53 86 59 08/10 80,80 20! 14 53 86 59 08,90 20! 05! 44 77 39 07",
    "6": "60 22 06 29 69 76 54 15,70 32 06 29 59 76 45 07,50 04 08 49 78 65 35 07,40 13 07 49 77 55 16",
    "7": "00 80! 29,00 80! 39/15 75,02 00! 80! 39,00 40 80 54 49,02 20 51 80 54 39,00 80! 45 39/25 75,"
    "00 80! 44 49/34 74",
    "8": "71 40 12 44 77 49 07 44 72 60 40,80 40 12 44 77 49 08 35 80,44 12 40 72 44 77 49 07 44,"
    "60 20 13 55 77 49 17 53 71 60",
    "9": "72 50 13 35 63 71! 69,72 40 13 35 63 71 75 49 19,72 40 12 35 72! 49,71 40 12 24 54 71! 77 49 08",
}

HASTY_DIGITS = {
    "0": "60 20 05 29 69 84 60 40 91,50 20 05 29 59 84 60 41 62 90,20 05 29 59 84 60 20 00,60 30 04 29 59 75 60 42",
    "1": "09 50! 59,08 40! 49,04 60! 69,05 50! 49,07 50! 59,06 40! 39,08 60! 59,50 39,03 50! 59/19 99,04 40! 42 39,"
    "09 50! 79,07 60! 49,05 40! 59",
    "2": "13 30 61 55 18 27 58 99,01 70! 09! 89,10 50 72 35 09 18 49 98,03 20 60 73 46 09! 99,"
    "12 30 61 64 18 07 17 48 98,02 30 62 27 08 17 69,34 22 31 61 54 18 99,43 23 11 30 62 46 09 27 99,"
    "34 13 20 51 63 09! 99,53 23 21 40 71 65 28 08 17 48 98",
    "3": "01 30 62 34! 66 49 07,10 80! 44 76 49 08,02 30 61 43 33 64 67 39 07",
    "4": "20 06 76/54 49,20 15 75/80 39,10 04 54/71 48,00 05 55/70 49,30 06 66/63 69,50 05 75/64 59,40 06 96/73 69,"
    "50 06! 86/63 58,30 05 55/53 39,20 04 24 63 59",
    "5": "90 40! 34 47 29 07,80 40! 35 49 19 06,90 50! 46 38 19 07,04 29! 50! 90,70 30! 23 54 57 29 08,"
    "20 13 53 77 49 08/20 80,03 30! 45 38 09/30 90,30 05 24 36 29/30 80,60 20! 15 34 38 29 08,10 18! 33 71 90,"
    "80 30! 24 46 48 29 08,91 50 20! 25 46 38 09",
    "6": "60 33 07 29 58 46 17,70 24 08 39 57 35 07,50 13 07 38 66 44 16",
    "7": "02 20 80! 39/25 75,02 00 80! 39/15 65,12 10 40 80! 49/24 74,02 10 40 60 80! 29/14 64,00 80! 54 49/24 84,"
    "60 39/05 95,33 50 60 39/14 94,41 60! 39/05 85,20 50! 39/15 95,51 70! 39/24 94,60 29/06 84",
    "8": "71 40 12 44 77 49 07 44 80,60 30 12 44 66 39 07 34 61 90,81 50 22 55 58 29 07 34 80",
    "9": "30 29/30 71 83 55 34,20 19/20 61 73 45 24,71 40 12 24 54 71! 77 59 38 17,80 40 13 34 62 80! 59,"
    "40 29/40 80 84 54 44,19 22 50 72 55 25,39 33 51 82 74 45,29 21 50 71 63 34 22,18 20/22 40 61 63 44 23,"
    "24 42 30 12 24 44! 39,33 62 50 22 34 62 64 59,82 50 23 45 82! 86 59 18,31 61 73 54 22 30 70 83 56 29",
}
"""Other forms of the digits, as a quick pen writes them: among others they are told, some of them not alone."""

LETTERS = {
    "c": "72 50 21 05 28 59 77,83 51 22 05 28 59 89,82 71 40 05 38 69 98,63 82 60 21 06 38 69 97",
    "d": "64 43 14 07 29 57 65 60! 68 79,63 34 07 29 58 70! 79,64 33 07 39 66 81 60 51 66 89,63 24 08 39 66 60/60 69",
    "F": "80 10! 19/14 64,00 90/30 39/34 84,10 19/10 90/15 75,02 20 50 90/50 47 29 08/25 75,80 20! 09/14 64",
    "H": "00 09/70 79/04 74,10 09/80 79/05 84,02 10 18/90 79 99/05 94,00 09 34 54! 70/64 79,10 19! 04 95/90 79",
    "K": "00 09/80 05! 89,00 09/80 15/35 89,10 09/90 44 15! 55 89,20 09/90 14! 79 99",
    "k": "00 09/63 06! 69,00 09! 05 53 55 16! 59 79,18 50 40 09! 15 63 54 26! 59 88,10 09/73 15! 69",
    "M": "09 10! 47! 80! 99,09 00! 46! 80! 89,09 21 30 47! 61 70 99,00 09/00 45! 90! 99,09 10 34 49! 64 80 89 99",
    "m": "03 09/05 23 45 49!/45 63 85 89,03 09! 13 33 39! 43 63 69! 89,05 13 19! 24 43 49! 54 73 79 98,"
    "09 03! 29! 33! 59",
    "N": "09 00! 79! 70,09 00/00 79/79 70,09 20 31 58 79 80,19 10! 78! 80,09 11 20 58 69 80 90",
    "n": "03 09/05 33 65 69,04 13 09! 14 43 65 69 88,03 09! 13 43 54 59 79,05 23 29! 44 63 69 98,00 09! 02 40 72 79",
    "V": "00 49! 80,00 39 80,00 37! 70 90,02 10 49! 81 90,00 29! 90,01 20 48 59! 70 91",
    "W": "00 29! 42! 69! 90,00 18 29 42! 58 79 90,00 29! 40! 69! 80,00 07 29 45 43! 48 69 86 80,"
    "02 10 29! 50! 69! 80 92",
    "X": "00 89/80 09,00 31 58 89/80 51 38 09,00 34 35 09/90 64 65 99,10 79/90 09,02 20 49 79 97/80 35 09",
    "x": "00 77/80 08,02 20 55 79 97/90 08,01 20 34 44 27 09/90 63 54 66 97",
}

SYMBOLS = {
    "plus": "50 59/05 95",
    "minus": "05 95,05 34 65 95",
    "equals": "03 93/06 96",
    "hash": "30 29/70 69/03 93/06 96",
    "percent": "90 09/20 02 24 42 20/76 58 79 97 76",
    "ampersand": "99 21 40 62 06 29 49 95",
    "at": "64 43 35 46 65 63 76 85 93 50 05 39 79",
    "star": "50 59/02 97/92 07,50 29! 93! 03! 79! 50",
    "question": "02 40 72 55 57/58 59",
    "arrow": "05 95/62 95! 68,50 59/26 59! 86,09 90/50 90! 94",
    "tick": "05 39! 90,04 29! 91",
    "wave": "05 22 46 72 94,06 23 36 53 66 93",
    "zigzag": "09 20! 39! 50! 69! 80! 99,00 91! 03! 94! 06! 97! 09",
    "triangle": "50 09! 99! 50,00 90! 59! 00",
    "spiral": "55 44 63 75 57 26 22 60 94 79 39 05,45 54 64 66 37 23 51 93 78 29",
    "infinity": "45 13 05 17 45 83 95 87 45",
    "cross in circle": "50 05 59 95 50/50 59/05 95,50 05 59 95 50/11 88/81 18",
    "smile": "50 15 05 18 59 88 95 81 50/33 34/63 64/36 58 76",
    "bracket": "80 20! 29! 89,00 60! 69! 09",
    "stairs": "00 30! 33! 63! 66! 96! 99,09 06! 36! 33! 63! 60! 90",
    "fork": "50 59/10 14 45 55 84 90,50 59/00 05 56 95 90",
    "grid": "30 39/60 69/03 93/06 96/00 90! 99! 09! 00",
    "flower": "55 30 50 55! 93 95 55! 79 59 55! 08 05 55!/55 59",
    "envelope": "02 92! 98! 08! 02!/02 56! 92",
    "pi": "01 91/30 29/60 69 89,02 20 90/30 38 19/70 68 99",
    "mu": "02 09/04 06 37 65 62/65 77",
    "omega": "12 05 28 47 44/47 68 95 82,09 29! 06 20 70 96 69! 99",
    "sigma": "80 00! 45! 09! 89",
    "xi": "00 90/25 75/09 99",
    "zhe": "50 59/00 45! 09/90 55! 99",
    "i-short": "00 09! 80! 89,02 09! 82! 89/30 51 60",
    "sha": "00 09! 89! 80/40 49,00 07 29 47 40/47 69 87 80",
    "yu": "00 09/05 35/60 35 69 95 60",
    "ya": "79 70! 20 04 35 75!/45 09",
    "ligature": "09 00! 09/05 33 59! 66 43! 99,73 43 07 39 75! 79 96,03 08 28 33! 38 59 83 77 99",
}


@cache
def list_glyphs(kind: str) -> dict[str, list[str]]:
    """Return the forms of every glyph of `digits`, `hasty digits`, `letters` or `symbols`."""
    glyphs = {"digits": DIGITS, "hasty digits": HASTY_DIGITS, "letters": LETTERS, "symbols": SYMBOLS}[kind]
    return {name: forms.split(",") for name, forms in glyphs.items()}


@cache
def trace(form: str, is_rounded: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Turn a skeleton into evenly spaced points.

    Args:
        form: One form of a glyph.
        is_rounded: Pass over the corners in a curve, as a hurried hand does.

    Returns:
        float64 `(48, 2)`, x and y in 0-1; bool `(47,)`, whether the pen was down between one point and the next.
    """
    strokes = [_draw_stroke(stroke, is_rounded) for stroke in form.split("/")]
    lengths = np.array([np.linalg.norm(np.diff(stroke, axis=0), axis=1).sum() for stroke in strokes])
    shares = np.maximum(2, np.floor(lengths / lengths.sum() * (NUM_POINTS - 2 * len(strokes))).astype(int) + 2)
    shares[lengths.argmax()] += NUM_POINTS - shares.sum()
    points = [_space_evenly(stroke, share) for stroke, share in zip(strokes, shares, strict=True)]
    is_down: NDArray[np.bool_] = np.ones(NUM_POINTS - 1, bool)
    is_down[shares.cumsum()[:-1] - 1] = False
    return np.concatenate(points) / 9, is_down


def _draw_stroke(stroke: str, is_rounded: bool) -> NDArray[np.float64]:
    marks = stroke.split()
    points = np.array([[int(mark[0]), int(mark[1])] for mark in marks], float)
    corners = [] if is_rounded else [index for index, mark in enumerate(marks[1:-1], 1) if mark.endswith("!")]
    ends = [0, *corners, len(points) - 1]
    return np.concatenate([_draw_curve(points[start : end + 1]) for start, end in pairwise(ends)])


def _draw_curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a Catmull-Rom curve through the points."""
    framed = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = (framed[index : len(framed) - 3 + index, None] for index in range(4))
    t = np.linspace(0, 1, _STEPS)[None, :, None]
    slope, bend = (end - before) / 2, (after - start) / 2
    cubic, square = 2 * (start - end) + slope + bend, 3 * (end - start) - 2 * slope - bend
    curve: NDArray[np.float64] = start + slope * t + square * t**2 + cubic * t**3
    return curve.reshape(-1, 2)


def _space_evenly(stroke: NDArray[np.float64], num_points: int) -> NDArray[np.float64]:
    travelled = np.concatenate([[0], np.linalg.norm(np.diff(stroke, axis=0), axis=1).cumsum()])
    wanted = np.linspace(0, travelled[-1], num_points)
    return np.stack([np.interp(wanted, travelled, stroke[:, axis]) for axis in (0, 1)], 1)
