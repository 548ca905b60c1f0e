"""Class rasters on another grid than the scene's: refused with both grids, or reprojected."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from hsi import open_labels
from hsi.core.labels import default_table
from hsi.core.scene import Georeference, scene_from_array
from hsi.errors import HsiError, UsageError
from hsi.io.geotiff import write_class_map
from tests.io.file_makers import NORTH_UP, envi, mat, npy, small_cube, small_labels, tiff
from tests.io.helpers import FEW, refuse_labels, utm_scene

UTM = "EPSG:32633"
COLOURS = ((10, 20, 30), (40, 50, 60), (70, 80, 90))


def grid(left, top, size):
    """A transform whose upper left corner lies so many metres east and south of the scene's."""
    return Affine(size, 0, NORTH_UP.c + left, 0, -size, NORTH_UP.f - top)


def labels_at(folder, transform, values=None, crs=UTM, **profile):
    values = small_labels() if values is None else values
    return tiff(folder / "gt.tif", values, crs=crs, transform=transform, **profile)


def by_hand(values, transform, crs=UTM, background=0):
    """The label at the centre of each pixel of the scene, one by one."""
    scene = utm_scene()
    a, b, c, d, e, f = scene.georeference.transform
    result = np.full((scene.height, scene.width), background)
    for row, column in np.ndindex(result.shape):
        x, y = column + 0.5, row + 0.5
        (east,), (north,) = transform_points(UTM, crs, [a * x + b * y + c], [d * x + e * y + f])
        across, down = (int(np.floor(value)) for value in ~transform @ (east, north))
        if 0 <= across < values.shape[1] and 0 <= down < values.shape[0]:
            result[row, column] = values[down, across]
    return result


@pytest.mark.parametrize(
    ("transform", "crs", "shape", "words"),
    [
        (NORTH_UP, "EPSG:32634", (11, 7), ["EPSG:32633 (WGS 84 / UTM zone 33N)", "EPSG:32634", "align reprojects"]),
        (grid(30, 0, 30), UTM, (11, 7), ["(500000, 4000000)", "(500030, 4000000)", "align reprojects"]),
        (grid(30, 0, 30), None, (11, 7), ["no CRS", "warp the labels"]),
        (
            grid(0, 0, 15), UTM, (22, 14),
            ["scene is 11 x 7 pixels of 30 x 30 metre", "labels are 22 x 14 pixels of 15 x 15", "align reprojects"],
        ),
    ],
)  # fmt: skip
def test_without_align_both_grids_are_named(transform, crs, shape, words, tmp_path):
    message = refuse_labels(labels_at(tmp_path, transform, small_labels(shape=shape), crs), utm_scene(), *words)
    assert ("align reprojects" in message) == (crs is not None)


class TestAlign:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float32"])
    def test_a_finer_grid_gives_the_label_at_each_centre(self, dtype, tmp_path):
        values, transform = small_labels(dtype, (60, 50)), grid(-40, -25, 7)
        labels = open_labels(labels_at(tmp_path, transform, values), utm_scene(), align=True)
        np.testing.assert_array_equal(labels.values, by_hand(values, transform))

    def test_another_crs(self, tmp_path):
        degrees, values = Affine(0.0004, 0, 14.9995, 0, -0.0003, 36.1442), small_labels(shape=(20, 12))
        labels = open_labels(labels_at(tmp_path, degrees, values, "EPSG:4326"), utm_scene(), align=True)
        expected = by_hand(values, degrees, "EPSG:4326")
        assert np.count_nonzero(expected) and labels.polygons is None
        np.testing.assert_array_equal(labels.values, expected)

    @given(
        left=st.integers(-100, 200), top=st.integers(-200, 300), size=st.integers(4, 90),
        background=st.sampled_from([0, 2, 255]),
    )  # fmt: skip
    @FEW
    def test_any_grid_agrees_with_the_label_at_each_centre(self, left, top, size, background, tmp_path):
        transform, values = grid(left + 0.31, top + 0.17, size + 0.013), small_labels(shape=(9, 13))
        expected = by_hand(values, transform, background=background)
        assume(np.any(expected != background))
        path = labels_at(tmp_path, transform, values)
        labels = open_labels(path, utm_scene(), background=background, align=True)
        np.testing.assert_array_equal(labels.values, expected)
        assert labels.background == background
        assert set(labels.counts) == set(np.unique(expected)) - {background}

    def test_notes_how_many_labels_are_outside(self, tmp_path):
        path = labels_at(tmp_path, grid(60, 90, 30), np.ones((11, 7), np.uint8))
        labels = open_labels(path, utm_scene(), align=True)
        (note,) = labels.notes
        assert "40 of 77 labelled pixels lie in the scene, 37 outside; 40 pixels" in note
        assert labels.labelled[3:, 2:].all() and labels.labelled.sum() == 40

    def test_none_in_the_scene_names_both_grids(self, tmp_path):
        words = ["none of its", "(500000, 4000000)", "(509000, 4000000)"]
        refuse_labels(labels_at(tmp_path, grid(9000, 0, 30)), utm_scene(), *words, align=True)

    def test_the_same_grid_stays_as_it_is(self, tmp_path):
        labels = open_labels(labels_at(tmp_path, NORTH_UP), utm_scene(), align=True)
        assert labels.notes == ()
        np.testing.assert_array_equal(labels.values, small_labels())

    @pytest.mark.parametrize("nodata", [3, -9999.0, float("nan"), float(np.finfo(np.float32).min)])
    def test_nodata_becomes_background(self, nodata, tmp_path):
        values = small_labels("u1" if nodata == 3 else "f4", (22, 14))
        if nodata != 3:
            values[values == 0] = nodata
        labels = open_labels(labels_at(tmp_path, grid(0, 0, 15.01), values, nodata=nodata), utm_scene(), align=True)
        assert set(labels.counts) == ({0, 1, 2} if nodata == 3 else {1, 2, 3})
        assert labels.labelled.sum() < 77


class TestNamesAndColours:
    def test_of_a_geotiff_with_palette_and_category_names(self, tmp_path):
        table = replace(default_table([1, 2, 3]), names=("corn", "oats", "tree"), colours=COLOURS)
        place = Georeference(CRS.from_string(UTM).to_wkt(), tuple(grid(4, 4, 21))[:6])
        ids = small_labels(shape=(20, 20))
        write_class_map(tmp_path / "gt.tif", ids, table, georeference=place, nodata_mask=ids == 0)
        assert open_labels(tmp_path / "gt.tif", utm_scene(), align=True).table == table

    def test_of_an_envi_classification(self, tmp_path):
        facts = {
            "map info": ["UTM", "1", "1", "500004", "3999996", "21", "21", "33", "North", "WGS-84"],
            "class names": ["unlabelled", "corn", "oats", "tree"],
            "class lookup": [0, 0, 0, *np.ravel(COLOURS).tolist()],
        }
        path = envi(tmp_path / "gt.hdr", small_labels(shape=(20, 20))[:, :, None], **facts)
        labels = open_labels(path, utm_scene(), align=True)
        assert (labels.table.names, labels.table.colours) == (("corn", "oats", "tree"), COLOURS)
        np.testing.assert_array_equal(labels.values, by_hand(small_labels(shape=(20, 20)), grid(4, 4, 21)))


def test_align_needs_the_crs_of_both(tmp_path):
    refused = {"error": UsageError, "align": True}
    for path in (npy(tmp_path / "gt.npy", small_labels()), mat(tmp_path / "gt.mat", gt=small_labels())):
        refuse_labels(path, utm_scene(), "has no place on the ground", "leave align out", **refused)
    refuse_labels(labels_at(tmp_path, grid(30, 0, 30), crs=None), utm_scene(), "has no CRS", **refused)
    path = labels_at(tmp_path, NORTH_UP)
    unplaced = scene_from_array(small_cube())
    refuse_labels(path, unplaced, "the scene scene has no place", "georef=FILE", **refused)
    refuse_labels(path, utm_scene(crs=None), "the scene scene has no CRS", "georef=FILE", **refused)
    engineering = 'LOCAL_CS["mine",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    local = replace(utm_scene(), georeference=Georeference(engineering, tuple(NORTH_UP)[:6]))
    refuse_labels(labels_at(tmp_path, grid(30, 0, 30)), local, error=HsiError, align=True)


def test_inspect_prints_what_was_reprojected(run, tmp_path):
    scene = tiff(tmp_path / "cube.tif", small_cube(), crs=UTM, transform=NORTH_UP)
    labels = labels_at(tmp_path, grid(30, 0, 30))
    done = run("inspect", scene, "--labels", labels, "--align")
    assert (done.code, done.complaints) == (0, []), done.stderr
    assert any("reprojected to the scene's grid by nearest neighbour" in line for line in done.warnings)
    assert run("inspect", scene, "--labels", labels).code == 1
