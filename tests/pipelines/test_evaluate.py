"""``hsi evaluate``: the accuracy of a map by other labels."""

import json

import numpy as np
import pytest
import rasterio
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from hsi.accuracy.area_estimation import DESIGNS
from hsi.core.labels import default_table
from hsi.core.scene import Georeference
from hsi.core.synthetic import synthetic_georeference
from hsi.io.geotiff import write_class_map
from pipelines.evaluate import DESIGN
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


@pytest.fixture
def evaluate(run, tmp_path):
    """The report of an evaluation that has to succeed, and how the command ended."""

    def work(path, labels, *options):
        done = run("evaluate", path, "--labels", labels, "--out", "accuracy", *options)
        assert done.code == 0, done.stderr
        return json.loads((tmp_path / "accuracy" / "accuracy.json").read_text()), done

    return work


def check_like_sklearn(report, truth, found, ids=(1, 2, 5)):
    matrix = confusion_matrix(truth, found, labels=ids)
    assert report["confusion_matrix"] == matrix.tolist()
    assert report["overall_accuracy"] == pytest.approx(np.mean(truth == found))
    sums = np.bincount(truth, minlength=256)[list(ids)]
    assert [row["test"] for row in report["classes"]] == sums.tolist()
    with np.errstate(invalid="ignore"):
        assert report["average_accuracy"] == pytest.approx(np.nanmean(np.diag(matrix) / sums))
    assert report["kappa"] == pytest.approx(cohen_kappa_score(truth, found))


class TestAgreement:
    def test_by_name_though_the_ids_differ(self, pair, write_map, evaluate, tmp_path):
        ids, truth = pair
        other = np.array([0, 7, 3, 0, 0, 4], np.uint8)[truth]  # corn 7, soy 3, water 4
        table = default_table([3, 4, 7]).renamed({7: "Corn", 3: "soy", 4: " water"})
        report, done = evaluate(write_map(ids), write_map(other, table, "truth.tif"))
        kept = truth > 0
        check_like_sklearn(report, truth[kept], ids[kept])
        assert [row["name"] for row in report["classes"]] == ["corn", "soy", "water"]
        assert f"OA {np.mean(ids[kept] == truth[kept]):.2%}" in done.stdout

    def test_by_id_where_the_reference_has_no_names(self, pair, write_map, evaluate, tmp_path):
        ids, truth = pair
        report, _ = evaluate(write_map(ids), file_makers.tiff(tmp_path / "truth.tif", truth, **GRID))
        check_like_sklearn(report, truth[truth > 0], ids[truth > 0])

    @pytest.mark.parametrize("name", ["soy", "so\ty\x07"])  # a map's names hold no control characters
    def test_by_polygons(self, pair, write_map, evaluate, tmp_path, name):
        ids, _ = pair
        ring = [[500000, 4480000], [500100, 4480000], [500100, 4479900], [500000, 4479900], [500000, 4480000]]
        feature = {
            "type": "Feature",
            "properties": {"class": name},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
        content = {"type": "FeatureCollection", "crs": crs, "features": [feature]}
        (tmp_path / "reference.geojson").write_text(json.dumps(content))
        mapped = write_map(ids, TABLE.renamed({2: name}))
        report, _ = evaluate(mapped, tmp_path / "reference.geojson", "--label-field", "class")
        assert report["overall_accuracy"] == pytest.approx(np.mean(ids[:5, :5] == 2))
        assert sum(row["test"] for row in report["classes"]) == 25

    def test_a_class_that_the_map_names_but_never_shows_is_simply_wrong(self, pair, write_map, evaluate):
        ids, truth = pair
        ids = np.where(ids == 5, 1, ids).astype(np.uint8)
        report, _ = evaluate(write_map(ids), write_map(truth, name="truth.tif"))
        check_like_sklearn(report, truth[truth > 0], ids[truth > 0])
        assert report["classes"][2]["producers_accuracy"] == 0

    def test_a_run_agrees_with_its_own_report(self, tiff_run, run, scenes, tmp_path):
        split = rasterio.open(tiff_run.out / "split.tif").read(1)
        with rasterio.open(scenes["tiff"].with_name("scene_gt.tif")) as raster:
            tested = np.where(split == 3, raster.read(1), 0).astype(np.uint16)
        file_makers.tiff(tmp_path / "tested.tif", tested, **GRID)
        done = run("evaluate", tiff_run.out / "map.tif", "--labels", "tested.tif", "--out", "accuracy")
        assert done.code == 0, done.stderr
        ours, theirs = (
            json.loads(path.read_text())
            for path in (tmp_path / "accuracy/accuracy.json", tiff_run.out / "accuracy.json")
        )
        for key in ("confusion_matrix", "overall_accuracy", "average_accuracy", "kappa"):
            assert ours[key] == theirs[key]


class TestWhatIsNotClassified:
    def test_pixels_without_data_are_told_and_not_counted(self, pair, write_map, evaluate):
        ids, truth = pair
        ids[:3] = 0
        report, done = evaluate(write_map(ids), write_map(truth, name="truth.tif"))
        counted = (truth > 0) & (ids > 0)
        check_like_sklearn(report, truth[counted], ids[counted])
        assert report["uncovered"] == np.count_nonzero(truth[:3])
        assert f"{report['uncovered']} labelled pixels lie where the map has no data" in done.stderr

    def test_unclassified_pixels_are_wrong(self, pair, write_map, evaluate, tmp_path):
        ids, truth = pair
        ids[:3] = 254
        report, _ = evaluate(write_map(ids, WITH_UNCLASSIFIED), write_map(truth, name="truth.tif"))
        kept = truth > 0
        assert len(report["classes"]) == 3
        assert report["overall_accuracy"] == pytest.approx(np.mean(truth[kept] == ids[kept]))
        assert sum(row["unclassified"] for row in report["classes"]) == np.count_nonzero(truth[:3])
        assert report["kappa"] == pytest.approx(cohen_kappa_score(truth[kept], ids[kept]))
        assert "Unclassified" in (tmp_path / "accuracy" / "accuracy.md").read_text()


class TestOutput:
    def test_without_out_nothing_is_written(self, pair, write_map, run, tmp_path):
        ids, truth = pair
        files = {write_map(ids), write_map(truth, name="truth.tif")}
        before = set(tmp_path.iterdir())
        done = run("evaluate", *sorted(files)[:1], "--labels", sorted(files)[1])
        assert (done.code, done.stderr) == (0, "")
        assert set(tmp_path.iterdir()) == before

    def test_tables_in_all_forms_replaced_only_when_asked(self, pair, write_map, evaluate, run, tmp_path):
        paths = write_map(pair[0]), write_map(pair[1], name="truth.tif")
        evaluate(*paths)
        tables = {f"accuracy.{suffix}" for suffix in ("json", "csv", "md", "tex")}
        names = {*tables, "report.html"}  # no confidence, no figure
        assert {path.name for path in (tmp_path / "accuracy").iterdir()} == names
        done = run("evaluate", paths[0], "--labels", paths[1], "--out", "accuracy")
        assert done.code == 1 and "--overwrite" in done.complaints[0]
        evaluate(*paths, "--overwrite")

    def test_the_table_fits_80_columns(self, pair, write_map, run):
        done = run("evaluate", write_map(pair[0]), "--labels", write_map(pair[1], name="truth.tif"))
        shown = done.stdout.partition("accuracy on test pixels")[2].splitlines()
        assert "IoU" in shown[1]
        assert max(map(len, shown)) <= 80


def point_features(rows, columns, names):
    """Points in the middle of pixels, as GeoJSON text."""
    features = [
        {
            "type": "Feature",
            "properties": {"class": name},
            "geometry": {"type": "Point", "coordinates": [500_000 + 20 * (c + 0.5), 4_480_000 - 20 * (r + 0.5)]},
        }
        for r, c, name in zip(rows.tolist(), columns.tolist(), names, strict=True)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": features})


class TestDesign:
    """A map of 100 x 90 pixels whose errors are known, and random samples of its truth."""

    @pytest.fixture
    def ground(self):
        random = np.random.default_rng(1)
        truth = random.choice(np.array([1, 2, 5], np.uint8), (100, 90), p=[0.6, 0.3, 0.1])
        return np.where(random.random(truth.shape) < 0.8, truth, 2).astype(np.uint8), truth

    @pytest.fixture
    def sampled(self, ground):
        def draw(design, count=300):
            ids, truth = ground
            random = np.random.default_rng(2)
            if design == "simple":
                places = random.choice(ids.size, count, replace=False)
            else:
                places = np.concatenate(
                    [random.choice(np.flatnonzero(ids == i), count // 3, replace=False) for i in (1, 2, 5)]
                )
            found = np.zeros_like(truth)
            found.flat[places] = truth.flat[places]
            return found

        return draw

    @pytest.mark.parametrize("design", ["simple", "stratified"])
    def test_accuracy_and_hectares_of_the_whole_map(self, design, ground, sampled, write_map, evaluate, tmp_path):
        ids, truth = ground
        reference = sampled(design)
        report, done = evaluate(write_map(ids), write_map(reference, name="truth.tif"), "--design", design)
        found = report["estimate"]
        assert done.warnings == [] and found["doubts"] == []
        assert (found["design"], found["sample"], found["unit"]) == (design, 300, "hectares")
        shares = [np.mean(ids == i) for i in (1, 2, 5)]
        right = [np.mean(reference[(ids == i) & (reference > 0)] == i) for i in (1, 2, 5)]
        assert found["overall_accuracy"]["value"] == pytest.approx(np.dot(shares, right))
        for entry, i in zip(found["classes"], (1, 2, 5), strict=True):
            assert entry["mapped_area"] == pytest.approx(0.04 * np.sum(ids == i))
            area = entry["area"]
            assert abs(area["value"] - 0.04 * np.sum(truth == i)) < 4 * area["standard_error"]
            assert area["low"] < area["value"] < area["high"]
        assert sum(entry["area"]["value"] for entry in found["classes"]) == pytest.approx(0.04 * ids.size)
        text = (tmp_path / "accuracy" / "accuracy.md").read_text()
        assert "Estimated (ha)" in text and "Overall accuracy of the map, estimated" in text
        shown = done.stdout.partition("estimated for the whole map")[2].partition("written")[0].splitlines()
        assert max(map(len, shown)) <= 80
        corn = found["classes"][0]["area"]
        assert f"{corn['value']:,.0f} ±{1.959964 * corn['standard_error']:,.0f}" in shown[3]

    def test_points_are_a_sample_like_any_other(self, ground, sampled, write_map, evaluate, tmp_path):
        ids, _ = ground
        reference = sampled("simple")
        rows, columns = np.nonzero(reference)
        (tmp_path / "points.geojson").write_text(
            point_features(rows, columns, [NAMES[i] for i in reference[rows, columns]])
        )
        path = write_map(ids)
        by_points, done = evaluate(path, tmp_path / "points.geojson", "--label-field", "class", "--design", "simple")
        by_raster, _ = evaluate(path, write_map(reference, name="truth.tif"), "--design", "simple", "--overwrite")
        assert by_points["estimate"] == by_raster["estimate"]
        assert done.warnings == []

    def test_without_the_option_nothing_is_estimated(self, ground, sampled, write_map, evaluate, tmp_path):
        report, done = evaluate(write_map(ground[0]), write_map(sampled("simple"), name="truth.tif"))
        assert "estimate" not in report
        assert "whole map" not in done.stdout
        for suffix in ("csv", "md", "tex"):
            assert "estimated" not in (tmp_path / "accuracy" / f"accuracy.{suffix}").read_text().lower()

    def test_fields_are_warned_of(self, ground, write_map, evaluate, tmp_path):
        ids, truth = ground
        reference = np.where(np.indices(truth.shape).sum(axis=0) % 40 < 12, truth, 0).astype(np.uint8)
        report, done = evaluate(write_map(ids), write_map(reference, name="truth.tif"), "--design", "simple")
        (doubt,) = report["estimate"]["doubts"]
        assert "lie side by side" in doubt
        assert done.warnings == [f"warning: --design simple: {doubt}"]
        assert "Doubt about the sample" in (tmp_path / "accuracy" / "accuracy.md").read_text()

    def test_polygons_are_warned_of(self, ground, write_map, evaluate, tmp_path):
        corners = [(500_000, 4_480_000), (500_400, 4_480_000), (500_400, 4_479_600), (500_000, 4_479_600)]
        feature = json.loads(point_features(np.zeros(2, int), np.array([60, 70]), ["corn", "corn"]))
        feature["features"][0]["geometry"] = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
        (tmp_path / "fields.geojson").write_text(json.dumps(feature))
        options = ("--label-field", "class", "--design", "simple")
        report, done = evaluate(write_map(ground[0]), tmp_path / "fields.geojson", *options)
        assert "2 polygons of up to 400 pixels" in report["estimate"]["doubts"][0]
        assert "2 polygons of up to 400 pixels" in done.warnings[0]

    def test_a_sample_by_class_is_no_simple_one(self, ground, sampled, write_map, evaluate):
        _, done = evaluate(write_map(ground[0]), write_map(sampled("stratified"), name="t.tif"), "--design", "simple")
        assert "give --design stratified" in done.warnings[0]

    @pytest.mark.parametrize("place", [None, Georeference("EPSG:4326", (0.001, 0, 10, 0, -0.001, 50))])
    def test_pixels_where_the_ground_area_is_not_known_or_differs(self, place, ground, sampled, write_map, evaluate):
        ids, _ = ground
        paths = write_map(ids, georeference=place), write_map(sampled("simple"), name="t.tif", georeference=place)
        report, done = evaluate(*paths, "--design", "simple")
        found = report["estimate"]
        assert found["unit"] == "pixels"
        assert sum(entry["area"]["value"] for entry in found["classes"]) == pytest.approx(ids.size)
        assert "mapped pixels" in done.stdout

    def test_unclassified_ground_is_part_of_the_map(self, ground, sampled, write_map, evaluate):
        ids, _ = ground
        ids[:20] = 254
        reference = write_map(sampled("simple"), name="t.tif")
        report, _ = evaluate(write_map(ids, WITH_UNCLASSIFIED), reference, "--design", "simple")
        found = report["estimate"]
        assert sum(entry["area"]["value"] for entry in found["classes"]) == pytest.approx(0.04 * ids.size)
        assert found["overall_accuracy"]["value"] == pytest.approx(report["overall_accuracy"], abs=0.02)

    def test_ground_without_data_is_not(self, ground, sampled, write_map, evaluate):
        ids, _ = ground
        ids[:20] = 0
        report, _ = evaluate(write_map(ids), write_map(sampled("simple"), name="t.tif"), "--design", "simple")
        total = sum(entry["area"]["value"] for entry in report["estimate"]["classes"])
        assert total == pytest.approx(0.04 * ids[20:].size)

    def test_too_few_pixels_of_a_class_are_refused(self, ground, sampled, write_map, run, tmp_path):
        ids, _ = ground
        reference = np.where((ids == 5) & (sampled("simple") > 0), 0, sampled("simple")).astype(np.uint8)
        options = ("--labels", write_map(reference, name="t.tif"), "--design", "stratified", "--out", "accuracy")
        done = run("evaluate", write_map(ids), *options)
        assert (done.code, len(done.complaints)) == (2, 1)
        assert "2 or more reference pixels in each class of the map" in done.complaints[0]
        assert "water (0)" in done.complaints[0]
        assert not (tmp_path / "accuracy").exists()

    def test_every_design_can_be_asked_for(self):
        assert tuple(DESIGN.choices) == DESIGNS

    def test_another_design_is_refused(self, ground, write_map, run):
        done = run("evaluate", write_map(ground[0]), "--labels", "t.tif", "--design", "systematic")
        assert done.code == 2 and "simple" in done.complaints[0]


class TestCalibration:
    @pytest.fixture
    def confident(self, pair, tmp_path):
        """Write a confidence for the map and give the error that it has."""

        def write(name="map_confidence.tif", scale=1.0, rows=30):
            values = np.random.default_rng(5).uniform(0.4, 1, (30, 20)).astype(np.float32)
            values[0, :5] = np.nan
            with rasterio.Env():
                file_makers.tiff(tmp_path / name, values[:rows] * np.float32(scale), nodata=float("nan"), **GRID)
            kept = (pair[1] > 0) & np.isfinite(values)
            right, places = (pair[0] == pair[1])[kept], np.ceil(values[kept].astype(float) * 15)
            gaps = [abs((values[kept] - right)[places == place].sum()) for place in np.unique(places)]
            return sum(gaps) / kept.sum(), int(kept.sum())

        return write

    def test_the_confidence_beside_a_map_is_used(self, pair, write_map, evaluate, confident, tmp_path):
        error, pixels = confident()
        report, done = evaluate(write_map(pair[0]), write_map(pair[1], name="truth.tif"))
        assert report["calibration"]["error"] == pytest.approx(error)
        assert report["calibration"]["pixels"] == pixels
        assert f"expected calibration error {error * 100:.2f} %" in done.stdout
        assert (tmp_path / "accuracy" / "reliability.png").stat().st_size > 1000
        assert "reliability.png" in done.stdout
        (tmp_path / "map_confidence.tif").unlink()
        report, _ = evaluate(write_map(pair[0]), tmp_path / "truth.tif", "--overwrite")
        assert report["calibration"] is None
        assert not (tmp_path / "accuracy" / "reliability.png").exists()

    def test_another_one_is_used_when_named(self, pair, write_map, evaluate, confident):
        error, _ = confident("other.tif")
        paths = write_map(pair[0]), write_map(pair[1], name="truth.tif")
        assert evaluate(*paths)[0]["calibration"] is None
        report, _ = evaluate(*paths, "--confidence", "other.tif", "--overwrite")
        assert report["calibration"]["error"] == pytest.approx(error)

    def test_pixels_that_the_map_does_not_name_do_not_count(self, pair, write_map, evaluate, confident):
        _, pixels = confident()
        ids, truth = pair
        ids[10:] = 254
        report, _ = evaluate(write_map(ids, WITH_UNCLASSIFIED), write_map(truth, name="truth.tif"))
        assert 0 < report["calibration"]["pixels"] <= pixels - np.count_nonzero(truth[10:])

    def test_that_of_a_run_is_found(self, tiff_run, scenes, evaluate):
        truth = scenes["tiff"].with_name("scene_gt.tif")
        report, _ = evaluate(tiff_run.out / "map.tif", truth)
        assert report["calibration"]["pixels"] == sum(row["test"] for row in report["classes"])

    def test_pixels_that_trained_the_map_are_told(self, tiff_run, scenes, evaluate, run, tmp_path):
        truth = scenes["tiff"].with_name("scene_gt.tif")
        report, done = evaluate(tiff_run.out / "map.tif", truth, "--design", "simple")
        split = rasterio.open(tiff_run.out / "split.tif").read(1)
        seen = np.isin(split, (1, 2)).sum()
        assert report["seen"] == seen
        words = f"{seen:,} of the {np.count_nonzero(split):,} labelled pixels trained or validated this map"
        assert words in done.warnings[0]
        assert words in report["estimate"]["doubts"][0]

    def test_that_of_a_smoothed_map_is_not_used(self, pair, write_map, evaluate, confident, tmp_path):
        confident()
        (tmp_path / "map.json").write_text('{"smooth": "majority:3"}')
        report, done = evaluate(write_map(pair[0]), write_map(pair[1], name="truth.tif"))
        assert report["calibration"] is None
        assert "not compared: the map was smoothed (majority:3)" in done.stdout

    @pytest.mark.parametrize("record", ["[]", "{", "null", "3"])
    def test_a_record_that_is_none_is_passed_over(self, record, pair, write_map, evaluate, confident, tmp_path):
        confident()
        (tmp_path / "map.json").write_text(record)
        report, _ = evaluate(write_map(pair[0]), write_map(pair[1], name="truth.tif"))
        assert report["calibration"]

    @pytest.mark.parametrize(
        ("more", "says"),
        [({"scale": 100.0}, "is a probability from 0 to 1"), ({"rows": 29}, "the confidence is 29 x 20")],
    )
    def test_what_is_no_confidence_of_this_map(self, more, says, pair, write_map, evaluate, confident, run):
        confident(**more)
        paths = write_map(pair[0]), write_map(pair[1], name="truth.tif")
        report, done = evaluate(*paths)
        assert report["calibration"] is None
        assert "no calibration: " in done.warnings[0] and says in done.warnings[0]
        done = run("evaluate", paths[0], "--labels", paths[1], "--confidence", "map_confidence.tif")
        assert (done.code, len(done.complaints)) == (1, 1)
        assert says in done.complaints[0] and "map_confidence.tif" in done.complaints[0]


class TestRefusals:
    @pytest.fixture
    def refused(self, run, pair, write_map, tmp_path):
        def check(path, labels, *says, code=1):
            done = run("evaluate", path, "--labels", labels)
            assert (done.code, len(done.complaints)) == (code, 1), done.stderr
            for part in says:
                assert part in done.complaints[0]

        return check

    def test_classes_that_the_map_does_not_know(self, pair, write_map, refused):
        strange = default_table([1, 2, 5]).renamed({1: "corn", 2: "beet", 5: "river"})
        truth = write_map(pair[1], strange, "truth.tif")
        refused(write_map(pair[0]), truth, str(truth), "no class beet, river", "it has corn, soy, water")

    def test_ids_that_the_map_does_not_know(self, pair, write_map, refused, tmp_path):
        truth = file_makers.tiff(tmp_path / "truth.tif", np.where(pair[1] == 5, 9, pair[1]).astype(np.uint8), **GRID)
        refused(write_map(pair[0]), truth, "no class class 1, class 2, class 9")

    @pytest.mark.parametrize("kind", ["fractions", "many bands"])
    def test_what_is_no_class_map(self, kind, pair, write_map, refused, tmp_path):
        shape = (30, 20, 3) if kind == "many bands" else (30, 20)
        file = file_makers.tiff(tmp_path / "x.tif", np.random.default_rng(0).random(shape).astype(np.float32), **GRID)
        refused(file, write_map(pair[1], name="truth.tif"), "x.tif: is no class map")

    def test_an_empty_map(self, pair, write_map, refused):
        empty = write_map(np.zeros((30, 20), np.uint8), name="empty.tif")
        refused(empty, write_map(pair[1], name="truth.tif"), "empty.tif: is no class map")

    def test_files_that_are_missing(self, pair, write_map, refused):
        refused("none.tif", write_map(pair[1], name="truth.tif"), "none.tif: no such file")
        refused(write_map(pair[0]), "none.tif", "none.tif: no such file")

    def test_a_reference_on_another_grid(self, pair, write_map, refused, tmp_path):
        other = file_makers.tiff(tmp_path / "o.tif", pair[1][:-1], **GRID)
        refused(write_map(pair[0]), other, "o.tif")

    def test_no_reference(self, pair, write_map, run):
        done = run("evaluate", write_map(pair[0]))
        assert (done.code, len(done.complaints)) == (2, 1)
        assert "--labels reference.gpkg" in done.complaints[0]
