"""Labels that may mean something else than their numbers say: 0 and 255, names, one-hot layers."""

import numpy as np
import pytest

import hsi
from hsi.core.events import Recorder, report_to
from hsi.io.label_checks import note_similar_names
from tests.io.file_makers import npy, small_cube, small_labels, tiff
from tests.io.helpers import refuse_labels, utm_scene
from tests.io.vector_makers import drawn, noted, rectangle, vector

SCENE = utm_scene()
LABELS = small_labels()  # 0 to 3
ONE_HOT = np.stack([i == LABELS for i in (1, 2, 3)], axis=-1)  # (H, W, K)


def read(labels, **options):
    """The labels and the warnings about them."""
    recorder = Recorder()
    with report_to(recorder):
        found = hsi.open_labels(labels, SCENE, **options)
    return found, recorder.warnings


class TestFillValues:
    def test_zero_beside_a_nodata_value_is_named_with_its_remedy(self, tmp_path):
        values = np.where(LABELS == 3, 255, LABELS).astype(np.uint8)
        path, count = tiff(tmp_path / "gt.tif", values, nodata=255), np.count_nonzero(LABELS == 0)
        labels, warnings = read(path)
        assert labels.counts[0] == count
        (warning,) = warnings
        assert f"0 is taken as a class of {count} pixels" in warning and "--background 0" in warning
        labels, warnings = read(path, background=0)
        assert set(labels.counts) == {1, 2} and not warnings

    @pytest.mark.parametrize("nodata", [-9999, -1, 3])
    def test_any_nodata_value_but_zero(self, nodata, tmp_path):
        values = np.where(LABELS == 3, nodata, LABELS).astype(np.float32)
        assert any("--background 0" in warning for warning in read(tiff(tmp_path / "gt.tif", values, nodata=nodata))[1])

    def test_zero_where_another_background_is_given(self, tmp_path):
        values = np.where(LABELS == 3, -9999, LABELS).astype(np.float32)
        _, warnings = read(npy(tmp_path / "gt.npy", values), background=-9999)
        assert any("because --background is -9999" in warning for warning in warnings)

    def test_255_as_a_class_in_files_and_arrays(self, tmp_path):
        values = np.where(LABELS == 3, 255, LABELS)
        for labels in (npy(tmp_path / "gt.npy", values), values):
            found, warnings = read(labels)
            assert 255 in found.counts and any("255 is taken as a class" in warning for warning in warnings)
        values = np.where(LABELS == 0, 255, LABELS)
        assert "add --background 255" in read(values)[1][0]
        assert not read(values, background=255)[1]

    @pytest.mark.parametrize("ids", [[0, 1, 2, 3], [0, 200, 255, 7], [0, 100, 200, 300]])
    def test_usual_ids_are_no_reason_for_a_warning(self, ids):
        found, warnings = read(np.array(ids)[LABELS])
        assert sorted(found.counts) == sorted(ids)[1:] and not warnings

    def test_a_negative_id_names_the_option(self):
        refuse_labels(None, SCENE, "no labels found")
        with pytest.raises(hsi.errors.LabelError, match="found -1; if it means unlabelled, add --background -1"):
            read(LABELS.astype(int) - 1)


class TestNames:
    def test_features_whose_names_differ_in_case_blanks_or_accents(self, tmp_path):
        shapes = [rectangle(row, 0, row + 1, 3) for row in range(5)]
        names = ["wasser", "Wasser ", "Wälder", "Walder", "Wasser"]
        labels = drawn(vector(tmp_path / "a.gpkg", shapes, cover=names), field="cover")
        assert noted(labels, "'Wasser' (2 features) and 'wasser' (1 features) differ only in case")
        assert noted(labels, "'Walder' (1 features) and 'Wälder' (1 features)")

    def test_others_are_not(self):
        assert not note_similar_names({"class 1": 3, "class 11": 3, "wheat": 1, "?": 2, "!": 2}, "pixels")
        assert note_similar_names({"bare soil": 3, "bare_soil": 4, "Bare  soil": 1}, "pixels")


class TestOneHot:
    @pytest.mark.parametrize("dtype", ["uint8", "float32", "bool", "int64"])
    @pytest.mark.parametrize("layers", [2, 0])
    def test_layers_are_classes(self, dtype, layers, tmp_path):
        path = npy(tmp_path / "gt.npy", np.moveaxis(ONE_HOT, 2, layers).astype(dtype))
        labels, warnings = read(path)
        np.testing.assert_array_equal(labels.values, LABELS)
        assert "one-hot labels of 3 layers are read as classes 1 to 3" in warnings[0]

    def test_in_memory_and_as_a_raster_of_bands(self, tmp_path):
        for labels in (ONE_HOT, ONE_HOT * 255, tiff(tmp_path / "gt.tif", ONE_HOT.astype(np.uint8))):
            np.testing.assert_array_equal(read(labels)[0].values, LABELS)

    def test_a_layer_of_the_unlabelled_is_asked_for(self):
        layers = np.stack([i == LABELS for i in (0, 1, 2, 3)], axis=-1)
        labels, warnings = read(layers)
        assert len(labels.counts) == 4 and "if the first layer means unlabelled, add --background 1" in warnings[0]
        labels, _ = read(layers, background=1)
        np.testing.assert_array_equal(labels.labelled, LABELS > 0)

    @pytest.mark.parametrize("values", [small_cube(), np.random.default_rng(0).random((11, 7, 3)), np.ones((11, 7, 2))])
    def test_other_layers_are_refused_with_what_to_do(self, values, tmp_path):
        words = "that is not one-hot", "array.argmax(axis=2) + 1"
        refuse_labels(npy(tmp_path / "gt.npy", values), SCENE, *words)
