"""``HybridSNClassifier``: scikit-learn's conventions, as far as a classifier of cubes can keep them."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator

from hsi import HybridSNClassifier, classify
from hsi.errors import BundleError, HsiError, LabelError, OutputError, SceneError, SceneFileError, UsageError

QUICK = {"components": 13, "window": 11, "epochs": 3, "symmetries": False, "device": "cpu"}

TABLES = "fits a table of samples; here a sample is a pixel in its surroundings, so X is a cube"
# Checks of scikit-learn that cannot apply, with the reason, and the test below that looks at the same thing.
CANNOT_APPLY = {
    "check_fit_score_takes_y": f"{TABLES} (test_fit_and_score_take_labels)",
    "check_estimators_overwrite_params": f"{TABLES} (test_fitting_changes_no_parameter)",
    "check_dont_overwrite_parameters": f"{TABLES} (test_fitting_adds_only_names_that_end_in_an_underscore)",
    "check_estimators_fit_returns_self": f"{TABLES} (test_fit_returns_the_estimator)",
    "check_readonly_memmap_input": f"{TABLES} (test_inputs_are_only_read)",
    "check_n_features_in_after_fitting": f"{TABLES} (test_another_number_of_bands)",
    "check_positive_only_tag_during_fit": f"{TABLES} (test_dtypes_and_orders)",
    "check_estimators_dtypes": f"{TABLES} (test_dtypes_and_orders)",
    "check_f_contiguous_array_estimator": f"{TABLES} (test_dtypes_and_orders)",
    "check_complex_data": f"{TABLES}; complex numbers are refused in other words (test_what_is_no_cube)",
    "check_dtype_object": f"{TABLES}; objects are refused in other words (test_what_is_no_cube)",
    "check_estimators_empty_data_messages": f"{TABLES}; refused in other words (test_what_is_no_cube)",
    "check_pipeline_consistency": TABLES,
    "check_estimator_sparse_tag": "a cube has three axes, and sparse matrices have two",
    "check_estimator_sparse_array": "a cube has three axes, and sparse matrices have two",
    "check_estimator_sparse_matrix": "a cube has three axes, and sparse matrices have two",
    "check_estimators_pickle": f"{TABLES} (test_a_copy_predicts_the_same)",
    "check_array_api_input": f"{TABLES}, and computes with PyTorch",
    "check_classifier_data_not_an_array": f"{TABLES} (test_lists_are_arrays)",
    "check_classifiers_one_label": "one class is no classification, and an error (test_labels_that_cannot_be)",
    "check_classifiers_classes": f"{TABLES}; labels are whole numbers (test_classes_are_the_labels)",
    "check_classifiers_train": f"{TABLES} (test_it_learns)",
    "check_classifiers_regression_target": "fractions are refused in other words (test_labels_that_cannot_be)",
    "check_supervised_y_2d": "labels have two axes here, always",
    "check_methods_sample_order_invariance": "pixels in another order are another scene",
    "check_methods_subset_invariance": "a pixel without its surroundings is another sample",
    "check_fit2d_1sample": TABLES,
    "check_fit2d_1feature": TABLES,
    "check_dict_unchanged": f"{TABLES} (test_predicting_changes_nothing)",
    "check_fit_idempotent": f"{TABLES} (test_fitting_again_gives_the_same)",
    "check_fit_check_is_fitted": f"{TABLES} (test_an_estimator_knows_whether_it_is_fitted)",
    "check_n_features_in": f"{TABLES} (test_another_number_of_bands)",
    "check_fit2d_predict1d": TABLES,
    "check_requires_y_none": "expects one of its own messages; without labels the error says that there are none",
}


class AsIfOfTables(HybridSNClassifier):
    """scikit-learn lists its checks only for estimators of tables."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


def checks():
    listed = estimator_checks_generator(AsIfOfTables(**QUICK), legacy=True)
    return [(getattr(check, "func", check).__name__, estimator, check) for estimator, check in listed]


@pytest.fixture(scope="module")
def truth(sample):
    """Labels of which those of the lower half are left for testing."""
    training = sample.truth.copy()
    training[18:] = 0
    return training


@pytest.fixture(scope="module")
def fitted(sample, truth):
    """Not to be changed."""
    return HybridSNClassifier(**{**QUICK, "epochs": 12}).fit(sample.cube, truth)


class TestChecksOfScikitLearn:
    @pytest.mark.parametrize(
        ("estimator", "check"),
        [pytest.param(e, check, id=name) for name, e, check in checks() if name not in CANNOT_APPLY],
    )
    def test_check(self, estimator, check):
        check(estimator)

    def test_only_checks_that_exist_are_left_out(self):
        assert CANNOT_APPLY.keys() <= {name for name, *_ in checks()}


class TestConventions:
    def test_a_clone_has_the_parameters_and_is_not_fitted(self, fitted):
        again = clone(fitted)
        assert again.get_params() == fitted.get_params()
        with pytest.raises(NotFittedError):
            again.predict(np.ones((3, 3, 24)))

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "save"])
    def test_nothing_works_before_fitting(self, method, sample):
        with pytest.raises(NotFittedError):
            getattr(HybridSNClassifier(), method)(sample.cube)

    def test_an_estimator_knows_whether_it_is_fitted(self, fitted):
        assert fitted.__sklearn_is_fitted__()
        assert not HybridSNClassifier().__sklearn_is_fitted__()

    def test_parameters_can_be_set_and_wrong_ones_are_known(self):
        estimator = HybridSNClassifier().set_params(window=13, model="hybridsn-se")
        assert (estimator.window, estimator.model) == (13, "hybridsn-se")
        with pytest.raises(ValueError, match="windows"):
            estimator.set_params(windows=3)

    def test_fit_returns_the_estimator(self, sample, truth):
        estimator = HybridSNClassifier(**QUICK)
        assert estimator.fit(sample.cube, truth) is estimator

    def test_fitting_changes_no_parameter(self, fitted):
        assert fitted.get_params() == HybridSNClassifier(**{**QUICK, "epochs": 12}).get_params()

    def test_fitting_adds_only_names_that_end_in_an_underscore(self, fitted):
        added = vars(fitted).keys() - vars(HybridSNClassifier()).keys()
        assert added and all(name.endswith("_") for name in added)

    def test_fitting_again_gives_the_same(self, sample, truth):
        estimator = HybridSNClassifier(**QUICK, spectral="none")
        first = estimator.fit(sample.cube, truth).predict_proba(sample.cube)
        assert np.array_equal(estimator.fit(sample.cube, truth).predict_proba(sample.cube), first)
        other = HybridSNClassifier(**QUICK, spectral="none", random_state=np.random.RandomState(5))
        other.fit(sample.cube, truth)
        assert not np.array_equal(other.predict_proba(sample.cube), first)

    def test_predicting_changes_nothing(self, fitted, sample):
        before = dict(vars(fitted))
        fitted.predict(sample.cube)
        assert vars(fitted) == before

    def test_inputs_are_only_read(self, sample, truth):
        cube, labels = sample.cube.copy(), truth.copy()
        for array in (cube, labels):
            array.setflags(write=False)
        HybridSNClassifier(**QUICK).fit(cube, labels).predict(cube)
        assert np.array_equal(cube, sample.cube)

    def test_a_copy_predicts_the_same(self, fitted, sample):
        wanted = fitted.predict(sample.cube)
        assert np.array_equal(copy.deepcopy(fitted).predict(sample.cube), wanted)


class TestInputs:
    def test_it_learns(self, fitted, sample):
        held_out = sample.truth.copy()
        held_out[:18] = 0
        assert fitted.score(sample.cube, held_out) > 0.8

    def test_fit_and_score_take_labels(self, fitted, sample):
        weights = (sample.truth == 3).astype(float)
        predicted, right = fitted.predict(sample.cube), sample.truth
        labelled = right > 0
        assert fitted.score(sample.cube, right) == pytest.approx(np.mean((predicted == right)[labelled]))
        only = np.mean((predicted == right)[right == 3])
        assert fitted.score(sample.cube, right, sample_weight=weights) == pytest.approx(only)
        with pytest.raises(LabelError, match="one weight"):
            fitted.score(sample.cube, right, sample_weight=[1, 2])

    def test_classes_are_the_labels(self, fitted, sample, truth):
        assert fitted.classes_.tolist() == [3, 7, 200, 300]
        assert fitted.classes_.dtype == fitted.predict(sample.cube).dtype == truth.dtype
        assert fitted.class_names_ == ("class 3", "class 7", "class 200", "class 300")
        assert fitted.window_ == 11 and len(fitted.history_) == 12

    def test_probabilities_are_in_the_order_of_the_classes(self, fitted, sample):
        shares = fitted.predict_proba(sample.cube)
        assert shares.shape == (36, 40, 4) and shares.dtype == np.float32
        assert np.array_equal(fitted.classes_[shares.argmax(axis=2)], fitted.predict(sample.cube))

    def test_background_is_what_it_is_told(self, sample, truth):
        cube = sample.cube.astype(np.float32)
        cube[5, 5] = np.nan
        labels = np.where(truth == 0, -1, truth.astype(int))
        found = HybridSNClassifier(**QUICK, background=-1).fit(cube, labels)
        predicted = found.predict(cube)
        assert np.argwhere(predicted == -1).tolist() == [[5, 5]]
        assert np.isnan(found.predict_proba(cube)[5, 5]).all()
        assert any("1 of 1,440 pixels" in warning for warning in found.warnings_)

    @pytest.mark.parametrize("background", [-1, 300])
    def test_background_that_the_labels_cannot_hold_becomes_no_class(self, sample, background):
        cube = sample.cube.astype(np.float32)
        cube[5, 5] = np.nan
        labels = np.where(np.arange(40) < 20, 44, 255).astype(np.uint8) * np.ones((36, 1), np.uint8)
        quick = {**QUICK, "spectral": "none", "settings": {"training.steps": 4}, "epochs": None}
        found = HybridSNClassifier(**quick, background=background).fit(cube, labels)
        predicted = found.predict(cube)
        assert np.argwhere(predicted == background).tolist() == [[5, 5]]
        assert predicted.dtype == found.classes_.dtype == np.int64

    @pytest.mark.slow
    def test_labels_may_be_a_file_or_a_label_map(self, scenes, sample):
        import hsi

        scene = hsi.open_scene(scenes["tiff"])
        labels = scenes["tiff"].with_name("scene_gt.tif")
        wanted = HybridSNClassifier(**QUICK).fit(sample.cube, sample.truth).predict(sample.cube)
        for given in (labels, hsi.open_labels(labels, scene)):
            assert np.array_equal(HybridSNClassifier(**QUICK).fit(sample.cube, given).predict(sample.cube), wanted)
        with pytest.raises(SceneFileError, match="no such file"):
            HybridSNClassifier(**QUICK).fit(sample.cube, "none.tif")
        with pytest.raises(LabelError, match="background=7 is a class"):
            HybridSNClassifier(**QUICK, background=7).fit(sample.cube, hsi.open_labels(labels, scene))

    def test_dtypes_and_orders(self, fitted, sample):
        wanted = fitted.predict(sample.cube)
        for cube in (sample.cube.astype(np.float64), np.asfortranarray(sample.cube), sample.cube.astype(">i4")):
            assert np.array_equal(fitted.predict(cube), wanted)

    def test_lists_are_arrays(self, fitted, sample):
        assert np.array_equal(fitted.predict(sample.cube[:12].tolist()), fitted.predict(sample.cube[:12]))

    def test_another_number_of_bands(self, fitted, sample):
        assert fitted.n_features_in_ == 24
        with pytest.raises(ValueError, match="X has 20 features, but HybridSNClassifier is expecting 24 features"):
            fitted.predict(sample.cube[:, :, :20])

    @pytest.mark.parametrize(
        "cube", [np.ones((4, 4)), np.ones((4, 4, 2), complex), np.ones((0, 4, 2)), np.full((2, 2, 2), None)]
    )
    def test_what_is_no_cube(self, cube):
        with pytest.raises(SceneError, match="a scene h"):
            HybridSNClassifier(**QUICK).fit(cube, np.ones(cube.shape[:2], int))

    @pytest.mark.parametrize(
        ("labels", "says"),
        [
            (np.ones((36, 40), int), "2 or more classes"),
            (np.full((36, 40), 0.5), "integers"),
            (np.ones((5, 5), int), r"\(5, 5\)"),
            (np.zeros((36, 40), int), "background"),
            (None, "no labels found"),
        ],
    )
    def test_labels_that_cannot_be(self, labels, says, sample):
        with pytest.raises(HsiError, match=says):
            HybridSNClassifier(**QUICK).fit(sample.cube, labels)

    @pytest.mark.parametrize(
        ("parameters", "says"),
        [
            ({"model": "svm"}, "a baseline"),
            ({"model": "hybridsm"}, "did you mean"),
            ({"window": 12}, "odd"),
            ({"settings": {"training.lr": 1}, "lr": 2}, "a parameter of its own"),
        ],
    )
    def test_parameters_are_judged_when_fitting(self, parameters, says, sample, truth):
        with pytest.raises(UsageError, match=says):
            HybridSNClassifier(**parameters).fit(sample.cube, truth)


class TestFiles:
    def test_the_command_predicts_with_a_saved_estimator(self, fitted, scenes, run, tmp_path):
        import rasterio

        fitted.save(tmp_path / "m.safetensors")
        assert run("predict", "m.safetensors", scenes["mat"], "--out", "map.tif").code == 0
        with rasterio.open(tmp_path / "map.tif") as raster:
            assert np.array_equal(raster.read(1), fitted.predict(str(scenes["mat"])))

    def test_a_loaded_estimator_is_the_saved_one(self, fitted, sample, tmp_path):
        path = fitted.save(tmp_path / "m.safetensors")
        again = HybridSNClassifier.load(path, device="cpu")
        assert np.array_equal(again.predict_proba(sample.cube), fitted.predict_proba(sample.cube))
        assert again.n_features_in_ == 24
        assert clone(again)._resolved() == fitted.settings_
        with pytest.raises(OutputError, match="exists already"):
            fitted.save(path)
        with pytest.raises(UsageError, match="background=7 is a class"):
            HybridSNClassifier.load(path, background=7)

    def test_a_file_of_the_command_loads(self, mat_run, sample):
        from hsi.io.geotiff import read_classes

        loaded = HybridSNClassifier.load(mat_run.out / "model.safetensors")
        assert np.array_equal(loaded.predict(sample.cube), read_classes(mat_run.out / "map.tif"))

    def test_a_file_that_is_no_model_is_an_error(self, tmp_path):
        (tmp_path / "m.safetensors").write_bytes(b"no model")
        with pytest.raises(BundleError, match="not a complete safetensors file"):
            HybridSNClassifier.load(tmp_path / "m.safetensors")


def test_the_same_split_and_settings_give_the_map_of_classify(sample):
    settings = {name: value for name, value in QUICK.items() if name != "symmetries"}
    chosen = {"mapping.blend": True, "mapping.spectral": "none", "training.context_dropout": 0.0}
    run = classify(sample.cube, sample.truth, **settings, settings=chosen)
    labels = np.where(run.split.train, sample.truth, 0)
    parameters = {"blend": True, "spectral": "none", "settings": {"training.context_dropout": 0.0}}
    assert np.array_equal(
        HybridSNClassifier(**settings, **parameters).fit(sample.cube, labels).predict(sample.cube), run.classes
    )
