"""Lists of scenes with their labels, and reading them: the same bands, one scale, one class table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.collection.join import join_inputs
from hsi.core.events import info
from hsi.core.scene import Scene
from hsi.errors import ConfigError, SceneError, UsageError
from hsi.inference.scene_scale import find_factor, format_factor
from hsi.io.dataarray import is_dataarray
from hsi.io.formats.gdal import is_remote
from hsi.io.vector_files import is_vector
from hsi.preprocessing.band_matching import match_bands
from hsi.settings import InputSettings, Section, read_yaml, validated
from hsi.workflows.inputs import (
    Inputs,
    choose_input_bands,
    input_files,
    open_any_labels,
    open_any_scene,
    prepare_inputs,
)

if TYPE_CHECKING:
    from hsi.workflows.inputs import LabelsLike, SceneLike

LISTS = (".yaml", ".yml")
DROPS = ("drop_bands", "drop_wavelengths")


@dataclass(frozen=True, eq=False)
class LabelledScene:
    """A scene, its labels (None: looked for in its file and next to it) and how both are read."""

    scene: SceneLike
    labels: LabelsLike | None
    reading: InputSettings

    @property
    def files(self) -> list[Path]:
        """The files that are named."""
        return input_files(self.scene, self.reading, self.labels)


class ListedScene(InputSettings):
    """A scene of a list, with its labels and other input settings."""

    scene: str


class SceneList(Section):
    """A YAML file that lists scenes."""

    scenes: tuple[ListedScene, ...]


def find_scenes(
    scenes: Sequence[SceneLike], labels: Sequence[LabelsLike], reading: InputSettings
) -> list[LabelledScene]:
    """Each scene with its labels, of several ones or of a YAML list; empty for what is one scene.

    Raises :class:`UsageError` for other numbers of both, and for settings that are files of one scene.
    """
    lists = [scene for scene in scenes if is_scene_list(scene)]
    if lists and (len(scenes) > 1 or labels):
        raise UsageError(f"{lists[0]}: lists scenes and their labels: give it alone")
    if lists:
        return read_scene_list(Path(str(lists[0])), reading)
    if len(labels) < 2:
        return []
    if len(scenes) != len(labels):
        raise UsageError(f"{len(scenes)} scenes and {len(labels)} labels are given: one for each scene, or one for all")
    for name in ("georef", "mask", "mask_out"):
        path = getattr(reading, name)
        if path is not None and not is_vector(path):
            raise UsageError(f"{name} {path}: is a raster of one scene: list the scenes, each with its own, in YAML")
    reading = reading.model_copy(update={"labels": None})
    return [LabelledScene(scene, label, reading) for scene, label in zip(scenes, labels, strict=True)]


def is_several(labels: object) -> bool:
    """Whether labels are those of several scenes: a list of paths, arrays or label maps, and no array as a list."""
    several = isinstance(labels, (list, tuple)) and len(labels) > 1
    return several and not any(isinstance(one, (int, float, list, tuple)) for one in labels)  # type: ignore[attr-defined]


def is_scene_list(scene: object) -> bool:
    """Whether a scene is given by the path of a YAML file, which lists several ones."""
    return isinstance(scene, (str, Path)) and Path(scene).suffix.lower() in LISTS


def read_scene_list(path: Path, reading: InputSettings) -> list[LabelledScene]:
    """The scenes in a YAML file; ``reading`` is for what an entry does not say. Paths are relative to the file.

    Raises :class:`ConfigError` for another content.
    """
    shared = reading.model_dump(exclude_unset=True)
    entries = validated(SceneList, read_yaml(path), str(path)).scenes
    if len(entries) < 2:
        raise ConfigError(f"{path}: lists {len(entries)} scene, expected two or more: give it as SCENE")
    listed = list[LabelledScene]()
    for entry in entries:
        own, scene = entry.model_dump(exclude_unset=True, exclude={"scene"}), Path(entry.scene)
        found = {name: path.parent / value if isinstance(value, Path) else value for name, value in own.items()}
        if "wavelengths" in found and not found["wavelengths"].exists():  # a sensor's name
            found["wavelengths"] = own["wavelengths"]
        options = InputSettings(**{**shared, **found})
        place = scene if is_remote(scene) else path.parent / scene
        listed.append(LabelledScene(place, options.labels, options))
    return listed


def read_scenes(scenes: Sequence[LabelledScene], gap: int) -> Inputs:
    """Open all scenes with their labels and join them, with ``gap`` rows between them.

    The bands of the first scene are found in the others by wavelength, or by position without; those that are usable
    in all scenes are used. Raises what reading one scene raises, :class:`BundleError` for a scene without these bands
    and :class:`SceneError` for one on another scale.
    """
    first = _read(scenes[0])
    parts, used = [first], [list(range(len(first.scene.bands)))]
    for one in scenes[1:]:
        part, positions = _read_like(one, first, _own_drops(one, scenes[0]))
        parts.append(part)
        used.append(positions)
    common = set(used[0]).intersection(*used[1:])
    info("bands", f"{len(common)} are usable in all {len(parts)} scenes")
    parts = [
        _with_bands(part, [i for i, position in enumerate(positions) if position in common])
        for part, positions in zip(parts, used, strict=True)
    ]
    for part in parts[1:]:
        _check_scale(part, parts[0])
    return join_inputs(dict(zip(name_scenes([part.scene for part in parts]), parts, strict=True)), gap)


def _read(one: LabelledScene) -> Inputs:
    opened = open_any_scene(one.scene, one.reading, labels=one.labels)
    return _prepare(opened, one, one.reading)


def _prepare(scene: Scene, one: LabelledScene, reading: InputSettings) -> Inputs:
    like: Any = one.scene if is_dataarray(one.scene) else None
    return prepare_inputs(scene, open_any_labels(one.labels, scene, one.reading, like), reading)


def _own_drops(one: LabelledScene, first: LabelledScene) -> dict[str, str]:
    """The options that leave out other bands of a scene than of the first one, as an entry of a list may have them."""
    values = {name: getattr(one.reading, name) for name in DROPS}
    return {name: value for name, value in values.items() if value and value != getattr(first.reading, name)}


def _read_like(one: LabelledScene, first: Inputs, drops: dict[str, str]) -> tuple[Inputs, list[int]]:
    """The inputs of a scene in the bands of the first one, and the positions of the usable ones among these, without
    those that ``drops`` leave out by their numbers or wavelengths in this scene."""
    opened = open_any_scene(one.scene, one.reading, labels=one.labels)
    match = match_bands(first.band_list, opened, owner=_name(first.scene))
    chosen = one.reading.model_copy(update=dict.fromkeys(DROPS))
    part = _prepare(match.scene, one, chosen)
    info("", match.note)
    if drops:
        own = InputSettings(keep_bad_bands=True).model_copy(update=drops)
        left = set(choose_input_bands(opened, own).used)
        part = _with_bands(part, [i for i, band in enumerate(part.scene.bands) if band in left])
    return part, [i for i, band in enumerate(match.scene.bands) if band in part.scene.bands]


def _name(scene: Scene) -> str:
    return str(scene.source or scene.name)


def _with_bands(inputs: Inputs, positions: list[int]) -> Inputs:
    """The inputs with fewer bands, by their positions."""
    levels = None if inputs.levels is None else inputs.levels[:, positions]
    return replace(inputs, scene=inputs.scene.keep_bands(positions), levels=levels)


def _check_scale(inputs: Inputs, first: Inputs) -> None:
    """Raise :class:`SceneError` for a scene whose values are a power of ten times those of the first one."""
    factor = None
    if inputs.levels is not None and first.levels is not None:
        factor = find_factor(first.levels, inputs.levels)
    if factor is not None:
        raise SceneError(
            f"{_name(inputs.scene)}: its values are on another scale than those of {_name(first.scene)}: multiply them "
            f"by {format_factor(factor)}, so that all scenes are in the same units"
        )


def name_scenes(scenes: Sequence[Scene]) -> list[str]:
    """A name for each scene that no other one has, by its file; with the file's folder or a number where needed."""
    names = [scene.name.replace(",", "_") for scene in scenes]
    if len(set(names)) < len(names):
        folders = [f"{scene.source.absolute().parent.name}-" if scene.source else "" for scene in scenes]
        names = [folder + name for folder, name in zip(folders, names, strict=True)]
    found = list[str]()
    for number, name in enumerate(names, 1):
        unique = name if names.count(name) == 1 else f"{name}-{number}"
        while unique in found or (unique != name and unique in names):  # a file may have such a name itself
            unique += f"-{number}"
        found.append(unique)
    return found
