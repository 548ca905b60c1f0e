"""What a model decides about its settings where nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsi.core.events import debug

if TYPE_CHECKING:
    from hsi.baselines import Baseline
    from hsi.settings import Settings

OF_EVERY_MODEL = ("model.name", "model.window")


def resolve_settings(settings: Settings) -> Settings:
    """The settings with the model's own choices filled in where none was made.

    HybridSN's windows and context dropout, and whether it is joined with a discriminant or its map blended, stay open
    where nobody says: they are chosen from the scene. Settings of a model that does not exist are returned as they are.
    Raises :class:`UsageError` for a setting that would mean nothing to a baseline.
    """
    from hsi.baselines import BASELINES
    from hsi.models import MODELS

    name = settings.model.name
    if name in BASELINES:
        return _settle_baseline(settings, BASELINES[name])
    if name not in MODELS:
        return settings
    entry = MODELS[name]
    published = entry.window is not None  # a method of its own; the averages below are part of the recipe for HybridSN
    reducer = _reducer(settings, entry.reducer, entry.components)
    by_recipe = {"symmetries": False, "blend": False, "spectral": "none"} if published else {"symmetries": True}
    mapping = {key: value for key, value in by_recipe.items() if getattr(settings.mapping, key) is None}
    training = {"context_dropout": 0.0} if published and settings.training.context_dropout is None else {}
    window, second = settings.model.window or entry.window, settings.model.second_window
    model = {"window": window, "second_window": 0 if window and second is None else second}
    return updated(settings, reducer=reducer, model=model, training=training, mapping=mapping)


def detail_settings(settings: Settings) -> None:
    """Tell every setting to who wants to know all; what stays open is chosen from the scene."""
    for section, values in settings.model_dump().items():
        told = values.items() if isinstance(values, dict) else [("", values)]
        named = ", ".join(f"{name} {'open' if value is None else value}".strip() for name, value in told)
        debug("settings", f"{section}: {named}")


def is_baseline(settings: Settings) -> bool:
    """Whether the model of a run is a baseline."""
    from hsi.baselines import BASELINES

    return settings.model.name in BASELINES


def _reducer(settings: Settings, own: str | None, components: int | None) -> dict[str, Any]:
    """The reducer asked for, the method's own or the usual one, with the method's components under its own reducer."""
    from hsi.settings import USUAL_REDUCER

    name = settings.reducer.name or own or USUAL_REDUCER
    return {"name": name, "components": settings.reducer.components or (components if name == own else None)}


def updated(settings: Settings, **sections: dict[str, Any]) -> Settings:
    """The settings with other values in some of their sections."""
    update = {name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    return settings.model_copy(update=update)


def _settle_baseline(settings: Settings, baseline: type[Baseline]) -> Settings:
    """A baseline has a reducer of its own, or none, and the usual window for the split and its audit."""
    from hsi.settings import USUAL_WINDOW

    window = settings.model.window or USUAL_WINDOW
    _check_meaning(settings, baseline, window)
    reducer = _reducer(settings, baseline.reducer, baseline.components) if baseline.reducer else {}
    return updated(settings, reducer=reducer, model={"window": window, "second_window": 0})


def _check_meaning(settings: Settings, baseline: type[Baseline], window: int) -> None:
    """Raise :class:`UsageError` for the first setting that is not the default and would be ignored."""
    from hsi.errors import UsageError
    from hsi.settings import Settings as Defaults
    from hsi.settings import display_name

    if settings.device not in ("auto", "cpu"):
        raise UsageError(f"--device {settings.device} means nothing to {baseline.name}, which runs on the CPU")
    for section in ("model", "training", "mapping", *(() if baseline.reducer else ("reducer",))):
        given, usual = getattr(settings, section), getattr(Defaults(), section)
        for name in type(given).model_fields:
            if f"{section}.{name}" in OF_EVERY_MODEL:
                continue
            if getattr(given, name) != getattr(usual, name):
                raise UsageError(
                    f"{display_name(f'{section}.{name}')} means nothing to {baseline.name} "
                    f"({baseline.title}): leave it out, or choose a model that it is for ('hsi models' lists them)"
                )
    baseline(settings.seed).sides(window)
