"""Scenes and labels from whatever a caller has: a file, an array, a ``DataArray``, or one that is open already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from hsi.core.labels import LabelMap, label_map
from hsi.core.scene import Scene, scene_from_array
from hsi.errors import LabelError, UsageError
from hsi.io.dataarray import is_dataarray, labels_from_dataarray, scene_from_dataarray
from hsi.settings import InputSettings, input_settings
from hsi.workflows.inputs import open_input_labels, open_input_scene

if TYPE_CHECKING:
    import xarray

    SceneLike = str | Path | ArrayLike | Scene | xarray.DataArray
    LabelsLike = str | Path | ArrayLike | LabelMap | xarray.DataArray


def open_scene(
    scene: SceneLike,
    *,
    variable: str | None = None,
    georef: Path | str | None = None,
    wavelengths: Sequence[float] | None = None,
) -> Scene:
    """A cube ``(H, W, B)`` as a :class:`Scene`: a file, an array, a ``DataArray`` (axes in any order) or a scene.

    ``variable`` names one of several cubes in a file, ``georef`` a raster that lies where the scene lies, and
    ``wavelengths`` the nanometres of the bands where the scene does not say them. Raises :class:`SceneFileError` for a
    file that is missing, damaged or of no known format, :class:`SceneError` for what is no cube of real numbers, and
    :class:`UsageError` for a wrong ``variable``, for wavelengths of another number than the bands and for a
    ``variable`` of what is no file.
    """
    return open_any_scene(scene, input_settings(variable=variable, georef=georef), wavelengths)


def open_any_scene(scene: SceneLike, options: InputSettings, wavelengths: Sequence[float] | None = None) -> Scene:
    """:func:`open_scene` with all settings of a scene."""
    if isinstance(scene, (str, Path)):
        opened = open_input_scene(Path(scene), options)
    else:
        if options.variable is not None:
            raise UsageError(f"variable='{options.variable}' names a cube in a file, and this scene is no file's path")
        opened = open_input_scene(_in_memory(scene), options)
    if wavelengths is None:
        return opened
    if len(wavelengths) != len(opened.bands):
        raise UsageError(f"{len(wavelengths)} wavelengths are given for {len(opened.bands)} bands: one for each")
    return replace(opened, wavelengths=tuple(float(value) for value in wavelengths))


def _in_memory(scene: Any) -> Scene:
    if isinstance(scene, Scene):
        return scene
    return scene_from_dataarray(scene) if is_dataarray(scene) else scene_from_array(np.asanyarray(scene))


def open_labels(
    labels: LabelsLike | None,
    like: Scene,
    *,
    variable: str | None = None,
    background: int | None = None,
    field: str | None = None,
    layer: str | None = None,
    all_touched: bool = False,
    align: bool = False,
) -> LabelMap:
    """Labels ``(H, W)`` of the scene ``like``: a class raster, polygons, an array, a ``DataArray``, or a label map.

    Without ``labels`` they are looked for in the scene's own file and next to it. ``background`` is what means
    unlabelled: 0, or what the file says. ``variable`` and ``align`` are for rasters; ``field``, ``layer`` and
    ``all_touched`` for polygons (see :func:`hsi.io.open_labels`). Raises :class:`LabelError` for labels that are
    missing or do not fit the scene, :class:`SceneFileError` for a damaged file and :class:`UsageError` for an option
    that has no meaning for these labels.
    """
    of_files = {"label_variable": variable, "label_field": field, "label_layer": layer}
    options = input_settings(**of_files, background=background, all_touched=all_touched, align=align)
    return open_any_labels(labels, like, options)


def open_any_labels(
    labels: LabelsLike | None, scene: Scene, options: InputSettings, like: xarray.DataArray | None = None
) -> LabelMap:
    """:func:`open_labels` with its options together; ``like`` is the ``DataArray`` that the scene is from."""
    if labels is None or isinstance(labels, (str, Path)):
        path = None if labels is None else Path(labels)
        return open_input_labels(scene, options.model_copy(update={"labels": path}))
    options.check_in_memory()
    found = _label_map(labels, options.background, like)
    if found.values.shape != (scene.height, scene.width):
        shapes = f"the labels are {found.values.shape}, the scene {scene.name} is {(scene.height, scene.width)} pixels"
        raise LabelError(f"labels: {shapes}: give the labels of this scene")
    return found


def _label_map(labels: Any, background: int | None, like: xarray.DataArray | None) -> LabelMap:
    if isinstance(labels, LabelMap):
        if background not in (None, labels.background):
            raise UsageError(
                f"background={background}, and these labels have {labels.background} already: leave it out"
            )
        return labels
    values = labels_from_dataarray(labels, like) if is_dataarray(labels) else np.asarray(labels)
    return label_map(values, background=0 if background is None else background)
