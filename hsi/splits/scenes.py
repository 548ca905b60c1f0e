"""Complete scenes held out: the accuracy on a scene without training pixels, such as the next flight line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hsi.core.labels import LabelMap, ScenePlace
from hsi.errors import SplitError, UnknownNameError, UsageError
from hsi.splits.groups import field_groups
from hsi.splits.sampling import describe_unused, sample_training
from hsi.splits.split import Split, SplitRequest, split_from_codes, split_rule


@split_rule("scenes", ("train", "validation", "scenes"))
def split_scenes(labels: LabelMap, request: SplitRequest) -> Split:
    """All pixels of the scenes that ``request.scenes`` names test, else those of the last scene; the others train.

    ``train`` and ``validation`` pixels are drawn from the other scenes. Raises :class:`UnknownNameError` for a name
    that no scene has and :class:`SplitError` for labels of one scene and where no scene is left to train.
    """
    scenes = _scenes(labels, "scenes")
    names = [name.strip() for name in (request.scenes or scenes[-1].name).split(",")]
    for name in names:
        if name not in [scene.name for scene in scenes]:
            raise UnknownNameError("scene", name, [scene.name for scene in scenes])
    held_out = [scene for scene in scenes if scene.name in names]
    return _hold_out(labels, request, held_out, f"scenes, {_listed(held_out)} held out")


def _check(request: SplitRequest) -> None:
    """Raise :class:`UsageError` unless the request names a fold."""
    if request.fold is None or request.fold < 1:
        raise UsageError("kfold-scenes tests one scene in each fold: name it with --fold, from 1")


@split_rule("kfold-scenes", ("train", "validation", "fold"), _check)
def kfold_scenes(labels: LabelMap, request: SplitRequest) -> Split:
    """All pixels of one scene test, that of the fold; the other scenes train, as in the split ``scenes``."""
    scenes, fold = _scenes(labels, "kfold-scenes"), request.fold or 1
    if fold > len(scenes):
        raise UsageError(f"--fold {fold} is not one of the {len(scenes)} scenes: give 1 to {len(scenes)}")
    held_out = [scenes[fold - 1]]
    rule = f"kfold-scenes, fold {fold} of {len(scenes)}, {_listed(held_out)} held out"
    return _hold_out(labels, request, held_out, rule)


def _scenes(labels: LabelMap, rule: str) -> tuple[ScenePlace, ...]:
    if len(labels.scenes) < 2:
        raise SplitError(
            f"the split '{rule}' holds out complete scenes, and there is one: "
            "hsi train a.hdr b.hdr --labels a.gpkg b.gpkg has two"
        )
    return labels.scenes


def _listed(scenes: Sequence[ScenePlace]) -> str:
    return ", ".join(scene.name for scene in scenes)


def _hold_out(labels: LabelMap, request: SplitRequest, held_out: Sequence[ScenePlace], rule: str) -> Split:
    inside = np.zeros(labels.values.shape, bool)
    for scene in held_out:
        inside[scene.block.slices] = True
    side, text = labels.labelled & ~inside, request.describe(rule)
    if not side.any():
        raise SplitError(f"{text}: no scene with labels is left to train: hold out fewer")
    sample = sample_training(labels, side, request, field_groups(labels))
    return split_from_codes(
        labels,
        sample.codes(labels.labelled & inside),
        rule=text,
        seed=request.seed,
        notes=describe_unused(labels, side & ~sample.used, "of the other scenes not drawn"),
        warnings=sample.warnings,
    )
