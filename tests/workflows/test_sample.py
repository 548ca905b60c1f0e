"""``hsi.sample``: which pixels are drawn, what is written, and that ``hsi.evaluate`` finds the truth from it."""

import csv

import numpy as np
import pytest

import hsi
from hsi.core.labels import default_table
from hsi.core.scene import Block, Scene
from hsi.core.synthetic import synthetic_georeference
from hsi.errors import LabelError, OutputError, UsageError
from hsi.io.geotiff import write_class_map
from tests.io import file_makers

geopandas = pytest.importorskip("geopandas")

SHAPE, SHARES = (200, 250), [0.03, 0.07, 0.3, 0.6]
NAMES = {1: "loss", 2: "gain", 3: "forest", 4: "other"}
TABLE = default_table([1, 2, 3, 4]).renamed(NAMES)
PLACE = synthetic_georeference()


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(3).choice(np.array([1, 2, 3, 4], np.uint8), SHAPE, p=SHARES)


@pytest.fixture(scope="module")
def ids(truth):
    """A map ``(H, W)`` that has about 86 % right, and too much of the rare classes."""
    random = np.random.default_rng(4)
    wrong = random.choice(np.array([1, 2, 3, 4], np.uint8), SHAPE)
    return np.where(random.random(SHAPE) < 0.82, truth, wrong)


@pytest.fixture
def write_map(tmp_path):
    def write(ids, table=TABLE, place=PLACE, nodata=None, name="map.tif"):
        write_class_map(tmp_path / name, ids, table, georeference=place, nodata_mask=nodata)
        return tmp_path / name

    return write


def interpret(path, found, truth, names=NAMES):
    """Fill in the field of the interpreter, whose pixels are in the order of the sample."""
    texts = [names[int(truth[place])] for place in zip(found.rows, found.columns, strict=True)]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, lines[0])
            writer.writeheader()
            writer.writerows({**line, "class": text} for line, text in zip(lines, texts, strict=True))
        return
    frame = geopandas.read_file(path)
    assert frame["class"].isna().all()
    frame["class"] = texts
    frame.to_file(path)


class TestRoundTrip:
    @pytest.mark.parametrize(
        ("name", "place"),
        [
            ("a.gpkg", PLACE),
            ("a.geojson", PLACE),
            ("a.csv", PLACE),
            ("a.gpkg", None),
            ("a.csv", None),
        ],
    )
    def test_every_file_gives_the_pixels_that_were_drawn(self, name, place, ids, truth, write_map, tmp_path):
        mapped = write_map(ids, place=place)
        found = hsi.sample(mapped, tmp_path / name, points=250)
        interpret(tmp_path / name, found, truth)
        report = hsi.evaluate(mapped, tmp_path / name, label_field="class", design="stratified").report
        right = ids[found.rows, found.columns] == truth[found.rows, found.columns]
        assert sum(map(sum, report["confusion_matrix"])) == 250
        assert report["overall_accuracy"] == pytest.approx(right.mean())
        assert report["estimate"]["doubts"] == []

    @pytest.mark.parametrize("design", ["stratified", "simple"])
    def test_the_intervals_hold_the_truth(self, design, ids, truth, write_map):
        """Accuracy and areas over 10 samples, of whose intervals 95 % are expected to hold the truth."""
        mapped, hits, total, errors = write_map(ids), 0, 0, []
        accuracy = np.mean(ids == truth)
        shares = [np.mean(truth == i) for i in NAMES]
        for seed in range(10):
            found = hsi.sample(mapped, design=design, points=400, seed=seed, expected_accuracy=float(accuracy))
            labels = np.zeros(SHAPE, np.uint8)
            labels[found.rows, found.columns] = truth[found.rows, found.columns]
            estimate = hsi.evaluate(mapped, labels, design=design).report["estimate"]
            bounds = [estimate["overall_accuracy"], *(entry["share"] for entry in estimate["classes"])]
            hits += sum(b["low"] <= value <= b["high"] for b, value in zip(bounds, [accuracy, *shares], strict=True))
            total += len(bounds)
            errors.append(estimate["overall_accuracy"]["value"] - accuracy)
        assert hits >= 0.85 * total
        assert abs(np.mean(errors)) < 3 * found.standard_error / np.sqrt(len(errors))
        assert 0.4 < np.std(errors) / found.standard_error < 1.7

    def test_ids_may_be_filled_in_and_the_field_of_the_map_may_not(self, ids, truth, write_map, tmp_path):
        ids = np.where(ids == 2, 4, ids)
        mapped = write_map(ids, default_table([1, 3, 4]))  # without names
        found = hsi.sample(mapped, tmp_path / "a.gpkg", points=250)
        truth = np.where(truth == 2, 4, truth)
        interpret(tmp_path / "a.gpkg", found, truth, {i: str(i) for i in NAMES})
        result = hsi.evaluate(mapped, tmp_path / "a.gpkg", label_field="class", design="stratified")
        right = ids[found.rows, found.columns] == truth[found.rows, found.columns]
        assert result.report["overall_accuracy"] == pytest.approx(right.mean())
        result = hsi.evaluate(mapped, tmp_path / "a.gpkg", label_field="map_id", design="stratified")
        assert any("its field for the reference is 'class'" in warning for warning in result.warnings)
        interpret_again = {1: "corn", 3: "oats", 4: "rye"}
        frame = geopandas.read_file(tmp_path / "a.gpkg")
        frame["class"] = [interpret_again[int(name)] for name in frame["class"]]
        frame.to_file(tmp_path / "a.gpkg")
        with pytest.raises(LabelError, match="the map has no class corn"):
            hsi.evaluate(mapped, tmp_path / "a.gpkg", label_field="class")

    @pytest.mark.parametrize("name", ["a.gpkg", "a.csv"])
    def test_points_by_the_classes_of_another_map_are_warned_of(self, name, ids, truth, write_map, tmp_path):
        found = hsi.sample(write_map(ids), tmp_path / name, points=250)
        interpret(tmp_path / name, found, truth)
        other = ids.copy()
        other[found.rows[:7], found.columns[:7]] = 1 + ids[found.rows[:7], found.columns[:7]] % 4
        given = {"reference": tmp_path / name, "label_field": "class"}
        result = hsi.evaluate(write_map(other, name="other.tif"), design="stratified", **given)
        assert any("7 of 250 points were drawn from another class" in warning for warning in result.warnings)
        assert "sample by the classes of another map" in result.report["estimate"]["doubts"][0]
        report = hsi.evaluate(tmp_path / "map.tif", design="stratified", **given).report
        assert report["estimate"]["doubts"] == []

    @pytest.mark.parametrize("design", ["stratified", "simple"])
    @pytest.mark.parametrize("name", ["a.gpkg", "a.csv"])
    def test_points_of_a_part_of_the_map_are_no_sample_of_all_of_it(
        self, name, design, ids, truth, write_map, tmp_path
    ):
        mapped, part = write_map(ids), tmp_path / "part.npy"
        np.save(part, np.arange(ids.shape[1]) < np.full((ids.shape[0], 1), 30))
        found = hsi.sample(mapped, tmp_path / name, design=design, points=250, mask=part)
        interpret(tmp_path / name, found, truth)
        given = {"reference": tmp_path / name, "label_field": "class", "design": design}
        doubt, *_ = hsi.evaluate(mapped, **given).report["estimate"]["doubts"]
        assert f"drawn from {30 * ids.shape[0]:,} pixels" in doubt and f"estimates are for {ids.size:,}" in doubt
        assert hsi.evaluate(mapped, mask=part, **given).report["estimate"]["doubts"] == []

    def test_without_unclassified_pixels_it_is_about_the_others(self, ids, truth, write_map):
        ids, table = ids.copy(), default_table([1, 2, 3, 4, 254]).renamed({**NAMES, 254: "unclassified"})
        ids[:40] = 254
        mapped = write_map(ids, table)
        for design in ("simple", "stratified"):
            found = hsi.sample(mapped, design=design, points=300)
            assert found.rows.min() >= 40
            assert "10,000 unclassified pixels (20.0%) are not drawn" in found.warnings[0]
            labels = np.zeros(SHAPE, np.uint8)
            labels[found.rows, found.columns] = truth[found.rows, found.columns]
            result = hsi.evaluate(mapped, labels, design=design)
            assert result.report["estimate"]["mapped_pixels"] == 40_000
            assert any("classified pixels only" in warning for warning in result.warnings)

    def test_a_class_of_one_pixel_is_no_obstacle(self, ids, truth, write_map):
        ids = np.where(ids == 1, 2, ids)
        ids[5, 7] = 1
        found = hsi.sample(write_map(ids), points=300)
        assert (found.classes[0]["points"], found.rows[found.map_ids == 1]) == (1, [5])
        assert any("loss (1)" in warning for warning in found.warnings)
        labels = np.zeros(SHAPE, np.uint8)
        labels[found.rows, found.columns] = truth[found.rows, found.columns]
        estimate = hsi.evaluate(write_map(ids, name="b.tif"), labels, design="stratified").report["estimate"]
        assert estimate["classes"][0]["users_accuracy"] is None


class TestDrawing:
    def test_the_points_are_allocated_as_by_hand(self, ids, write_map):
        """Three classes of 200, 9,800 and 40,000 pixels: 50 of the first, 250 by area, 49.2 and 200.8."""
        ids = np.full(SHAPE, 4, np.uint8)
        ids.ravel()[:200], ids.ravel()[200:10_000] = 1, 3
        found = hsi.sample(write_map(ids), points=301)
        assert [entry["points"] for entry in found.classes] == [50, 50, 201]
        assert [entry["pixels"] for entry in found.classes] == [200, 9_800, 40_000]
        assert np.array_equal(ids[found.rows, found.columns], found.map_ids)
        assert (found.classes[0]["share"], found.classes[0]["name"]) == (0.004, "loss")

    def test_nobody_twice_nothing_without_data_and_by_the_seed(self, ids, write_map):
        void = np.arange(SHAPE[1]) % 2 == np.zeros((SHAPE[0], 1))
        mapped = write_map(ids, nodata=void)
        found = hsi.sample(mapped, points=20_000)
        assert len({*zip(found.rows.tolist(), found.columns.tolist(), strict=True)}) == 20_000
        assert (found.columns % 2 == 1).all()
        first, again, other = (hsi.sample(mapped, points=300, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first.rows, again.rows) and not np.array_equal(first.rows, other.rows)
        assert np.any(np.diff(first.map_ids) < 0) and np.any(np.diff(first.rows) < 0)  # in random order

    def test_every_pixel_is_as_likely(self, write_map):
        ids = np.repeat([[1, 2]], 20, axis=0).repeat(10, axis=1).astype(np.uint8)  # (20, 20)
        mapped, counts = write_map(ids), np.zeros((20, 20))
        for seed in range(32):
            found = hsi.sample(mapped, points=200, seed=seed)
            counts[found.rows, found.columns] += 1
        assert np.abs(counts - 16).max() < 5 * np.sqrt(32 * 0.25)
        assert counts.std() == pytest.approx(np.sqrt(32 * 0.25), rel=0.2)

    @pytest.mark.parametrize("design", ["stratified", "simple"])
    def test_blocks_change_nothing(self, design, ids, write_map, monkeypatch):
        mapped = write_map(ids)
        complete = hsi.sample(mapped, design=design, points=300)

        def rows_of_three(scene, budget=0):
            tops = range(0, scene.height, 3)
            return (Block(top, 0, min(3, scene.height - top), scene.width) for top in tops)

        monkeypatch.setattr(Scene, "blocks", rows_of_three)
        part = hsi.sample(mapped, design=design, points=300)
        assert np.array_equal(complete.rows, part.rows) and np.array_equal(complete.columns, part.columns)

    def test_within_a_mask_and_evaluated_within_it(self, ids, truth, write_map, tmp_path):
        mask = np.zeros(SHAPE, np.uint8)
        mask[50:120, 100:] = 1
        grid = {"crs": PLACE.crs, "transform": file_makers.rasterio.Affine(*PLACE.transform)}
        path = file_makers.tiff(tmp_path / "mask.tif", mask, **grid)
        mapped = write_map(ids)
        found = hsi.sample(mapped, tmp_path / "a.gpkg", points=250, mask=path)
        assert mask[found.rows, found.columns].all()
        assert sum(entry["pixels"] for entry in found.classes) == mask.sum()
        interpret(tmp_path / "a.gpkg", found, truth)
        report = hsi.evaluate(mapped, tmp_path / "a.gpkg", label_field="class", design="stratified", mask=path).report
        assert report["estimate"]["mapped_pixels"] == mask.sum()

    def test_points_for_a_standard_error(self, ids, write_map):
        found = hsi.sample(write_map(ids), design="simple", target_error="2%")
        assert (len(found.rows), found.standard_error) == (400, pytest.approx(0.02))


class TestWarningsAndErrors:
    def test_rare_classes(self, write_map):
        ids = np.full(SHAPE, 4, np.uint8)
        ids[0, :80], ids[1:60] = 1, 3
        found = hsi.sample(write_map(ids), points=300)
        assert found.classes[0]["points"] == 50
        assert any(w.startswith("rare on the map: loss (0.16%)") and "0.40%" in w for w in found.warnings)
        found = hsi.sample(write_map(ids, name="b.tif"), design="simple", points=300)
        assert any("fewer than 50 points in loss (" in warning for warning in found.warnings)

    def test_fewer_points_than_the_usual_minimum(self, ids, write_map):
        found = hsi.sample(write_map(ids), points=100)
        assert [entry["points"] for entry in found.classes] == [25, 25, 25, 25]
        assert "100 points are 25 for each of 4 classes" in found.warnings[0] and "200 would do" in found.warnings[0]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({}, "either points"),
            ({"points": 300, "target_error": "2%"}, "either points"),
            ({"points": 60_000}, "60,000 are more than the 50,000 pixels"),
            ({"points": 7}, "needs 2 for each class, 8 here, found 7"),
            ({"points": 100, "min_points": 30}, "too few for min_points 30 of 4 classes: give 120"),
            ({"points": 100, "min_points": 30, "design": "simple"}, "for the design stratified"),
            ({"points": 100, "design": "random"}, "unknown design"),
            ({"points": 100, "expected_accuracy": "120%"}, "share between 0 and 1"),
        ],
    )
    def test_what_is_refused(self, settings, message, ids, write_map):
        with pytest.raises(UsageError, match=message):
            hsi.sample(write_map(ids), **settings)

    def test_files_and_maps_that_cannot_be(self, ids, write_map, tmp_path):
        mapped = write_map(ids, place=None)
        with pytest.raises(UsageError, match=r"GeoPackage \(.gpkg\)"):
            hsi.sample(mapped, tmp_path / "a.shp", points=300)
        with pytest.raises(OutputError, match=r"no CRS: give a .gpkg"):
            hsi.sample(mapped, tmp_path / "a.geojson", points=300)
        hsi.sample(mapped, tmp_path / "a.csv", points=300)
        with pytest.raises(OutputError, match="replace it with --overwrite"):
            hsi.sample(mapped, tmp_path / "a.csv", points=300)
        hsi.sample(mapped, tmp_path / "a.csv", points=300, overwrite=True)
        cube = file_makers.tiff(tmp_path / "cube.tif", file_makers.small_cube())
        with pytest.raises(LabelError, match="no class map"):
            hsi.sample(cube, points=300)
        values = file_makers.tiff(tmp_path / "values.tif", np.full((5, 5), 0.5, np.float32))
        with pytest.raises(LabelError, match=r"integers from 0 to 65534: it holds 0.5"):
            hsi.sample(values, points=3)
