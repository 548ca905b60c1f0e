"""Export for Deepness, a plugin of QGIS that maps a layer by tiles with an ONNX file.

Read for it: its ``model_base``, ``segmentor``, ``preprocessing_utils``, ``tile_params`` and ``extent_utils``. It cuts a
layer into overlapping squares, multiplies values by 1/255, fills what is outside of the layer with 0, takes the class
with the highest output of each pixel, and discards half of the overlap at each side of a tile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hsi.core.georeference import pixel_metres
from hsi.exports.network import ExportedNetwork
from hsi.fill import ENOUGH_BANDS
from hsi.inference.blending import PASSES, RADIUS, REACH, SHARPNESS
from hsi.inference.model_file import SavedModel
from hsi.models import WindowNetwork, scale_guide
from hsi.models.symmetries import AVERAGED, apply_symmetry, undo_symmetry

TILE = 256  # pixels of a side: 0.8 GB of memory in ONNX Runtime
SMALL_TILE = 64  # of networks whose graph holds all windows at once
DIVISOR = 255.0  # of each value in the plugin
ROUNDING = 2.4e-7  # relative error of a float32 that is divided and multiplied
NO_DATA = "no data"


class DeepnessNetwork(ExportedNetwork):
    """Class probabilities of a tile as :func:`hsi.predict` averages and blends them: ``(1, B, tile, tile)`` values of
    all bands of the layer, divided by 255, to ``(1, classes + 1, tile, tile)``.

    The last class is "no data": pixels with a value that is no number or that means "no data" in the training scene,
    and those with one value in all bands. Raises :class:`UsageError` for a network without a shared trunk.
    """

    positions: Tensor
    fill: Tensor

    def __init__(self, saved: SavedModel) -> None:
        super().__init__(saved, "tile", "bands")
        self.margin = saved.model.window // 2
        mapping = saved.settings.mapping
        parts = (part for part in saved.model.modules() if isinstance(part, WindowNetwork))
        self.tile = SMALL_TILE if any(type(part).head_map is WindowNetwork.head_map for part in parts) else TILE
        self.turns = AVERAGED if mapping.symmetries else AVERAGED[:1]
        self.blends = bool(mapping.blend)
        self.register_buffer("positions", torch.tensor(saved.bands.bands))
        self.register_buffer("fill", torch.tensor(saved.fill.values, dtype=torch.float32))

    def describe(self) -> dict[str, Any]:
        """The same metadata as of other files, for its own input and output."""
        facts, bands = super().describe(), self.saved.bands.of
        facts["input"] |= {
            "shape": f"1 x {bands} x {self.tile} x {self.tile}",
            "values": "bands of the layer, divided by 255",
        }
        facts["output"] |= {"shape": f"1 x {len(self.output_names)} x {self.tile} x {self.tile}", "of": "each pixel"}
        return facts

    @property
    def output_names(self) -> tuple[str, ...]:
        """The classes, and "no data"."""
        return (*super().output_names, NO_DATA)

    def properties(self) -> dict[str, str]:
        """The metadata that the plugin reads, each as JSON; without ``resolution`` where the pixel size is unknown.

        A threshold and a smallest segment of 0 leave the map as it is: a pixel below the threshold would be of class 0.
        """
        places = [one.georeference for one in self.saved.training]
        sizes = {pixel_metres(place) if place else None for place in places}
        metres = sizes.pop() if len(sizes) == 1 else None
        values: dict[str, Any] = {
            "model_type": "Segmentor",
            "class_names": dict(enumerate(self.output_names)),
            "resolution": None if metres is None else round(100 * metres, 6),
            "tile_size": self.tile,  # read by the plugin
            "tiles_size": self.tile,  # named in its documentation
            "tiles_overlap": self.overlap,
            "seg_thresh": 0.0,
            "seg_small_segment": 0,
        }
        return {name: json.dumps(value) for name, value in values.items() if value is not None}

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """None: all sizes are fixed."""
        return {}

    @property
    def overlap(self) -> int:
        """The least overlap of tiles, in percent, of which half is enough for windows and blending."""
        reach = self.margin + (REACH if self.blends else 0)
        enough = (percent for percent in range(100) if int(self.tile * percent / 100 * 2) // 2 // 2 >= reach)
        return next(enough)

    def forward(self, values: Tensor) -> Tensor:
        """Probabilities of the classes and of "no data", which are axis 1."""
        bands = values.index_select(1, self.positions) * DIVISOR
        integers = bands.round()
        bands = torch.where((bands - integers).abs() <= ROUNDING * bands.abs(), integers, bands)
        ground = self._find_ground(bands)
        components = self.reduction(torch.where(ground, bands, torch.zeros(())))
        padded = _pad(components, self.margin)
        probabilities = torch.zeros(1)
        for turn in self.turns:
            scores = self.network.head_map(self.network.trunk(apply_symmetry(padded, turn)))
            probabilities = probabilities + undo_symmetry(scores.softmax(1), turn) / len(self.turns)
        if self.blends:
            probabilities = _blend(probabilities, components)
        if self.temperature != 1:
            probabilities = (probabilities.log() / self.temperature).softmax(1)
        known = ground.to(torch.float32)
        return torch.cat([probabilities * known, 1 - known], dim=1)

    def _find_ground(self, bands: Tensor) -> Tensor:
        """The pixels ``(1, 1, h, w)`` with data in ``(1, B, h, w)``."""
        ground = torch.isfinite(bands).all(dim=1, keepdim=True)
        if bands.shape[1] >= ENOUGH_BANDS:  # a pixel of real data does not have one value in all of so many bands
            ground = ground & (bands != bands[:, :1]).any(dim=1, keepdim=True)
        else:
            ground = ground & (bands != 0).any(dim=1, keepdim=True)
        for value in self.fill:
            ground = ground & ((bands - value).abs() > ROUNDING * value.abs()).all(dim=1, keepdim=True)
        return ground

    def example(self, rows: int = 3, columns: int = 4) -> Tensor:
        """A random tile; other numbers of ``rows`` make others."""
        inside = super().example(self.tile - 2 * self.margin, self.tile + rows - 2 * self.margin)[..., : self.tile]
        values = torch.zeros(1, self.saved.bands.of, self.tile, self.tile)
        values[:, self.positions] = inside / DIVISOR
        return values


def _blend(probabilities: Tensor, components: Tensor) -> Tensor:
    """:func:`hsi.inference.blending.blend` of ``(1, C, h, w)`` by operations that ONNX has."""
    guide = scale_guide(components, SHARPNESS)
    known = (components != 0).any(dim=1, keepdim=True).to(torch.float32)
    weights = []
    for near, other in zip(_neighbours(guide), _neighbours(known), strict=True):
        weights.append((-(guide - near).square().sum(dim=1, keepdim=True)).exp() * known * other)
    total = 1 + torch.cat(weights, dim=1).sum(dim=1, keepdim=True)
    for _ in range(PASSES):
        average = probabilities
        for weight, near in zip(weights, _neighbours(probabilities), strict=True):
            average = average + weight * near
        probabilities = average / total
    return probabilities


def _neighbours(pixels: Tensor) -> Iterator[Tensor]:
    """The pixels ``(1, C, h, w)`` moved to each place of a square around them but their own, with zeros outside."""
    height, width = pixels.shape[-2:]
    padded, side = _pad(pixels, RADIUS), 2 * RADIUS + 1
    for place in range(side**2):
        if place != side**2 // 2:
            down, right = divmod(place, side)
            yield padded[..., down : down + height, right : right + width]


def _pad(pixels: Tensor, margin: int) -> Tensor:
    """``(1, C, h, w)`` with zeros around, joined on so that the exporter knows the size of the result."""
    for axis in (2, 3):
        shape = [int(length) for length in pixels.shape]
        shape[axis] = margin
        zeros = torch.zeros(shape)
        pixels = torch.cat([zeros, pixels, zeros], dim=axis)
    return pixels
