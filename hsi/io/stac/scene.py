"""What a STAC Item says of the scene in one of its assets: wavelengths, the value for "no data", and masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, progress, warning
from hsi.core.scene import Block, ItemSource, Scene
from hsi.errors import HsiError
from hsi.io.align import align_plane, same_grid
from hsi.io.reader import LabelContent
from hsi.io.stac.item import MASKS, Asset, Item

CENTRES = ("eo:center_wavelength", "center_wavelength")  # of STAC 1.1 and 1.0, in micrometres
WIDTHS = ("eo:full_width_half_max", "full_width_half_max")
LONGEST = 100.0  # micrometres; larger numbers are nanometres
SAME = 1.0  # nanometres between wavelengths of one band
Mask = NDArray[np.bool_]


def add_item_facts(scene: Scene, item: Item, asset: Asset, read_mask: Callable[[Asset], LabelContent]) -> Scene:
    """The scene in an asset with what its file lacks and the Item has: wavelengths, FWHM and a value for "no data".

    Pixels that a mask of the Item leaves out are 0 in all bands, which is no data. A mask has one value besides 0: of
    the role "data-mask" the other one marks data, of the role "cloud" clouds. ``read_mask`` reads one; it may lie on
    another grid. Masks that cannot be used are reported.
    """
    scene = replace(scene, name=item.name, item=ItemSource(item.path, asset.name, item.dates))
    scene = _add_bands(scene, item, asset)
    masks = item.masks_for(asset)
    with progress("masks", "files") as advance:
        for number, one in enumerate(masks):
            advance(number, len(masks), one.name)
            try:
                content = read_mask(one)
                hidden, problem = _hidden_pixels(content, one, scene)
            except HsiError as error:
                hidden, problem = None, str(error)
            if hidden is None:
                warning(f"{item.path}: its mask {one.name} is not used: {problem}; --mask-out takes a mask of your own")
                continue
            kind = "no data" if MASKS[0] in one.roles else "clouds"
            info("mask", f"{one.name} of the Item: {kind} in {hidden.mean():.1%} of the pixels")
            scene = hide_pixels(scene, hidden, f"mask {one.name}")
    return scene


def _add_bands(scene: Scene, item: Item, asset: Asset) -> Scene:
    """The scene with wavelengths, FWHM and nodata of the asset's bands, where its file has none."""
    bands = asset.bands
    declared = {value for value in (asset.nodata, *(band.get("nodata") for band in bands)) if _is_number(value)}
    if scene.nodata is None and len(declared) == 1:
        scene = scene.declare_nodata(float(declared.pop()))
    centres, widths = _numbers(bands, CENTRES), _numbers(bands, WIDTHS)
    if not centres:
        return scene
    if len(centres) != len(scene.bands):
        warning(
            f"{item.path}: describes {len(centres)} bands of {asset.name}, which has {len(scene.bands)}: no "
            "wavelengths are taken from it"
        )
        return scene
    scale = 1e3
    if max(centres) > LONGEST:
        warning(f"{item.path}: has wavelengths of {max(centres):g}, taken as nanometres: STAC has micrometres")
        scale = 1.0
    wavelengths = tuple(round(value * scale, 6) for value in centres)
    fwhm = tuple(round(value * scale, 6) for value in widths) or None
    if scene.wavelengths is None:
        return replace(scene, wavelengths=wavelengths, fwhm=fwhm)
    far = float(np.abs(np.subtract(wavelengths, scene.wavelengths)).max())
    if far > SAME:
        warning(f"{item.path}: its wavelengths are up to {far:.1f} nm from those in the file, which are used")
    return replace(scene, fwhm=scene.fwhm or fwhm)


def _numbers(bands: Sequence[Any], keys: Sequence[str]) -> list[float]:
    """A positive number of each band; empty unless every band has one."""
    found: list[Any] = [next((band[key] for key in keys if key in band), None) for band in bands]
    return [float(value) for value in found] if all(_is_number(value) and value > 0 for value in found) else []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _hidden_pixels(content: LabelContent, asset: Asset, scene: Scene) -> tuple[Mask | None, str]:
    """The pixels ``(H, W)`` that a mask leaves out; None with a reason where it is no mask of the scene."""
    values = content.values
    void = np.zeros(values.shape, bool) if content.hidden is None else content.hidden
    if content.nodata is not None:
        void = void | (values == content.nodata)
    if values.dtype.kind == "f":
        void = void | np.isnan(values)
    marked: Mask = (values != 0) & ~void
    found = np.unique(values[marked])
    if len(found) > 1:
        listed = ", ".join(f"{value:g}" for value in found[:4])
        return None, f"it holds {listed} and more, and nothing says what they mean" if len(found) > 4 else (
            f"it holds {listed}, and nothing says which of them to leave out"
        )
    place, ours = content.georeference, scene.georeference
    if not same_grid((values.shape[0], values.shape[1]), place, scene):
        if place is None or ours is None or not place.crs or not ours.crs:
            return None, f"it is {values.shape[0]} x {values.shape[1]} pixels and not placed on the ground"
        size = (scene.height, scene.width)
        marked = align_plane(Path(asset.name), marked.astype(np.uint8), (place, ours), size) > 0
    return ~marked if MASKS[0] in asset.roles else marked, ""


def hide_pixels(scene: Scene, hidden: Mask, by: str) -> Scene:
    """The scene in which ``hidden`` pixels ``(H, W)`` are 0 in all bands; messages name what they are hidden ``by``."""
    hiding = " and ".join(filter(None, (scene.hiding, by)))
    if scene.stored is not None:
        return replace(scene.with_stored(hide_pixels(scene.stored, hidden, by)), hiding=hiding)

    def fetch(block: Block) -> NDArray[Any]:
        cube, here = scene.fetch(block), hidden[block.slices]
        return np.where(here[:, :, None], np.zeros((), cube.dtype), cube) if here.any() else cube

    return replace(scene, fetch=fetch, hiding=hiding)
