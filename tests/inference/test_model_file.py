"""Model files: complete when read, refused when changed."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hsi.core.labels import default_table
from hsi.core.memory import resident_memory
from hsi.core.scene import scene_from_array
from hsi.errors import BundleError
from hsi.inference.model_file import load_model, save_model
from hsi.preprocessing.reducers import reduce_scene
from hsi.settings import Settings, load_settings
from tests.inference.reference import score_pixels
from tests.models.model_makers import random_model


@pytest.fixture
def written(tmp_path):
    scene = scene_from_array(np.random.default_rng(0).normal(size=(15, 16, 20)).astype(np.float32))
    table = default_table([3, 7, 200]).renamed({7: "déjà <vu>"})
    saved = replace(random_model(scene, name="hybridsn-bn-se", table=table), trained_on={"scene.mat": "00"})
    save_model(tmp_path / "model.safetensors", saved)
    return tmp_path / "model.safetensors", saved, scene


def test_a_loaded_model_makes_the_same_map_of_the_same_scene(written):
    path, saved, scene = written
    again = load_model(path)
    assert (again.table, again.settings, again.bands) == (saved.table, saved.settings, saved.bands)
    assert again.trained_on == {"scene.mat": "00"}
    valid = np.ones((15, 16), bool)
    one, other = (score_pixels(each.model, reduce_scene(scene, each.reducer, valid)) for each in (saved, again))
    assert torch.equal(one, other)


def test_the_temperature_is_stored_and_is_1_where_a_file_has_none(written):
    path, saved, _ = written
    assert load_model(path).temperature == 1
    save_model(path, replace(saved, temperature=1.7))
    assert load_model(path).temperature == 1.7
    change_facts(path, lambda facts: facts.pop("temperature"))
    assert load_model(path).temperature == 1


def change_facts(path, change):
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["hsi"])
    change(facts)
    save_file(load_file(path), path, metadata={"hsi": json.dumps(facts)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts: facts.update(format=99), "format 99.*upgrade hsi"),
        (lambda facts: facts.pop("format"), "has been changed"),
        (lambda facts: facts.update(format=float("inf")), "has been changed"),
        (lambda facts: facts["settings"]["model"].update(name="hybridsn"), "do not fit together"),
        (lambda facts: facts["settings"]["model"].update(name="nothing"), "unknown model 'nothing'"),
        (lambda facts: facts["classes"].update(ids=[1]), "do not fit together"),
        (lambda facts: facts.update(components="many"), "do not fit together"),
        (lambda facts: facts.pop("bands"), "do not fit together"),
        (lambda facts: facts.update(temperature=0), "the temperature is 0"),
        (lambda facts: facts.update(temperature=float("nan")), "the temperature is nan"),
        (lambda facts: facts.update(temperature="warm"), "do not fit together"),
        (lambda facts: facts["classes"]["colours"][0].append(1), "classes.colours.0"),
        (lambda facts: facts["classes"]["colours"].__setitem__(0, [1, 2]), "classes.colours.0"),
        (lambda facts: facts["classes"].update(colours=[[0, 0, 256]] * 3), "less than or equal to 255"),
        (lambda facts: facts["classes"].update(names=[1.5, 2, 3]), "classes.names.0"),
        (lambda facts: facts["classes"].update(ids=[3, "x", 200]), "classes.ids.1"),
        (lambda facts: facts["classes"].update(ids=[7, 3, 200]), "ascending ids"),
        (lambda facts: facts["classes"].update(names=["a"]), "as many"),
        (lambda facts: facts.update(bands=7), "bands"),
        (lambda facts: facts["bands"].update(bands=[[1]] * 20), "bands.bands.0"),
        (lambda facts: facts["bands"].update(bands=[0, 1]), "do not fit together"),
        (lambda facts: facts["bands"].update(of=3), "more than their file has"),
        (lambda facts: facts["bands"].update(wavelengths=[1.0]), "as many as their wavelengths"),
        (lambda facts: facts.update(components=12), "does not make 12 components"),
        (lambda facts: facts.update(trained_on=[]), "trained_on"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(written, change, words):
    path = written[0]
    change_facts(path, change)
    with pytest.raises(BundleError, match=words) as caught:
        load_model(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("change", [{"window": 100_001}, {"window": 10**30 + 1}])
def test_a_description_cannot_request_more_memory_than_its_weights(written, change):
    path = written[0]
    change_facts(path, lambda facts: facts["settings"]["model"].update(change))
    before = resident_memory()
    with pytest.raises(BundleError, match="do not fit together"):
        load_model(path)
    assert resident_memory() - before < 100 * 2**20


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("familiar.limits", torch.zeros(2, dtype=torch.float64), "distances"),
        ("familiar.root", torch.zeros(3, 3, dtype=torch.float64), "do not fit together"),
        ("reducer.mean", torch.zeros(3, dtype=torch.float64), "do not fit together"),
        ("reducer.weights", None, "is missing"),
    ],
)
def test_arrays_of_other_sizes_are_refused(name, values, words, written):
    path = written[0]
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    changed = {**load_file(path), name: values}
    save_file({key: value for key, value in changed.items() if value is not None}, path, metadata=metadata)
    with pytest.raises(BundleError, match=words):
        load_model(path)


def test_missing_truncated_and_foreign_files_are_refused(written, tmp_path):
    path = written[0]
    with pytest.raises(BundleError, match="no such model file"):
        load_model(tmp_path / "none.safetensors")
    content = path.read_bytes()
    for size in (0, 7, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(BundleError, match="not a complete safetensors file"):
            load_model(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(BundleError, match="not one saved by hsi"):
        load_model(path)


def test_settings_survive_the_round_trip():
    settings = load_settings(None, {"split.train": "50", "training.lr": 0.003})
    assert Settings.model_validate(json.loads(json.dumps(settings.model_dump()))) == settings
