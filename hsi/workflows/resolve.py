"""The settings that a run comes to: what the model and the scene decide where nothing is given, and checks before any
work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.baselines import BASELINES, Baseline
from hsi.core.devices import resolve_device
from hsi.core.events import debug, info, warning
from hsi.core.labels import LabelMap
from hsi.core.scene import Scene
from hsi.errors import UnknownNameError, UsageError
from hsi.models import MODELS, check_multipliers
from hsi.preprocessing.denoisers import check_band_selection, make_denoiser
from hsi.preprocessing.denoisers.total_variation import require_scikit_image
from hsi.preprocessing.reducers import find_reducer
from hsi.settings import OF_EVERY_MODEL, USUAL_REDUCER, USUAL_WINDOW, DenoisingSettings, Settings, display_name
from hsi.splits import Split, check_default_request, check_request, choose_rule, split_request
from hsi.training.held_out import HELD_OUT_SQUARE, held_out_folds, square_to_hold_out
from hsi.training.window_selection import SMALL_WINDOW, advise_window
from hsi.workflows.inputs import given_files

FEW_COMPONENTS = ("ssftt", "cnn2d")  # in place of the usual network, see docs/explanation/defaults.md


def resolve_settings(settings: Settings) -> Settings:
    """The settings with the model's own choices filled in where none was made.

    HybridSN's windows and context dropout, and whether it is joined with a discriminant or its map blended, stay open
    where nobody says: they are chosen from the scene. Settings of a model that does not exist are returned as they are.
    Raises :class:`UsageError` for a setting that would mean nothing to a baseline.
    """
    name = settings.model.name
    if name in BASELINES:
        return _resolve_baseline(settings, BASELINES[name])
    if name not in MODELS:
        return settings
    entry = MODELS[name]
    published = entry.window is not None  # a method of its own; the averages below are part of the recipe for HybridSN
    reducer = _reducer(settings, entry.reducer, entry.components)
    off = {"symmetries": False, "blend": False, "spectral": "none", "calibrate": False}
    by_recipe = off if published else {"symmetries": True}
    mapping = {key: value for key, value in by_recipe.items() if getattr(settings.mapping, key) is None}
    training = {"context_dropout": 0.0} if published and settings.training.context_dropout is None else {}
    window, second = settings.model.window or entry.window, settings.model.second_window
    model = {"window": window, "second_window": 0 if window and second is None else second}
    return updated(settings, reducer=reducer, model=model, training=training, mapping=mapping)


def suit_bands(settings: Settings, bands: int) -> Settings:
    """The settings with no more components than bands, where the number is the method's own."""
    entry = BASELINES[settings.model.name] if is_baseline(settings) else MODELS[settings.model.name]
    own, asked = entry.components, settings.reducer.components
    if own is None or asked != own or asked <= bands:
        return settings
    info("components", f"{bands}, as many as there are bands, instead of the {own} of {settings.model.name}")
    return updated(settings, reducer={"components": bands})


def suit_components(settings: Settings, components: int) -> Settings:
    """The settings with the first of :data:`FEW_COMPONENTS` that takes so few ``components``, where the usual network
    does not and none was chosen."""
    usual = settings.model.name
    if components >= MODELS[usual].least_components or "name" in settings.model.model_fields_set:
        return settings
    name = next(name for name in FEW_COMPONENTS if MODELS[name].least_components <= components)
    least = MODELS[usual].least_components
    info("model", f"{name}, because there are {components} components and the usual {usual} needs {least}")
    return updated(settings, model={"name": name})


def report_settings(settings: Settings) -> None:
    """Report every setting for debugging; what is open is chosen from the scene."""
    for section, values in settings.model_dump().items():
        entries = values.items() if isinstance(values, dict) else [("", values)]
        named = ", ".join(f"{name} {'open' if value is None else value}".strip() for name, value in entries)
        debug("settings", f"{section}: {named}")


def is_baseline(settings: Settings) -> bool:
    """Whether the model of a run is a baseline."""
    return settings.model.name in BASELINES


def _reducer(settings: Settings, own: str | None, components: int | None) -> dict[str, Any]:
    """The reducer asked for, the method's own or the usual one, with the method's components under its own reducer."""
    name = settings.reducer.name or own or USUAL_REDUCER
    return {"name": name, "components": settings.reducer.components or (components if name == own else None)}


def updated(settings: Settings, **sections: dict[str, Any]) -> Settings:
    """The settings with other values in some of their sections."""
    update = {name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    return settings.model_copy(update=update)


def _resolve_baseline(settings: Settings, baseline: type[Baseline]) -> Settings:
    """A baseline has a reducer of its own, or none, and the usual window for the split."""
    window = settings.model.window or USUAL_WINDOW
    _check_meaning(settings, baseline, window)
    reducer = _reducer(settings, baseline.reducer, baseline.components) if baseline.reducer else {}
    return updated(settings, reducer=reducer, model={"window": window, "second_window": 0})


def _check_meaning(settings: Settings, baseline: type[Baseline], window: int) -> None:
    """Raise :class:`UsageError` for the first setting that is not the default and would be ignored."""
    if settings.device not in ("auto", "cpu"):
        raise UsageError(f"--device {settings.device} means nothing to {baseline.name}, which runs on the CPU")
    for section in ("model", "training", "mapping", *(() if baseline.reducer else ("reducer",))):
        given, usual = getattr(settings, section), getattr(Settings(), section)
        for name in type(given).model_fields:
            if f"{section}.{name}" in OF_EVERY_MODEL:
                continue
            if getattr(given, name) != getattr(usual, name):
                raise UsageError(
                    f"{display_name(f'{section}.{name}')} means nothing to {baseline.name} "
                    f"({baseline.title}): leave it out, or choose a model that it is for ('hsi models' lists them)"
                )
    baseline(settings.seed).sides(window)


def check_names(settings: Settings) -> None:
    """Raise :class:`UsageError` for a model, reducer, split or device that does not exist or cannot be as asked.

    Raises :class:`SceneFileError` for a given split whose file is missing; all before any work.
    """
    models = [*MODELS, *BASELINES]
    if settings.model.name not in models:
        raise UnknownNameError("model", settings.model.name, models)
    if settings.model.name in MODELS:
        check_multipliers(settings.model.name, settings.model.width, settings.model.resolution)
    check_denoising(settings.denoising)
    find_reducer(settings.reducer)
    if settings.split.rule is None:
        check_default_request(split_request(settings))
    else:
        check_request(settings.split.rule, split_request(settings))
    given_files(settings)
    resolve_device(settings.device)


def resolve_split_rule(settings: Settings, labels: LabelMap) -> Settings:
    """The settings with the rule of the split that fits the labels where none was given; a doubt is a warning."""
    if settings.split.rule is not None:
        return settings
    rule, doubt = choose_rule(labels)
    if doubt:
        warning(doubt)
    return updated(settings, split={"rule": rule})


def check_denoising(settings: DenoisingSettings) -> None:
    """Raise :class:`UsageError` for a method that is not known, a setting it has no use for and a wrong choice of
    bands, before anything is read."""
    if settings.method is None:
        return
    make_denoiser(settings)
    check_band_selection(settings.bands)
    require_scikit_image("denoising, whose report has SSIM,")


def check_calibration(settings: Settings, split: Split) -> None:
    """Raise :class:`UsageError` where a calibration is asked for and the split has no validation pixel."""
    if settings.mapping.calibrate and not split.validation.any():
        raise UsageError(f"--calibrate fits on validation pixels, and the split {split.rule} has none: give it some")


def check_windows(settings: Settings, scene: Scene) -> None:
    """Raise :class:`UsageError` for a window larger than the scene; where it is still to be chosen, the smallest."""
    model, size = settings.model, f"{scene.height} x {scene.width} pixels"
    for option, window in (("window", model.window or SMALL_WINDOW), ("second_window", model.second_window or 0)):
        if window > max(scene.height, scene.width):
            raise UsageError(f"model.{option} is {window}, larger than the scene of {size}: try a smaller one")


JOINED = {
    "none": "",
    "discriminant": ", joined with a linear discriminant of the pixel's components",
    "logistic": ", joined with a logistic regression of the pixel's components",
    "filtered": ", pooled with a discriminant and a support vector machine of filtered components",
    "pool": ", pooled with linear classifiers and a support vector machine of the pixel",
}


def holds_out_polygons(settings: Settings) -> bool:
    """Whether the split is by polygons or scenes, so that neighbours of the training pixels do not show what test
    pixels do."""
    return (settings.split.rule or "").endswith(("polygons", "scenes"))


def choose_square(settings: Settings, codes: NDArray[np.int64], split: Split) -> int:
    """The side of the squares of training pixels that are held out as one, see :func:`square_to_hold_out`; the largest
    where the split is by polygons or scenes."""
    if holds_out_polygons(settings):
        return HELD_OUT_SQUARE
    return square_to_hold_out(codes, split.train, split.test, settings.seed)


def resolve_by_scene(
    settings: Settings,
    components: NDArray[np.float32],
    codes: NDArray[np.int64],
    split: Split,
    square: int,
) -> Settings:
    """The settings with windows, blending, spectral classifier and context dropout chosen from the scene; ``square`` is
    that of :func:`choose_square`.

    A model that is trained and not tested is for other scenes, where nothing is near its training pixels.
    """
    window, second = settings.model.window, settings.model.second_window
    spectral, blend = settings.mapping.spectral, settings.mapping.blend
    dropout = settings.training.context_dropout
    if None not in (window, second, spectral, blend, dropout):
        return settings
    folds = None
    if holds_out_polygons(settings):
        folds = held_out_folds(codes, split.train, settings.seed, square)
    found = replace(advise_window(components, codes, split.train, split.test, folds), square=square)
    window = window or found.window
    if second is None:
        second = found.second_window if max(components.shape[1:]) >= found.second_window else 0
    spectral = spectral or found.spectral
    blend = found.blend if blend is None else blend
    dropout = float(found.misleading) if dropout is None else dropout
    pooled = f" and {second} in a second network" if second else ""
    info("window", f"{window}{pooled}{JOINED[spectral]}: {found.in_words()}")
    model = {"window": window, "second_window": second}
    mapping = {"spectral": spectral, "blend": blend}
    return updated(settings, model=model, training={"context_dropout": dropout}, mapping=mapping)
