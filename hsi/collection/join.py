"""Inputs of several scenes as one: below each other in one raster, with rows between that have no data.

So reducers, splits, engines and baselines that know one scene work on several ones. The rows between are as many as
the largest window has, so that no window has pixels of two scenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.class_colours import name_colours
from hsi.core.events import info, warning
from hsi.core.labels import ClassTable, LabelMap, ScenePlace
from hsi.core.scene import Block, Scene
from hsi.preprocessing.mosaic import Tile, files_of_tiles, shared_block
from hsi.splits.groups import field_groups
from hsi.splits.holdout import list_names
from hsi.workflows.inputs import Inputs


def join_inputs(named: Mapping[str, Inputs], gap: int) -> Inputs:
    """The inputs of all scenes in one, with ``gap`` rows between them; ``parts`` are those of each scene.

    The scenes have the same number of bands. Classes are joined by name, see :func:`join_tables`.
    """
    table = join_tables({name: one.labels.table for name, one in named.items()})
    background = -1 if 0 in table.ids else 0
    parts = tuple(replace(one, labels=_with_table(one.labels, table, background)) for one in named.values())
    tiles, row = list[Tile](), 0
    for one in parts:
        tiles.append(Tile(one.scene, row, 0))
        row += one.scene.height + gap
    height, width = row - gap, max(one.scene.width for one in parts)
    blocks = [Block(tile.row, 0, tile.scene.height, tile.scene.width) for tile in tiles]
    first = parts[0]

    def stack(values: Sequence[NDArray[Any]], empty: Any) -> NDArray[Any]:
        joined = np.full((height, width), empty, values[0].dtype)
        for block, value in zip(blocks, values, strict=True):
            joined[block.slices] = value
        return joined

    surveys = [one.survey for one in parts]
    counts = ("not_finite", "nodata", "zero", "masked", "filled")
    survey = replace(
        first.survey,
        valid=stack([one.valid for one in surveys], False),
        **{name: sum(getattr(one, name) for one in surveys) for name in counts},
        minimum=min(one.minimum for one in surveys),
        maximum=max(one.maximum for one in surveys),
        found=tuple(dict.fromkeys(value for one in surveys for value in one.found)),
        levels=None,
    )
    polygons = _number_polygons([one.labels for one in parts])
    levels = [one.levels for one in parts if one.levels is not None]
    fill = first.fill
    for one in parts[1:]:
        fill = fill | one.fill
    return Inputs(
        _join_scenes(tiles, height, width),
        survey,
        LabelMap(
            stack([one.labels.values for one in parts], background),
            table,
            background,
            polygons=stack(polygons, 0) if polygons else None,
            notes=tuple(note for one in parts for note in one.labels.notes),
            scenes=tuple(ScenePlace(name, block) for name, block in zip(named, blocks, strict=True)),
        ),
        None,
        first.file_bands,
        first.bands,
        # the files of labels are hashed with the masks
        masks=tuple(path for one in parts for path in (one.labels.source, *one.masks) if path),
        levels=np.mean(levels, axis=0) if levels else None,
        fill=fill,
        classes=first.classes,
        parts=parts,
    )


def _join_scenes(tiles: Sequence[Tile], height: int, width: int) -> Scene:
    """The scenes as one of ``height`` rows and ``width`` columns, read by block; pixels of no scene are 0."""
    first = tiles[0].scene
    bands, dtype = len(first.bands), np.result_type(*(tile.scene.dtype for tile in tiles))

    def fetch(block: Block) -> NDArray[Any]:
        cube = np.zeros((block.height, block.width, bands), dtype)
        for tile in tiles:
            shared = shared_block(block, tile)
            if shared:
                cube[shared[0]] = tile.scene.read(shared[1])
        return cube

    return first.with_fetch(
        fetch,
        name=f"{first.name} and {len(tiles) - 1} more",
        source=None,
        tiles=tuple(path for tile in tiles for path in files_of_tiles(tile.scene)),
        height=height,
        width=width,
        bands=tuple(range(bands)),
        dtype=dtype,
        nodata=None,
        format=f"{len(tiles)} scenes, {first.format}",
        good=None,
        georeference=None,
        area=None,
    )


def _number_polygons(labels: Sequence[LabelMap]) -> list[NDArray[np.int32]]:
    """The polygons of each scene ``(H, W)`` with numbers of their own; connected fields where labels are rasters and
    those of another scene are polygons. Empty where none has polygons."""
    if all(one.polygons is None for one in labels):
        return []
    numbered, last = list[NDArray[np.int32]](), 0
    for one in labels:
        numbers = field_groups(one).numbers + 1 if one.polygons is None else one.polygons
        numbered.append(np.where(numbers > 0, numbers + last, 0).astype(np.int32))
        last = max(last, int(numbered[-1].max()))
    return numbered


def join_tables(tables: Mapping[str, ClassTable]) -> ClassTable:
    """One table of the classes of all scenes, by name; what the tables do not have in common is reported.

    Ids stay where each belongs to one name in all tables; else classes are numbered from 1 in order of appearance.
    """
    scenes = dict[str, list[str]]()
    for scene, table in tables.items():
        for name in table.names:
            scenes.setdefault(name, []).append(scene)
    pairs = {(i, name) for table in tables.values() for i, name in zip(table.ids, table.names, strict=True)}
    consistent = len(pairs) == len(scenes) == len({i for i, _ in pairs})
    colours = {
        n: c for table in reversed(list(tables.values())) for n, c in zip(table.names, table.colours, strict=True)
    }
    if consistent:
        ids, names = zip(*sorted(pairs), strict=True)
    else:
        ids, names = tuple(range(1, len(scenes) + 1)), tuple(scenes)
        others = [name for name in names if len({i for i, known in pairs if known == name}) > 1]
        listed = f" ({list_names(others)} had several)" if others else ""
        info("classes", f"joined by name and numbered from 1, because their ids differ between scenes{listed}")
    incomplete = [f"{name} (only {', '.join(found)})" for name, found in scenes.items() if len(found) < len(tables)]
    if incomplete:
        warning(f"classes that not all scenes have: {list_names(incomplete)}")
    ordered = sorted(scenes, key=lambda name: (_simplified(name), name))
    similar = [f"'{one}' and '{other}'" for one, other in pairwise(ordered) if _simplified(one) == _simplified(other)]
    if similar:
        warning(f"{list_names(similar)} are classes of their own: give both the same name if they are one")
    chosen = tuple(colours[name] for name in names)
    return ClassTable(ids, names, chosen if len(set(chosen)) == len(chosen) else name_colours(names))


def _simplified(name: str) -> str:
    """A name without what often differs between files: capitals, spaces, hyphens."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _with_table(labels: LabelMap, table: ClassTable, background: int) -> LabelMap:
    """The labels with the ids of another table that has the same names."""
    ids = dict(zip(table.names, table.ids, strict=True))
    new = np.array([ids[name] for name in labels.table.names] + [background], np.int32)
    return replace(labels, values=new[labels.codes()], table=table, background=background)
