"""What a report is made of: thinned scenes, spectra, colours, places, charts and the page itself."""

import base64
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
import rasterio.warp
from numpy.testing import assert_allclose, assert_array_equal

from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
from hsi.core.colours import safe_colours, seen_colours
from hsi.core.labels import ClassTable, default_table
from hsi.core.scene import Georeference, scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.io.geotiff import write_band
from hsi.report.figures import class_spectra
from hsi.report.html import (
    MapView,
    Provenance,
    Report,
    ordinal,
    raster_colours,
    read_subsampled,
    render_report,
    sample_spectra,
    sampled_class_spectra,
    spectra_step,
    subsample_scene,
    track_reads,
    view_step,
)
from hsi.report.html.charts import above, number, reliability_chart, ticks, training_charts
from hsi.report.html.encoding import embedded_json, encode_array, encode_picture
from hsi.report.html.map_view import confidence_levels, degrees_of
from hsi.report.html.page import confusion_rows

NASTY = "<script>alert(1)</script>"
PLACE = synthetic_georeference()


def unpacked(field):
    return np.frombuffer(zlib.decompress(base64.b64decode(field["data"])), f"<{np.dtype(field['dtype']).str[1:]}")


def a_cube(shape=(23, 31, 5), dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(dtype)


class TestPacking:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2"])
    def test_numbers_come_back(self, dtype):
        values = a_cube((4, 7)).astype(dtype)
        assert_array_equal(unpacked(encode_array(values)).reshape(4, 7), values)

    def test_other_dtypes_are_refused(self):
        with pytest.raises(ValueError, match="float64"):
            encode_array(np.zeros(3))

    def test_json_ends_no_script_and_is_the_same_json(self):
        value = {"name": f"{NASTY} & <!-- \u2028 é"}
        text = embedded_json(value)
        assert not set(text) & set("<>&\u2028")
        assert json.loads(text) == value
        with pytest.raises(ValueError, match="JSON"):
            embedded_json([float("nan")])

    def test_a_picture_is_a_png(self):
        kind, _, data = encode_picture(np.zeros((2, 3, 3), np.uint8)).partition(",")
        assert kind == "data:image/png;base64" and base64.b64decode(data)[1:4] == b"PNG"


class TestThinning:
    @pytest.mark.parametrize(("height", "width", "step"), [(145, 145, 1), (1500, 20, 1), (1501, 20, 2), (40, 9000, 6)])
    def test_the_longer_side_is_at_most_1500(self, height, width, step):
        assert view_step(height, width) == step

    @pytest.mark.parametrize("step", [1, 2, 5, 40])
    @pytest.mark.parametrize("rows", [None, 1, 4, 7])
    def test_a_thin_scene_is_a_slice_read_with_few_rows_at_a_time(self, step, rows):
        cube, reads = a_cube(), []
        scene = scene_from_array(cube, georeference=PLACE).keep_bands((1, 3))

        def fetch(block):
            reads.append(block.height)
            return scene.fetch(block)

        thin = subsample_scene(replace(scene, fetch=fetch), step, rows)
        read = np.concatenate([thin.read(block) for block in thin.blocks()])
        assert_array_equal(read, cube[::step, ::step, [1, 3]])
        assert thin.shape == read.shape
        assert max(reads) <= (rows or 23)
        assert thin.georeference.transform[0] == PLACE.transform[0] * step

    def test_reads_are_followed(self):
        told = []
        scene = track_reads(scene_from_array(a_cube()), lambda *now: told.append(now))
        list(map(scene.read, subsample_scene(scene, 1, 10).blocks()))
        assert told[-3:] == [(10, 23), (20, 23), (23, 23)]

    @pytest.mark.parametrize("step", [1, 2, 3, 257, 700])
    def test_a_raster_is_read_by_its_tiles(self, tmp_path, step):
        values = a_cube((600, 9)).astype(np.float32)
        write_band(tmp_path / "a.tif", values, georeference=None)
        told = []
        found = read_subsampled(tmp_path / "a.tif", (600, 9), step, lambda *now: told.append(now))
        assert_array_equal(found, values[::step, ::step])
        assert told == [(256, 600), (512, 600), (600, 600)]


class TestSpectra:
    @pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
    def test_values_come_back(self, dtype):
        cube = a_cube().astype(dtype) - (dtype(50) if dtype != np.uint16 else dtype(0))
        sampled = sample_spectra(scene_from_array(cube), np.ones((23, 31), bool), 2)
        found = sampled.offset + sampled.scale * sampled.values
        assert sampled.exact == (dtype != np.float32)
        assert_allclose(found, cube[::2, ::2], atol=0 if sampled.exact else 4000 / 65535)

    def test_pixels_that_cannot_be_used_have_no_say(self):
        cube = a_cube(dtype=np.float32)
        cube[4, 4], cube[6, 6] = 1e30, np.nan
        usable = np.isfinite(cube).all(axis=2) & (cube < 1e9).all(axis=2)
        sampled = sample_spectra(scene_from_array(cube), usable, 1)
        found = sampled.offset + sampled.scale * sampled.values
        assert_allclose(found[usable], cube[usable], atol=0.1)

    def test_large_whole_numbers_are_rounded_and_said_to_be(self):
        cube = a_cube(dtype=np.int32) * np.int32(1000)
        sampled = sample_spectra(scene_from_array(cube), np.ones((23, 31), bool), 1)
        assert not sampled.exact
        assert_allclose(sampled.offset + sampled.scale * sampled.values, cube, atol=4e6 / 65535)

    def test_the_step_keeps_within_three_megabytes(self):
        assert spectra_step(145, 145, 200) == 2
        assert spectra_step(40, 40, 24) == 1
        step = spectra_step(9000, 9000, 300, least=6)
        assert step % 6 == 0
        assert (-(-9000 // step)) ** 2 * 600 <= 3_000_000 < (-(-9000 // (step - 6))) ** 2 * 600

    def test_classes_of_the_sampled_ones_are_those_of_all_pixels(self):
        scene = scene_from_array(a_cube())
        codes = np.random.default_rng(1).integers(-1, 2, (23, 31))
        codes[0, 0] = 2  # one pixel
        spectra = sample_spectra(scene, np.ones((23, 31), bool), 1)
        sampled, exact = sampled_class_spectra(spectra, codes, 4), class_spectra(scene, codes, 4)
        assert_array_equal(sampled.pixels, exact.pixels)
        assert_allclose(sampled.mean, exact.mean)
        assert_allclose(sampled.deviation, exact.deviation)
        page = spectra.with_classes(sampled, "some pixels").to_page()["classes"]
        assert (page["of"], page["pixels"]) == ("some pixels", sampled.pixels.tolist())
        assert_array_equal(unpacked(page["deviation"]).reshape(4, 5)[2], 0)


class TestColours:
    def nearest(self, colours):
        seen = seen_colours(np.array(colours))
        apart = np.sqrt(((seen[:, :, None] - seen[:, None]) ** 2).sum(axis=-1))
        return np.where(np.eye(len(colours), dtype=bool), np.inf, apart).min()

    @pytest.mark.parametrize("count", [1, 2, 8, 16, 30])
    def test_they_stay_apart_for_everyone(self, count):
        colours = safe_colours(count)
        assert len(set(colours)) == count
        if count > 1:
            assert self.nearest(colours) > max(self.nearest(default_table(range(count)).colours), 8)

    def test_two_hundred_and_more_can_be_had(self):
        assert len(safe_colours(300)) == 300

    def test_red_and_green_are_alike_without_a_kind_of_cone(self):
        red, green = seen_colours(np.array([[200, 60, 60], [110, 110, 40]]))[[0, 2]].transpose(1, 0, 2)
        assert np.linalg.norm(red[1] - green[1]) < np.linalg.norm(red[0] - green[0]) / 3

    def test_a_raster_without_a_palette_has_none(self, tmp_path):
        write_band(tmp_path / "a.tif", np.zeros((3, 3), np.uint8), georeference=None)
        assert raster_colours(tmp_path / "a.tif") == {}
        assert raster_colours(tmp_path / "none.npy") == {}


class TestPlaces:
    @pytest.mark.parametrize(("size", "decimals"), [(20, 6), (3000, 5)])
    def test_interpolation_is_right_to_the_decimals_told(self, size, decimals):
        found = degrees_of(PLACE, size, size)
        assert found["decimals"] >= decimals
        row, column = size * 0.377, size * 0.712
        a, _, c, _, e, f = PLACE.transform
        wanted = rasterio.warp.transform(PLACE.crs, "OGC:CRS84", [a * column + c], [e * row + f])
        last = found["rows"] - 1
        y, x = row / size * last, column / size * last
        i, j = int(y), int(x)
        weights = np.outer([1 - (y - i), y - i], [1 - (x - j), x - j])
        for values, (truth,) in zip((found["longitude"], found["latitude"]), wanted, strict=True):
            nodes = np.reshape(values, (found["rows"], found["columns"]))
            assert abs((nodes[i : i + 2, j : j + 2] * weights).sum() - truth) < 10.0 ** -found["decimals"]

    def test_nothing_is_invented(self):
        bare = Georeference(None, PLACE.transform)
        local = Georeference('LOCAL_CS["mine",UNIT["metre",1]]', PLACE.transform)
        assert degrees_of(bare, 5, 5) is None and degrees_of(local, 5, 5) is None


class TestCharts:
    def test_ticks_are_round_and_inside(self):
        assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
        assert ticks(3, 3) == [3]
        assert (above(93), above(100), above(0.0014), above(0)) == (100, 100, 0.0015, 0)
        assert [number(v) for v in (0, 20, 0.0025, 1e6, 1234)] == ["0", "20", "2.5e-3", "1e6", "1,234"]

    def test_a_single_epoch_and_curves_without_validation(self):
        entry = {"epoch": 1, "loss": 0.0, "accuracy": 1.0, "validation_accuracy": None, "lr": 0.0}
        charts = dict(training_charts([entry]))
        assert list(charts) == ["Loss", "Accuracy", "Learning rate"] and "circle" in charts["Loss"]
        assert "second" in dict(training_charts([entry | {"validation_accuracy": 0.5}] * 2))["Accuracy"]
        assert training_charts([]) == []

    def test_points_lie_where_they_should(self):
        bins = [{"low": 0.0, "high": 1.0, "pixels": 4, "confidence": 0.5, "accuracy": 0.25}]
        ((x, y),) = re.findall(
            r'circle class="dot first" cx="([\d.]+)" cy="([\d.]+)"', reliability_chart({"bins": bins})
        )[:1]
        assert (float(x), float(y)) == (54 + 0.5 * (380 - 66), 300 - 38 - 0.25 * (300 - 48))


def a_view(names=("corn", NASTY), **more):
    table = ClassTable((3, 9), tuple(names), ((200, 30, 40), (10, 20, 250)))
    ids = np.array([[3, 9, 0], [9, 9, 3]])
    return MapView(height=2, width=3, step=1, table=table, ids=ids, pixels={3: 2, 9: 3}, **more)


def a_report(**more):
    facts = Provenance(
        f"hsi classify {NASTY}", {"Data": {"scene": f"{NASTY}.mat"}}, {"read": 1.0}, {f"{NASTY}.mat": "00"}
    )
    given = {
        "view": a_view(),
        "files": (f"{NASTY} #1.tif",),
        "areas": ({"id": 9, "name": NASTY, "pixels": 3, "hectares": None},),
    }
    return Report(title=NASTY, kind="Classification", lead=NASTY, provenance=facts, **(given | more))


class TestPage:
    def test_names_from_files_are_text_wherever_they_stand(self):
        page = render_report(a_report())
        assert "<script>alert" not in page
        assert page.count("</script>") == 2  # of the data and of the page's own
        assert json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["classes"][1]["name"] == NASTY

    def test_nothing_is_fetched_and_no_other_script_runs(self):
        page = render_report(a_report())
        policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
        assert policy.startswith("default-src 'none'; img-src data:;") and "script-src 'sha256-" in policy
        assert not re.findall(r"""(?:src|href)=["'](?!#|data:|%3Cscript)""", page)

    def test_names_of_files_are_links(self):
        assert 'href="%3Cscript%3Ealert%281%29%3C/script%3E%20%231.tif"' in render_report(a_report())

    def test_what_is_not_there_has_no_place(self):
        page = render_report(a_report(view=None, areas=(), files=()))
        assert all(f'id="{name}"' not in page for name in ("map", "data", "accuracy", "areas", "training", "spectrum"))

    def test_accuracy_without_a_test_pixel_is_no_number(self):
        table = a_view().table
        accuracy = measure_accuracy(confusion_matrix(np.array([], int), np.array([], int), 2), table, [4, 0])
        page = render_report(a_report(accuracy=accuracy))
        assert re.search(r"<span>Overall accuracy</span><b>–</b><em>95 % interval –</em>", page)
        assert page.count('<td class="r" data-value="-1">–</td>') == 8

    def test_layers_are_codes_of_the_class_table(self):
        view = a_view(confidence=np.array([[1, 0.5, np.nan], [0, 1, 1]]), truth=np.array([[9, 0, 0], [7, 3, 3]]))
        layers = view.to_page()["layers"]
        assert_array_equal(unpacked(layers["map"]), [1, 2, 0, 2, 2, 1])
        assert_array_equal(unpacked(layers["truth"]), [2, 0, 0, 0, 1, 1])
        assert_array_equal(unpacked(layers["confidence"]), [255, 128, 0, 1, 255, 255])

    def test_more_classes_than_a_byte_holds(self):
        table = default_table(range(1, 400))
        view = replace(a_view(), table=table, ids=np.array([[399, 1, 0]]))
        assert_array_equal(unpacked(view.to_page()["layers"]["map"]), [399, 1, 0])

    def test_confidence_is_right_to_half_a_step(self):
        values = np.random.default_rng(0).random(500)
        assert np.abs((confidence_levels(values) - 1.0) / 254 - values).max() <= 0.5 / 254 + 1e-9

    def test_rows_of_the_confusion_matrix_count_what_is_unclassified(self):
        entry = {"id": 1, "name": "corn", "unclassified": 2}
        (row,) = confusion_rows({"classes": [entry], "confusion_matrix": [[6]]})
        assert (row["total"], row["cells"][0], row["missed"]["share"]) == (8, {"count": 6, "share": 0.75}, 0.25)

    def test_counting(self):
        assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 22, 103, 111)] == [
            "1st", "2nd", "3rd", "4th", "11th", "12th", "22nd", "103rd", "111th",
        ]  # fmt: skip
