"""Which axis of an array holds rows, columns and bands: by names, by lengths, or as the user says.

An order is a permutation of ``HWB`` (height, width, bands), one letter for each axis of the array as it is stored.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hsi.errors import UsageError

ROWS = (
    *("y", "row", "lat", "latitude", "northing", "line", "downtrack", "alongtrack", "scanline"),
    *("ny", "nrow", "height", "yc"),
)
COLUMNS = (
    *("x", "column", "col", "lon", "longitude", "easting", "sample", "crosstrack", "acrosstrack", "pixel"),
    *("nx", "ncol", "width", "xc", "long"),
)
BANDS = (
    *("band", "wavelength", "wavenumber", "wave", "wl", "wvl", "lambda", "channel", "spectral", "spectralband"),
    *("nband", "numband", "bandnumber", "b"),
)
LETTERS = {**dict.fromkeys(ROWS, "H"), **dict.fromkeys(COLUMNS, "W"), **dict.fromkeys(BANDS, "B")}
CENTRES = re.compile(r"wavelength|wavenumber|lambda|(?<![a-z])(?:wl|wvl|wave)s?(?![a-z])")
WIDTHS = re.compile(r"fwhm|band_?width")
GOOD = re.compile(r"(?<![a-z])bbl(?![a-z])|good_?(?:band|wave)|(?:band|wavelength)s?_?good")
NO_CENTRES = re.compile(r"good|bad|width|unit|flag|uncertain|error|index|mask")
# those with rows before columns first
ORDERS = sorted(map("".join, itertools.permutations("HWB")), key=lambda order: order.index("W") < order.index("H"))


@dataclass(frozen=True)
class Axes:
    """An order, such as ``BHW``, and what it was found by; empty where it is the usual one."""

    order: str
    reason: str = ""


def parse_axes(text: str) -> str:
    """An order from the text of a setting; raises :class:`UsageError` for what is no permutation of H, W and B."""
    order = text.strip().upper()
    if sorted(order) != ["B", "H", "W"]:
        raise UsageError(
            f"--axes {text}: expected H (rows), W (columns) and B (bands) in the order of the array, such as HWB or BHW"
        )
    return order


def last_name(name: str, lower: bool = True) -> str:
    """The last part of an array's name: without the group, structure or array that it belongs to."""
    last = re.split(r"[/.@]", name)[-1]
    return last.lower() if lower else last


def letter_of(name: str) -> str:
    """``H``, ``W`` or ``B`` for the usual name of an axis, such as ``cross_track`` or ``Bands``; else empty."""
    word = re.sub(r"[^a-z]", "", last_name(name))
    return LETTERS.get(word) or LETTERS.get(word.removesuffix("s"), "")


def is_centres(name: str) -> bool:
    """Whether an array has the name of the wavelengths of bands."""
    last = last_name(name)
    return bool(CENTRES.search(last)) and not NO_CENTRES.search(last)


def find_axes(
    shape: Sequence[int],
    *,
    names: str = "???",
    lengths: Mapping[str, Collection[int]] | None = None,
    planes: Sequence[Collection[tuple[int, int]]] = (),
    usual: str = "",
) -> Axes | None:
    """The order of a cube of that ``shape`` by what is known about it; None where several are possible.

    ``names`` has the letter of each axis as far as its name says it, ``lengths`` those of vectors along an axis, such
    as wavelengths for ``B``, and ``planes`` the (rows, columns) of labels, the most certain first. Where all this
    leaves the ``usual`` order possible and decides nothing, it is that. Rows come before columns unless names say
    otherwise.
    """
    named = [order for order in ORDERS if all(known in ("?", axis) for known, axis in zip(names, order, strict=True))]
    orders, reason = named or ORDERS, "by the names of its dimensions"
    if len(_bands_axes(orders)) == 1:
        return Axes(orders[0], reason)
    titles = {"B": "by the number of wavelengths", "H": "by its coordinates", "W": "by its coordinates"}
    for letter, title in titles.items():
        fitting = [order for order in orders if shape[order.index(letter)] in (lengths or {}).get(letter, ())]
        if 0 < len(fitting) < len(orders) and len(_bands_axes(orders)) > 1:
            orders, reason = fitting, title
    by_labels = next(filter(None, (_rest_of_planes(shape, group) for group in planes)), {0, 1, 2})
    possible = _bands_axes(orders) & by_labels
    if len(possible) == 1:
        reason = "by the size of the labels" if len(_bands_axes(orders)) > 1 else reason
        return Axes(next(order for order in orders if order.index("B") in possible), reason)
    return Axes(usual) if usual and usual.index("B") in (possible or by_labels) else None


def _bands_axes(orders: Sequence[str]) -> set[int]:
    return {order.index("B") for order in orders}


def _rest_of_planes(shape: Sequence[int], planes: Collection[tuple[int, int]]) -> set[int]:
    """The axes that may be the bands where one of these planes fits the two others; transposed if none does so."""
    others = {axis: tuple(size for i, size in enumerate(shape) if i != axis) for axis in range(3)}
    upright = {axis for axis, sides in others.items() if sides in planes}
    return upright or {axis for axis, sides in others.items() if sides[::-1] in planes}
