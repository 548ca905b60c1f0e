"""``hsi evaluate``: the accuracy of a map by other labels."""

import json

import numpy as np
import pytest
import rasterio
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from hsi.labels import default_table
from hsi.rasters import write_class_map
from hsi.synthetic import synthetic_georeference
from tests.hsi import file_makers

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

    def test_by_polygons(self, pair, write_map, evaluate, tmp_path):
        ids, _ = pair
        ring = [[500000, 4480000], [500100, 4480000], [500100, 4479900], [500000, 4479900], [500000, 4480000]]
        feature = {
            "type": "Feature",
            "properties": {"class": "soy"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32616"}}
        content = {"type": "FeatureCollection", "crs": crs, "features": [feature]}
        (tmp_path / "reference.geojson").write_text(json.dumps(content))
        report, _ = evaluate(write_map(ids), tmp_path / "reference.geojson", "--label-field", "class")
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
        names = {f"accuracy.{suffix}" for suffix in ("json", "csv", "md", "tex")}
        assert {path.name for path in (tmp_path / "accuracy").iterdir()} == names
        done = run("evaluate", paths[0], "--labels", paths[1], "--out", "accuracy")
        assert done.code == 1 and "--overwrite" in done.complaints[0]
        evaluate(*paths, "--overwrite")


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
