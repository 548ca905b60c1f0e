"""A scene on another scale than the training scene is refused with the factor; an honest one is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import hsi
from hsi.core.scene import scene_from_array, survey_scene
from hsi.errors import UsageError
from hsi.inference.model_file import load_model, save_model
from hsi.inference.scene_scale import FACTORS, find_factor, format_factor, parse_scale
from hsi.settings import InputSettings
from hsi.workflows.inputs import read_inputs
from tests.conftest import Run, Sample
from tests.io.file_makers import envi


def levels(cube: np.ndarray) -> np.ndarray:
    found = survey_scene(scene_from_array(cube)).levels
    assert found is not None
    return found


class TestFindFactor:
    @pytest.mark.parametrize("factor", [sign for factor in FACTORS for sign in (factor, float(f"{1 / factor:.9g}"))])
    @pytest.mark.parametrize("brightness", [1, 0.85, 1.15])
    def test_finds_each_factor_in_another_season(self, factor: float, brightness: float, sample: Sample):
        season = np.linspace(0.8, 1.25, sample.cube.shape[2])
        other = sample.cube * season * brightness / factor
        assert find_factor(levels(sample.cube), levels(other)) == pytest.approx(factor)

    @pytest.mark.parametrize("brightness", [0.2, 0.5, 1, 2, 4])
    def test_a_brighter_or_darker_scene_is_on_the_same_scale(self, brightness: float, sample: Sample):
        assert find_factor(levels(sample.cube), levels(sample.cube * brightness)) is None

    def test_other_land_cover_is_on_the_same_scale(self, sample: Sample):
        dark_in_the_infrared = sample.cube * np.geomspace(0.5, 0.02, sample.cube.shape[2])
        assert find_factor(levels(sample.cube), levels(dark_in_the_infrared)) is None

    def test_water_with_some_land_is_on_the_same_scale(self, sample: Sample):
        water = sample.cube * 0.03
        water[:, :5] = sample.cube[:, :5]
        assert find_factor(levels(sample.cube), levels(water)) is None

    def test_values_around_zero_decide_nothing(self, sample: Sample):
        centred = sample.cube - sample.cube.mean(axis=(0, 1)) * 1.2
        assert find_factor(levels(sample.cube), levels(centred)) is None


def test_factors_are_written_and_read():
    assert [format_factor(f) for f in (1e4, 1e-4, 1e5, 65535, 100, 1)] == ["1e4", "1e-4", "1e5", "65535", "100", "1"]
    assert all(parse_scale(format_factor(1 / factor)) == pytest.approx(1 / factor) for factor in FACTORS)
    assert (parse_scale("auto"), parse_scale(None), parse_scale(2)) == ("auto", None, 2)
    for wrong in ("abc", "0", "nan", "inf", ""):
        with pytest.raises(UsageError, match="a number such as 1e-4, or auto"):
            parse_scale(wrong)


@pytest.fixture(scope="class")
def model(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    out = folder / "model.safetensors"
    settings = {"device": "cpu", "reducer.components": 13, "model.window": 11, "training.epochs": 1}
    hsi.train(sample.cube, sample.truth, out=out, settings=settings | {"model.second_window": 0})
    return out


class TestPredict:
    def test_refuses_another_scale_and_takes_the_factor(self, model: Path, sample: Sample):
        reflectance = (sample.cube / 1e4).astype("f4")
        with pytest.raises(UsageError, match=r"\(0\.\d+ to 0\.\d+, median 0\..*\(\d+ to \d+, median.*--scale 1e4 "):
            hsi.predict(model, reflectance)
        usual = hsi.predict(model, sample.cube)
        assert not usual.warnings
        for scale in ("auto", 1e4):
            scaled = hsi.predict(model, reflectance, scale=scale)
            assert (scaled.classes == usual.classes).mean() > 0.999
            assert scaled.record["scale"] == 1e4

    def test_a_factor_that_is_given_is_used_and_doubted(self, model: Path, sample: Sample):
        wrong = hsi.predict(model, (sample.cube / 1e4).astype("f4"), scale=1)
        assert any("1e4 would bring them there" in text for text in wrong.warnings)
        assert any("farther from every class" in text for text in wrong.warnings)

    def test_a_scale_factor_that_a_conversion_dropped(self, run: Run, model: Path, sample: Sample, tmp_path: Path):
        path = envi(tmp_path / "units.hdr", sample.cube, **{"reflectance scale factor": 10000})
        refused = run("predict", model, path, "--out", "map.tif")
        assert (refused.code, len(refused.complaints)) == (2, 1)
        assert "--scale 1e4" in refused.stderr
        done = run("predict", model, path, "--scale", "auto", "--out", "map.tif", "--no-report")
        assert done.code == 0, done.stderr
        assert "values x 1e4, which was found" in done.stdout

    def test_models_of_earlier_versions_predict_and_warn_of_novel_pixels(
        self, model: Path, sample: Sample, tmp_path: Path
    ):
        older = tmp_path / "older.safetensors"
        save_model(older, dataclasses.replace(load_model(model), levels=None))
        assert any("farther from" in text for text in hsi.predict(older, sample.cube / 1e4).warnings)

    def test_the_estimator_refuses_it_too(self, model: Path, sample: Sample):
        estimator = hsi.HybridSNClassifier.load(model, device="cpu")
        with pytest.raises(UsageError, match="multiply X by 1e4"):
            estimator.predict(sample.cube / 1e4)

    def test_swapped_arguments_are_recognised(self, run: Run, model: Path, sample: Sample, tmp_path: Path):
        np.save(tmp_path / "scene.npy", sample.cube)
        done = run("predict", "scene.npy", model, "--out", "map.tif")
        assert done.code == 2
        assert f"hsi predict {model} scene.npy --out map.tif" in done.stderr

    def test_fill_is_not_mapped_and_novelty_is_of_valid_pixels(
        self, run: Run, model: Path, sample: Sample, tmp_path: Path
    ):
        cube = sample.cube.astype("i4")
        cube[:6, :6], cube[10:20] = -9999, 0
        np.save(tmp_path / "scene.npy", cube)
        done = run("predict", model, "scene.npy", "--novelty", "--out", "map.tif", "--no-report")
        assert "pixels of the value -9999" in done.stderr and "--nodata -9999" in done.stderr
        found = hsi.predict(model, tmp_path / "scene.npy", novelty=True)
        assert found.summary.without_data == 36 + 10 * cube.shape[1] and found.summary.novel is not None
        valid = found.classes.size - found.summary.without_data
        assert f"{found.summary.novel:,} pixels ({found.summary.novel / valid:.1%})" in done.stdout
        declared = hsi.predict(model, cube, nodata=-9999)
        assert not declared.warnings
        np.testing.assert_array_equal(declared.classes, found.classes)

    def test_a_model_knows_the_fill_of_its_training_scene(self, model: Path, sample: Sample, tmp_path: Path):
        filled = sample.cube.copy()
        filled[:3, :3] = 17
        known = read_inputs(filled, sample.truth, InputSettings(nodata=9)).fill
        assert (known.flat, known.values) == ((17,), (9,))
        path = tmp_path / "filled.safetensors"
        save_model(path, dataclasses.replace(load_model(model), fill=known))
        one = sample.cube.copy()
        one[0, 0], one[1, 1, 3] = 17, 9  # too few to be found
        assert hsi.predict(path, one).summary.without_data == 2
        assert hsi.predict(model, one).summary.without_data == 0
