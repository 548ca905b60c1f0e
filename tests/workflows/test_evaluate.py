"""``hsi.evaluate``: the accuracy of a map by reference labels."""

import json
import re

import numpy as np
import pytest
import rasterio
import rasterio.features
from sklearn.metrics import cohen_kappa_score, confusion_matrix

import hsi
from hsi.core.labels import default_table
from hsi.core.scene import Georeference
from hsi.core.synthetic import synthetic_georeference
from hsi.errors import LabelError, OutputError, SceneError, SceneFileError, UsageError
from hsi.io import open_labels, open_scene
from hsi.io.geotiff import write_class_map
from tests.io import file_makers

PLACE = synthetic_georeference()
GRID = {"crs": "EPSG:32616", "transform": rasterio.Affine(*PLACE.transform)}
NAMES = {1: "corn", 2: "soy", 5: "water"}
TABLE = default_table([1, 2, 5]).renamed(NAMES)
WITH_UNCLASSIFIED = default_table([1, 2, 5, 254]).renamed({**NAMES, 254: "unclassified"})


@pytest.fixture
def pair():
    """Map and truth ``(30, 20)`` that agree in most pixels."""
    random = np.random.default_rng(0)
    truth = random.choice(np.array([0, 1, 2, 5], np.uint8), (30, 20))
    ids = np.where(random.random((30, 20)) < 0.7, truth, 2).astype(np.uint8)
    return np.where(ids == 0, 1, ids).astype(np.uint8), truth


@pytest.fixture
def write_map(tmp_path):
    def write(ids, table=TABLE, name="map.tif", georeference=PLACE):
        write_class_map(tmp_path / name, ids, table, georeference=georeference, nodata_mask=None)
        return tmp_path / name

    return write


def features(kinds):
    """A GeoJSON text of geometries, each a type, its coordinates and a class."""
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
    members = [
        {"type": "Feature", "properties": {"class": name}, "geometry": {"type": kind, "coordinates": coordinates}}
        for kind, coordinates, name in kinds
    ]
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": members})


def square(side):
    """The coordinates of a polygon that covers the first ``side`` rows and columns of pixels of 20 m."""
    x, y, far = 500_000, 4_480_000, 20 * side
    return [[[x, y], [x + far, y], [x + far, y - far], [x, y - far], [x, y]]]


def check_like_sklearn(report, truth, predicted, ids=(1, 2, 5)):
    matrix = confusion_matrix(truth, predicted, labels=ids)
    assert report["confusion_matrix"] == matrix.tolist()
    assert report["overall_accuracy"] == pytest.approx(np.mean(truth == predicted))
    sums = np.bincount(truth, minlength=256)[list(ids)]
    assert [row["test"] for row in report["classes"]] == sums.tolist()
    with np.errstate(invalid="ignore"):
        assert report["average_accuracy"] == pytest.approx(np.nanmean(np.diag(matrix) / sums))
    assert report["kappa"] == pytest.approx(cohen_kappa_score(truth, predicted))


class TestAgreement:
    def test_by_name_if_ids_differ(self, pair, write_map):
        ids, truth = pair
        other = np.array([0, 7, 3, 0, 0, 4], np.uint8)[truth]  # corn 7, soy 3, water 4
        table = default_table([3, 4, 7]).renamed({7: "Corn", 3: "soy", 4: " water"})
        report = hsi.evaluate(write_map(ids), write_map(other, table, "truth.tif")).report
        check_like_sklearn(report, truth[truth > 0], ids[truth > 0])
        assert [row["name"] for row in report["classes"]] == ["corn", "soy", "water"]

    def test_by_id_if_the_reference_has_no_names(self, pair, write_map, tmp_path):
        ids, truth = pair
        for reference in (truth, file_makers.tiff(tmp_path / "truth.tif", truth, **GRID)):
            report = hsi.evaluate(str(write_map(ids)), reference).report
            check_like_sklearn(report, truth[truth > 0], ids[truth > 0])

    @pytest.mark.parametrize("name", ["soy", "so\ty\x07"])  # a map's names hold no control characters
    def test_by_polygons(self, pair, write_map, tmp_path, name):
        ids, _ = pair
        (tmp_path / "reference.geojson").write_text(features([("Polygon", square(5), name)]))
        mapped = write_map(ids, TABLE.renamed({2: name}))
        report = hsi.evaluate(mapped, tmp_path / "reference.geojson", label_field="class").report
        assert report["overall_accuracy"] == pytest.approx(np.mean(ids[:5, :5] == 2))
        assert sum(row["test"] for row in report["classes"]) == 25

    def test_a_class_that_the_map_names_but_never_shows_is_wrong(self, pair, write_map):
        ids, truth = pair
        ids = np.where(ids == 5, 1, ids).astype(np.uint8)
        report = hsi.evaluate(write_map(ids), write_map(truth, name="truth.tif")).report
        check_like_sklearn(report, truth[truth > 0], ids[truth > 0])
        assert report["classes"][2]["producers_accuracy"] == 0

    def test_a_run_agrees_with_its_own_report(self, tiff_run, scenes):
        split = rasterio.open(tiff_run.out / "split.tif").read(1)
        with rasterio.open(scenes["tiff"].with_name("scene_gt.tif")) as raster:
            tested = np.where(split == 3, raster.read(1), 0).astype(np.uint16)
        report = hsi.evaluate(tiff_run.out / "map.tif", tested).report
        own = json.loads((tiff_run.out / "accuracy.json").read_text())
        for key in ("confusion_matrix", "overall_accuracy", "average_accuracy", "kappa"):
            assert report[key] == own[key]


class TestArea:
    def test_only_pixels_in_it_count(self, pair, write_map, tmp_path):
        ids, truth = pair
        area = tmp_path / "area.geojson"
        area.write_text(features([("Polygon", square(12), "all")]))
        mask = file_makers.npy(tmp_path / "clouds.npy", np.arange(600).reshape(30, 20) % 7 == 0)
        result = hsi.evaluate(write_map(ids), truth, aoi=area, mask_out=mask)
        use = np.zeros((30, 20), bool)
        use[:12, :12] = True
        use &= (truth > 0) & (np.arange(600).reshape(30, 20) % 7 != 0)
        check_like_sklearn(result.report, truth[use], ids[use])
        assert result.report["split"] == f"reference an array in aoi {area} and mask_out {mask}"
        with pytest.raises(LabelError, match="none of its labelled pixels is in the area"):
            hsi.evaluate(write_map(ids, name="b.tif"), np.where(use, 0, truth), aoi=area, mask_out=mask)

    def test_the_command(self, pair, write_map, run, tmp_path):
        ids, truth = pair
        (tmp_path / "area.geojson").write_text(features([("Polygon", square(12), "all")]))
        labels = file_makers.tiff(tmp_path / "truth.tif", truth, **GRID)
        done = run("evaluate", write_map(ids), "--labels", labels, "--aoi", "area.geojson", "--out", "out")
        assert done.code == 0, done.stderr
        assert "area.geojson: rows 1 to 12 of 30, columns 1 to 12 of 20, 144 pixels" in done.stdout
        assert "whether these labels trained it is not checked" in done.stdout


class TestPixelsWithoutAClass:
    def test_without_data_are_reported_and_not_counted(self, pair, write_map):
        ids, truth = pair
        ids[:3] = 0
        result = hsi.evaluate(write_map(ids), write_map(truth, name="truth.tif"))
        counted = (truth > 0) & (ids > 0)
        check_like_sklearn(result.report, truth[counted], ids[counted])
        assert result.report["uncovered"] == np.count_nonzero(truth[:3])
        assert f"{result.report['uncovered']} labelled pixels lie where the map has no data" in result.warnings[0]

    def test_unclassified_are_wrong(self, pair, write_map, tmp_path):
        ids, truth = pair
        ids[:3] = 254
        labels = write_map(truth, name="truth.tif")
        report = hsi.evaluate(write_map(ids, WITH_UNCLASSIFIED), labels, out=tmp_path / "accuracy").report
        labelled = truth > 0
        assert len(report["classes"]) == 3
        assert report["overall_accuracy"] == pytest.approx(np.mean(truth[labelled] == ids[labelled]))
        assert sum(row["unclassified"] for row in report["classes"]) == np.count_nonzero(truth[:3])
        assert report["kappa"] == pytest.approx(cohen_kappa_score(truth[labelled], ids[labelled]))
        text = (tmp_path / "accuracy" / "accuracy.md").read_text()
        assert "Unclassified" in text
        named = labelled & (ids != 254)
        without = report["subsets"]["without_unclassified"]
        assert without["pixels"] == named.sum()
        assert without["overall_accuracy"] == pytest.approx(np.mean(truth[named] == ids[named]))
        assert (
            f"OA is {100 * without['overall_accuracy']:.2f} % on {named.sum():,} of {labelled.sum():,} pixels" in text
        )


class TestDesign:
    """A map of 100 x 90 pixels whose errors are known, and random samples of its truth."""

    @pytest.fixture
    def ground(self):
        random = np.random.default_rng(1)
        truth = random.choice(np.array([1, 2, 5], np.uint8), (100, 90), p=[0.6, 0.3, 0.1])
        return np.where(random.random(truth.shape) < 0.8, truth, 2).astype(np.uint8), truth

    @pytest.fixture
    def sampled(self, ground):
        def draw(design="simple", count=300):
            ids, truth = ground
            random = np.random.default_rng(2)
            pools = [np.arange(ids.size)] if design == "simple" else [np.flatnonzero(ids == i) for i in (1, 2, 5)]
            places = np.concatenate([random.choice(pool, count // len(pools), replace=False) for pool in pools])
            reference = np.zeros_like(truth)
            reference.flat[places] = truth.flat[places]
            return reference

        return draw

    @pytest.mark.parametrize("design", ["simple", "stratified"])
    def test_accuracy_and_hectares_of_the_map(self, design, ground, sampled, write_map, tmp_path):
        ids, truth = ground
        reference = sampled(design)
        result = hsi.evaluate(write_map(ids), reference, design=design, out=tmp_path / "accuracy")
        estimate = result.report["estimate"]
        assert result.warnings == () and estimate["doubts"] == []
        assert (estimate["design"], estimate["sample"], estimate["unit"]) == (design, 300, "hectares")
        shares = [np.mean(ids == i) for i in (1, 2, 5)]
        right = [np.mean(reference[(ids == i) & (reference > 0)] == i) for i in (1, 2, 5)]
        assert estimate["overall_accuracy"]["value"] == pytest.approx(np.dot(shares, right))
        for entry, i in zip(estimate["classes"], (1, 2, 5), strict=True):
            assert entry["mapped_area"] == pytest.approx(0.04 * np.sum(ids == i))
            area = entry["area"]
            assert abs(area["value"] - 0.04 * np.sum(truth == i)) < 4 * area["standard_error"]
            assert area["low"] < area["value"] < area["high"]
        assert sum(entry["area"]["value"] for entry in estimate["classes"]) == pytest.approx(0.04 * ids.size)
        text = (tmp_path / "accuracy" / "accuracy.md").read_text()
        assert "Estimated (ha)" in text and "Overall accuracy of the map, estimated" in text

    def test_points_are_a_sample_like_any_other(self, ground, sampled, write_map, tmp_path):
        reference = sampled()
        places = np.argwhere(reference)
        points = [
            ("Point", [500_000 + 20 * (c + 0.5), 4_480_000 - 20 * (r + 0.5)], NAMES[reference[r, c]]) for r, c in places
        ]
        (tmp_path / "points.geojson").write_text(features(points))
        path = write_map(ground[0])
        by_points = hsi.evaluate(path, tmp_path / "points.geojson", label_field="class", design="simple")
        by_raster = hsi.evaluate(path, reference, design="simple")
        assert by_points.report["estimate"] == by_raster.report["estimate"]
        assert by_points.warnings == ()

    def test_without_a_design_nothing_is_estimated(self, ground, sampled, write_map, tmp_path):
        report = hsi.evaluate(write_map(ground[0]), sampled(), out=tmp_path).report
        assert "estimate" not in report
        for suffix in ("csv", "md", "tex"):
            assert "estimated" not in (tmp_path / f"accuracy.{suffix}").read_text().lower()

    def test_fields_are_warned_of(self, ground, write_map, tmp_path):
        ids, truth = ground
        reference = np.where(np.indices(truth.shape).sum(axis=0) % 40 < 12, truth, 0).astype(np.uint8)
        result = hsi.evaluate(write_map(ids), reference, design="simple", out=tmp_path)
        (doubt,) = result.report["estimate"]["doubts"]
        assert "lie side by side" in doubt
        assert result.warnings == (f"design simple: {doubt}",)
        assert "Doubt about the sample" in (tmp_path / "accuracy.md").read_text()

    def test_polygons_are_warned_of(self, ground, write_map, tmp_path):
        fields = [("Polygon", square(20), "corn"), ("Point", [501_410, 4_479_990], "corn")]
        (tmp_path / "fields.geojson").write_text(features(fields))
        result = hsi.evaluate(
            write_map(ground[0]), tmp_path / "fields.geojson", label_field="class", design="simple"
        )  # fmt: skip
        for text in (result.report["estimate"]["doubts"][0], result.warnings[0]):
            assert "2 polygons of up to 400 pixels" in text

    def test_a_sample_by_class_is_no_simple_one(self, ground, sampled, write_map):
        result = hsi.evaluate(write_map(ground[0]), sampled("stratified"), design="simple")
        assert "stratified" in result.warnings[0]

    @pytest.mark.parametrize("place", [None, Georeference("EPSG:4326", (0.001, 0, 10, 0, -0.001, 50))])
    def test_pixels_where_the_ground_area_is_not_known_or_differs(self, place, ground, sampled, write_map):
        ids, _ = ground
        estimate = hsi.evaluate(write_map(ids, georeference=place), sampled(), design="simple").report["estimate"]
        assert estimate["unit"] == "pixels"
        assert sum(entry["area"]["value"] for entry in estimate["classes"]) == pytest.approx(ids.size)

    @pytest.mark.parametrize(("value", "rows"), [(254, 100), (0, 80)])
    def test_unclassified_ground_is_part_of_the_map_and_ground_without_data_is_not(
        self, value, rows, ground, sampled, write_map
    ):
        ids, _ = ground
        ids[:20] = value
        report = hsi.evaluate(write_map(ids, WITH_UNCLASSIFIED), sampled(), design="simple").report
        total = sum(entry["area"]["value"] for entry in report["estimate"]["classes"])
        assert total == pytest.approx(0.04 * 90 * rows)
        assert report["estimate"]["overall_accuracy"]["value"] == pytest.approx(report["overall_accuracy"], abs=0.02)

    def test_too_few_pixels_of_a_class_are_refused(self, ground, sampled, write_map, tmp_path):
        ids, _ = ground
        reference = np.where(ids == 5, 0, sampled()).astype(np.uint8)
        with pytest.raises(UsageError, match=r"2 or more reference pixels in each class of the map.*water \(0\)"):
            hsi.evaluate(write_map(ids), reference, design="stratified", out=tmp_path / "accuracy")
        assert not (tmp_path / "accuracy").exists()


class TestCalibration:
    @pytest.fixture
    def confident(self, pair, tmp_path):
        """Write a confidence for the map and return the error that it has."""

        def write(name="map_confidence.tif", scale=1.0, rows=30):
            values = np.random.default_rng(5).uniform(0.4, 1, (30, 20)).astype(np.float32)
            values[0, :5] = np.nan
            with rasterio.Env():
                file_makers.tiff(tmp_path / name, values[:rows] * np.float32(scale), nodata=float("nan"), **GRID)
            used = (pair[1] > 0) & np.isfinite(values)
            right, places = (pair[0] == pair[1])[used], np.ceil(values[used].astype(float) * 15)
            gaps = [abs((values[used] - right)[places == place].sum()) for place in np.unique(places)]
            return sum(gaps) / used.sum(), int(used.sum())

        return write

    def test_the_confidence_next_to_a_map_is_used(self, pair, write_map, confident, tmp_path):
        error, pixels = confident()
        out = tmp_path / "accuracy"
        calibration = hsi.evaluate(write_map(pair[0]), pair[1], out=out).report["calibration"]
        assert (calibration["error"], calibration["pixels"]) == (pytest.approx(error), pixels)
        assert (out / "reliability.png").stat().st_size > 1000
        (tmp_path / "map_confidence.tif").unlink()
        assert hsi.evaluate(write_map(pair[0]), pair[1], out=out, overwrite=True).report["calibration"] is None
        assert not (out / "reliability.png").exists()

    def test_another_one_is_used_when_named(self, pair, write_map, confident, tmp_path):
        error, _ = confident("other.tif")
        path = write_map(pair[0])
        assert hsi.evaluate(path, pair[1]).report["calibration"] is None
        report = hsi.evaluate(path, pair[1], confidence=tmp_path / "other.tif").report
        assert report["calibration"]["error"] == pytest.approx(error)

    def test_pixels_that_the_map_does_not_name_do_not_count(self, pair, write_map, confident):
        _, pixels = confident()
        ids, truth = pair
        ids[10:] = 254
        report = hsi.evaluate(write_map(ids, WITH_UNCLASSIFIED), truth).report
        assert 0 < report["calibration"]["pixels"] <= pixels - np.count_nonzero(truth[10:])

    def test_confidence_and_training_pixels_of_a_run(self, tiff_run, scenes):
        result = hsi.evaluate(tiff_run.out / "map.tif", scenes["tiff"].with_name("scene_gt.tif"), design="simple")
        report = result.report
        assert report["calibration"]["pixels"] == sum(row["test"] for row in report["classes"])
        split = rasterio.open(tiff_run.out / "split.tif").read(1)
        assert report["seen"] == np.isin(split, (1, 2)).sum()
        words = f"{report['seen']:,} of the {np.count_nonzero(split):,} labelled pixels trained or validated this map"
        assert words in result.warnings[0] and words in report["estimate"]["doubts"][0]

        counted = pair_of(tiff_run, scenes)
        test = counted["split"] == 3
        subset = report["subsets"]["without_training"]
        assert (report["measured_on"], subset["pixels"]) == ("reference", np.count_nonzero(test))
        assert subset["overall_accuracy"] == pytest.approx(np.mean(counted["ids"][test] == counted["truth"][test]))

    @pytest.mark.parametrize("record", ['{"smooth": "majority:3"}', "[]", "{", "null", "3"])
    def test_that_of_a_smoothed_map_is_not_used(self, record, pair, write_map, confident, tmp_path):
        confident()
        (tmp_path / "map.json").write_text(record)
        calibration = hsi.evaluate(write_map(pair[0]), pair[1]).report["calibration"]
        assert (calibration is None) == ("smooth" in record)

    def test_that_of_a_run_with_a_smallest_area_is_not_used(self, pair, write_map, confident, tmp_path):
        confident("confidence.tif")
        path, found = write_map(pair[0]), []
        for least in (None, "6px"):
            (tmp_path / "run.json").write_text(json.dumps({"settings": {"mapping": {"min_area": least}}}))
            found.append(hsi.evaluate(path, pair[1]).report["calibration"])
        assert found[0] is not None and found[1] is None

    @pytest.mark.parametrize(
        ("more", "says"),
        [({"scale": 100.0}, "is a probability from 0 to 1"), ({"rows": 29}, "the confidence is 29 x 20")],
    )
    def test_a_raster_that_is_no_confidence_of_this_map(self, more, says, pair, write_map, confident, tmp_path):
        confident(**more)
        path = write_map(pair[0])
        result = hsi.evaluate(path, pair[1])
        assert result.report["calibration"] is None
        assert "no calibration: " in result.warnings[0] and says in result.warnings[0]
        with pytest.raises(SceneError, match=f"map_confidence.tif: .*{says}"):
            hsi.evaluate(path, pair[1], confidence=tmp_path / "map_confidence.tif")


def pair_of(run, scenes):
    """Split, map and truth ``(H, W)`` of the GeoTIFF run."""
    truth = rasterio.open(scenes["tiff"].with_name("scene_gt.tif")).read(1)
    return {"truth": truth} | {
        name: rasterio.open(run.out / file).read(1) for name, file in (("split", "split.tif"), ("ids", "map.tif"))
    }


@pytest.fixture(scope="module")
def predicted(tiff_run, scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("predicted") / "map.tif"
    hsi.predict(tiff_run.out / "model.safetensors", scenes["tiff"], out, report=False)
    return out


class TestTrainedLabels:
    """Labels that trained the model of a map, in whatever file they come."""

    @pytest.mark.parametrize("form", ["raster", "array", "polygons", "finer", "crop"])
    def test_pixels_that_trained_are_counted_and_an_accuracy_without_them_is_given(
        self, form, predicted, tiff_run, scenes, tmp_path
    ):
        parts = pair_of(tiff_run, scenes)
        truth, seen = parts["truth"].astype(np.uint16), np.isin(parts["split"], (1, 2))
        place = rasterio.open(predicted).transform
        grid = {"crs": rasterio.open(predicted).crs, "transform": place}
        options = {}
        if form == "raster":
            reference = scenes["tiff"].with_name("scene_gt.tif")
        elif form == "array":
            reference = truth
        elif form == "finer":
            half = {**grid, "transform": rasterio.Affine(place.a / 2, 0, place.c, 0, place.e / 2, place.f)}
            fine = np.kron(truth, np.ones((2, 2), np.uint16))
            reference, options = file_makers.tiff(tmp_path / "fine.tif", fine, **half), {"align": True}
        elif form == "crop":
            reference, options = file_makers.tiff(tmp_path / "crop.tif", truth[:20], **grid), {"align": True}
            truth[20:] = 0
        else:
            geometries = rasterio.features.shapes(truth.astype(np.int32), truth > 0, transform=place)
            members = [(shape["type"], shape["coordinates"], int(value)) for shape, value in geometries]
            (tmp_path / "labels.geojson").write_text(features(members).replace("32616", str(grid["crs"].to_epsg())))
            reference, options = tmp_path / "labels.geojson", {"label_field": "class"}
        result = hsi.evaluate(predicted, reference, **options)
        trained = np.count_nonzero(seen & (truth > 0))
        assert result.report["seen"] == trained
        assert f"{trained:,} of the {np.count_nonzero(truth):,} labelled pixels trained" in result.warnings[-1]
        assert result.report["subsets"]["without_training"]["pixels"] == np.count_nonzero(truth) - trained

    def test_where_all_trained_it_is_a_training_accuracy(self, predicted, tiff_run, scenes, tmp_path):
        parts = pair_of(tiff_run, scenes)
        reference = np.where(np.isin(parts["split"], (1, 2)), parts["truth"], 0).astype(np.uint16)
        result = hsi.evaluate(predicted, reference, out=tmp_path / "accuracy")
        assert result.report["measured_on"] == "training" and not result.report["subsets"]
        assert "this is its training accuracy and no test" in result.warnings[0]
        markdown = (tmp_path / "accuracy" / "accuracy.md").read_text()
        assert "a training accuracy and no test" in markdown and "| Id | Class | Training |" in markdown
        assert "Overall accuracy (training)" in (tmp_path / "accuracy" / "report.html").read_text()

    def test_pixels_that_only_tested_raise_no_warning(self, predicted, tiff_run, scenes):
        parts = pair_of(tiff_run, scenes)
        result = hsi.evaluate(predicted, np.where(parts["split"] == 3, parts["truth"], 0).astype(np.uint16))
        assert (result.warnings, result.report["seen"]) == ((), 0)

    @pytest.mark.parametrize("pixels", [None, {"pixels": 3, "runs": "damaged"}])
    def test_the_same_file_is_known_by_its_hash(self, pixels, predicted, scenes, tmp_path):
        record = json.loads(predicted.with_suffix(".json").read_text()) | {"training_pixels": pixels}
        for suffix in (".tif", ".tif.aux.xml"):
            (tmp_path / f"map{suffix}").write_bytes(predicted.with_name(f"map{suffix}").read_bytes())
        (tmp_path / "map.json").write_text(json.dumps(record))
        copy = tmp_path / "renamed.tif"
        copy.write_bytes(scenes["tiff"].with_name("scene_gt.tif").read_bytes())
        result = hsi.evaluate(tmp_path / "map.tif", copy)
        assert "renamed.tif: the model of this map was trained with this file" in result.warnings[0]


class TestRefusals:
    @pytest.mark.parametrize("crs", [True, False])
    def test_a_dataarray_that_lies_elsewhere_or_runs_upwards(self, crs, pair, write_map, tmp_path):
        rioxarray = pytest.importorskip("rioxarray")
        path = write_map(pair[0])
        reference = rioxarray.open_rasterio(file_makers.tiff(tmp_path / "truth.tif", pair[1], nodata=5, **GRID))[0]
        reference = reference if crs else reference.drop_vars("spatial_ref")
        report = hsi.evaluate(path, reference).report
        counted = np.isin(pair[1], (1, 2))  # 5 is no data here
        assert report["overall_accuracy"] == pytest.approx(np.mean((pair[0] == pair[1])[counted]))
        for other in (reference.sortby("y"), reference.assign_coords(x=reference.x + 40)):
            with pytest.raises(LabelError, match=r"labels: not on the grid of the scene|not those of the scene"):
                hsi.evaluate(path, other)
        assert hsi.evaluate(path, reference.drop_vars(reference.coords)).report["classes"] == report["classes"]

    @pytest.mark.parametrize(
        ("name", "says"),
        [("corn", "the ids 1, 5 are all named 'corn'"), ("Corn", "'corn' (.*) and 'Corn' (.*) differ only in case")],
    )
    def test_classes_of_one_name(self, name, says, pair, write_map):
        (warning,) = hsi.evaluate(write_map(pair[0], TABLE.renamed({5: name})), pair[1]).warnings
        assert re.search(says, warning) and "nodata" not in warning

    @pytest.mark.parametrize(("zero", "nodata", "warned"), [("water", None, True), ("Unclassified", None, False),
                                                            ("water", 9, False), ("water", 0, False)])  # fmt: skip
    def test_a_class_that_has_the_number_of_no_class(self, zero, nodata, warned, pair, tmp_path):
        path = file_makers.tiff(tmp_path / "map.tif", pair[0] % 5, nodata=nodata, **GRID)
        names = "".join(f"<Category>{name}</Category>" for name in (zero, "corn", "soy"))
        (tmp_path / "map.tif.aux.xml").write_text(
            f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand></PAMDataset>'
        )
        says = (
            f"0 is taken as unlabelled on {np.count_nonzero(pair[0] == 5)} pixels, although the file names it 'water'"
        )
        reference = np.where(pair[1] == 5, 0, pair[1])
        assert any(says in text for text in hsi.evaluate(path, reference).warnings) == warned
        assert any(says in text for text in hsi.sample(path, points=150).warnings) == warned
        notes = open_labels(path, open_scene(path)).notes
        assert any(f"{says}: if it is a class" in note for note in notes) == warned

    def test_classes_that_the_map_does_not_know(self, pair, write_map, tmp_path):
        other = default_table([1, 2, 5]).renamed({1: "corn", 2: "beet", 5: "river"})
        with pytest.raises(LabelError, match=r"truth\.tif: .*no class beet, river; it has corn, soy, water"):
            hsi.evaluate(write_map(pair[0]), write_map(pair[1], other, "truth.tif"))
        with pytest.raises(LabelError, match="an array: the map has no class class 1, class 2, class 9"):
            hsi.evaluate(write_map(pair[0]), np.where(pair[1] == 5, 9, pair[1]))

    @pytest.mark.parametrize("shape", [(30, 20, 3), (30, 20)])
    def test_a_map_without_classes(self, shape, pair, write_map, tmp_path):
        fractions = np.random.default_rng(0).random(shape).astype(np.float32)
        empty = write_map(np.zeros((30, 20), np.uint8), name="empty.tif")
        for path in (file_makers.tiff(tmp_path / "x.tif", fractions, **GRID), empty):
            with pytest.raises(LabelError, match=f"{path.name}: is no class map"):
                hsi.evaluate(path, pair[1])

    def test_files_that_are_missing_or_do_not_fit(self, pair, write_map, tmp_path):
        with pytest.raises(SceneFileError, match=r"none\.tif: no such file"):
            hsi.evaluate("none.tif", pair[1])
        with pytest.raises(SceneFileError, match=r"none\.tif: no such file"):
            hsi.evaluate(write_map(pair[0]), "none.tif")
        with pytest.raises(LabelError, match=r"o\.tif"):
            hsi.evaluate(write_map(pair[0]), file_makers.tiff(tmp_path / "o.tif", pair[1][:-1], **GRID))

    def test_parameters_that_make_no_sense(self, pair, write_map, tmp_path):
        path = write_map(pair[0])
        with pytest.raises(UsageError, match="unknown design 'systematic'"):
            hsi.evaluate(path, pair[1], design="systematic")
        with pytest.raises(TypeError, match="'variable': known: "):
            hsi.evaluate(path, pair[1], variable="cube")
        (tmp_path / "accuracy.md").write_text("mine")
        with pytest.raises(OutputError, match=r"accuracy\.md: exists already"):
            hsi.evaluate(path, pair[1], out=tmp_path)
