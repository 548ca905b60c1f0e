"""What a model decides where nobody says, and what is left to the scene."""

import pytest

from hsi.errors import UsageError
from hsi.models import MODELS
from hsi.settings import load_settings
from hsi.workflows.resolve import resolve_settings


def settled(**values):
    return resolve_settings(load_settings(None, {name.replace("__", "."): value for name, value in values.items()}))


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.window is None])
def test_the_recipe_is_for_every_hybridsn(name):
    found = settled(model__name=name)
    assert found.reducer.name == "mnf"
    assert (found.model.window, found.mapping.spectral) == (None, None)  # the scene decides
    assert found.mapping.symmetries
    assert (found.mapping.blend, found.training.context_dropout) == (None, None)


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.window is not None])
def test_a_method_of_its_own_sees_what_it_was_published_with_and_is_not_averaged(name):
    found, entry = settled(model__name=name), MODELS[name]
    assert (found.reducer.name, found.model.window) == (entry.reducer or "mnf", entry.window)
    assert found.reducer.components == entry.components
    assert (found.mapping.symmetries, found.mapping.blend, found.mapping.spectral) == (False, False, "none")
    assert found.training.context_dropout == 0


def test_what_is_asked_for_wins():
    found = settled(model__name="ssftt", reducer__name="mnf", model__window=15, mapping__blend=True)
    assert (found.reducer.name, found.reducer.components, found.model.window) == ("mnf", None, 15)
    assert found.mapping.blend
    assert not found.mapping.symmetries


def test_a_baseline_has_its_reducer_and_the_usual_window_for_the_split():
    assert settled(model__name="gml").reducer.name == "pca"
    assert settled(model__name="svm").model.window == 15
    assert settled(model__name="svm", model__window=11).model.window == 11


def test_settled_settings_are_settled():
    for name in MODELS:
        found = settled(model__name=name)
        assert resolve_settings(found) == found


@pytest.mark.parametrize("setting", ["width", "resolution"])
def test_the_multipliers_of_tables_mean_nothing_to_a_baseline(setting):
    with pytest.raises(UsageError, match=rf"model.{setting} means nothing to svm"):
        settled(model__name="svm", **{f"model__{setting}": 0.5})
