"""What a model decides where nobody says, and what is left to the scene."""

from dataclasses import replace

import numpy as np
import pytest

import hsi
from hsi.core.events import Recorder, report_to
from hsi.core.labels import default_table
from hsi.core.synthetic import make_scene
from hsi.errors import UsageError
from hsi.models import MODELS, build_model
from hsi.settings import load_settings
from hsi.workflows.resolve import (
    check_names,
    resolve_settings,
    resolve_split_rule,
    suit_bands,
    suit_components,
)
from tests.splits.label_maps import parcels


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


class TestFewComponents:
    @pytest.mark.parametrize(("components", "name"), [(13, "hybridsn-bn"), (12, "ssftt"), (3, "ssftt"), (2, "cnn2d")])
    def test_a_network_that_takes_them_replaces_the_usual_one(self, components, name):
        recorder = Recorder()
        with report_to(recorder):
            found = suit_components(settled(), components)
        assert found.model.name == name
        assert MODELS[name].least_components <= components
        assert bool(recorder.messages) == (components < 13)

    def test_a_network_that_was_chosen_stays_and_its_refusal_names_others(self):
        assert suit_components(settled(model__name="hybridsn-bn"), 10).model.name == "hybridsn-bn"
        with pytest.raises(UsageError, match=r"takes so few \(cnn1d, cnn2d, .*ssftt, .*svm-window\)"):
            build_model("hybridsn-bn", components=10, window=15, classes=3)

    @pytest.mark.parametrize(("name", "bands", "components"), [("ssftt", 9, 9), ("gml", 9, 9), ("vgg", 20, 15)])
    def test_a_method_s_own_number_is_no_more_than_the_bands(self, name, bands, components):
        assert suit_bands(settled(model__name=name), bands).reducer.components == components

    def test_ten_bands_from_python(self):
        scene, labels, _ = make_scene(20, 20, bands=10, classes=3, field=8)
        classifier = hsi.HybridSNClassifier(epochs=1, window=11, symmetries=False, blend=False)
        assert classifier.fit(scene, labels).settings_.model.name == "ssftt"


def test_the_rule_of_the_split_is_that_of_the_labels_unless_one_is_given():
    labels, recorder = parcels(), Recorder()  # the third class has one polygon
    with report_to(recorder):
        assert resolve_split_rule(load_settings(), labels).split.rule == "random"
        assert resolve_split_rule(load_settings(None, {"split.rule": "blocks"}), labels).split.rule == "blocks"
    (warning,) = recorder.warnings
    assert "no honest test of class 3 is possible" in warning
    two = replace(labels, values=np.where(labels.values == 3, 2, labels.values), table=default_table([1, 2]))
    assert resolve_split_rule(load_settings(), two).split.rule == "polygons"


def test_a_setting_that_no_default_rule_takes_is_refused_before_anything_is_read():
    check_names(load_settings(None, {"split.buffer": 3}))  # of polygons
    with pytest.raises(UsageError, match="the split 'random' has no use for --fold"):
        check_names(load_settings(None, {"split.fold": 1}))
