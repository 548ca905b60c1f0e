from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from hsi import open_labels
from hsi.core.labels import LabelMap, default_table
from hsi.core.scene import Georeference, Scene, scene_from_array
from hsi.errors import HsiError, LabelError, UsageError
from hsi.io.geotiff import write_class_map
from tests.io.file_makers import NORTH_UP, envi, mat, npy, small_cube, small_labels, tiff

UTM = "EPSG:32633"
Affine = type(NORTH_UP)


def utm_scene(transform: Any = NORTH_UP, crs: str | None = UTM) -> Scene:
    """11 x 7 pixels of 30 m."""
    wkt = CRS.from_string(crs).to_wkt() if crs else None
    return replace(scene_from_array(small_cube()), georeference=Georeference(wkt, tuple(transform)[:6]))


def grid(left: float, top: float, size: float) -> Any:
    """A transform whose upper left corner lies so many metres east and south of the scene's."""
    return Affine(size, 0, NORTH_UP.c + left, 0, -size, NORTH_UP.f - top)


def by_hand(values: np.ndarray, transform: Any, crs: str, scene: Scene, background: int = 0) -> np.ndarray:
    """The label at the centre of each pixel of the scene, one by one."""
    a, b, c, d, e, f = scene.georeference.transform
    found = np.full((scene.height, scene.width), background)
    inverse = ~transform
    for row, column in np.ndindex(found.shape):
        x, y = column + 0.5, row + 0.5
        (east,), (north,) = transform_points(UTM, crs, [a * x + b * y + c], [d * x + e * y + f])
        there = np.floor(inverse.a * east + inverse.b * north + inverse.c)
        down = np.floor(inverse.d * east + inverse.e * north + inverse.f)
        if 0 <= there < values.shape[1] and 0 <= down < values.shape[0]:
            found[row, column] = values[int(down), int(there)]
    return found


def refused(error: type[HsiError], path: Path, scene: Scene, *words: str, **options: Any) -> None:
    with pytest.raises(error) as caught:
        open_labels(path, scene, **options)
    for word in (path.name, *words):
        assert word in str(caught.value)


def the_note(labels: LabelMap) -> str:
    assert len(labels.notes) == 1
    return labels.notes[0]


class TestWithoutAlign:
    def test_another_crs_names_both_and_the_option(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), crs="EPSG:32634", transform=NORTH_UP)
        refused(LabelError, path, utm_scene(), "EPSG:32633 (WGS 84 / UTM zone 33N)", "EPSG:32634", "align reprojects")

    def test_another_size_names_both_and_the_option(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(shape=(22, 14)), crs=UTM, transform=grid(0, 0, 15))
        words = ["the scene is 11 x 7 pixels of 30 x 30 metre", "the labels are 22 x 14 pixels of 15 x 15"]
        refused(LabelError, path, utm_scene(), *words, "align reprojects")

    def test_a_shift_names_both_corners_and_the_option(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), crs=UTM, transform=grid(30, 0, 30))
        refused(LabelError, path, utm_scene(), "(500000, 4000000)", "(500030, 4000000)", "align reprojects")

    def test_the_option_is_not_offered_where_it_could_not_help(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), transform=grid(30, 0, 30))
        with pytest.raises(LabelError, match="no CRS") as caught:
            open_labels(path, utm_scene())
        assert "align" not in str(caught.value)


class TestAlign:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float32"])
    def test_a_finer_grid_gives_the_label_at_each_centre(self, dtype: str, tmp_path: Path):
        values = small_labels(dtype, (60, 50))
        path = tiff(tmp_path / "gt.tif", values, crs=UTM, transform=grid(-40, -25, 7))
        labels = open_labels(path, utm_scene(), align=True)
        np.testing.assert_array_equal(labels.values, by_hand(values, grid(-40, -25, 7), UTM, utm_scene()))

    def test_another_crs(self, tmp_path: Path):
        degrees = Affine(0.0004, 0, 14.9995, 0, -0.0003, 36.1442)
        values = small_labels(shape=(20, 12))
        path = tiff(tmp_path / "gt.tif", values, crs="EPSG:4326", transform=degrees)
        labels = open_labels(path, utm_scene(), align=True)
        expected = by_hand(values, degrees, "EPSG:4326", utm_scene())
        assert np.count_nonzero(expected)
        np.testing.assert_array_equal(labels.values, expected)
        assert labels.polygons is None

    @given(
        left=st.integers(-100, 200), top=st.integers(-200, 300), size=st.integers(4, 90),
        background=st.sampled_from([0, 2, 255]),
    )  # fmt: skip
    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_any_grid_agrees_with_the_label_at_each_centre(
        self, left: int, top: int, size: int, background: int, tmp_path: Path
    ):
        transform = grid(left + 0.31, top + 0.17, size + 0.013)
        values = small_labels(shape=(9, 13))
        expected = by_hand(values, transform, UTM, utm_scene(), background)
        assume(np.any(expected != background))
        path = tiff(tmp_path / "gt.tif", values, crs=UTM, transform=transform)
        labels = open_labels(path, utm_scene(), background=background, align=True)
        np.testing.assert_array_equal(labels.values, expected)
        assert labels.background == background
        assert set(labels.counts) == set(np.unique(expected)) - {background}

    def test_says_how_many_labels_fell_outside(self, tmp_path: Path):
        values = np.ones((11, 7), np.uint8)
        path = tiff(tmp_path / "gt.tif", values, crs=UTM, transform=grid(60, 90, 30))
        labels = open_labels(path, utm_scene(), align=True)
        assert "40 of 77 labelled pixels lie in the scene, 37 outside; 40 pixels" in the_note(labels)
        assert labels.labelled[3:, 2:].all()
        assert labels.labelled.sum() == 40

    def test_none_in_the_scene_names_both_grids(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), crs=UTM, transform=grid(9000, 0, 30))
        words = ["none of its", "(500000, 4000000)", "(509000, 4000000)"]
        refused(LabelError, path, utm_scene(), *words, align=True)

    def test_a_grid_that_fits_stays_as_it_is(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), crs=UTM, transform=NORTH_UP)
        labels = open_labels(path, utm_scene(), align=True)
        assert labels.notes == ()
        np.testing.assert_array_equal(labels.values, small_labels())

    def test_nodata_becomes_background(self, tmp_path: Path):
        values = small_labels(shape=(22, 14))
        path = tiff(tmp_path / "gt.tif", values, nodata=3, crs=UTM, transform=grid(0, 0, 15.01))
        labels = open_labels(path, utm_scene(), align=True)
        assert labels.background == 3
        assert set(labels.counts) == {0, 1, 2}

    @pytest.mark.parametrize("nodata", [-9999.0, float("nan"), float(np.finfo(np.float32).min)])
    def test_nodata_beyond_the_ids(self, nodata: float, tmp_path: Path):
        values = small_labels("f4", (22, 14))
        values[values == 0] = nodata
        path = tiff(tmp_path / "gt.tif", values, nodata=nodata, crs=UTM, transform=grid(0, 0, 15.01))
        labels = open_labels(path, utm_scene(), align=True)
        assert set(labels.counts) == {1, 2, 3}
        assert labels.labelled.sum() < 77


class TestNamesAndColours:
    COLOURS = ((10, 20, 30), (40, 50, 60), (70, 80, 90))

    def test_of_a_geotiff_with_palette_and_category_names(self, tmp_path: Path):
        table = replace(default_table([1, 2, 3]), names=("corn", "oats", "tree"), colours=self.COLOURS)
        place = Georeference(CRS.from_string(UTM).to_wkt(), tuple(grid(4, 4, 21))[:6])
        path = tmp_path / "gt.tif"
        write_class_map(path, small_labels(shape=(20, 20)), table, georeference=place, nodata_mask=small_labels(
            shape=(20, 20)) == 0)  # fmt: skip
        labels = open_labels(path, utm_scene(), align=True)
        assert labels.table == table

    def test_of_an_envi_classification(self, tmp_path: Path):
        place = ["UTM", "1", "1", "500004", "3999996", "21", "21", "33", "North", "WGS-84"]
        facts = {
            "map info": place,
            "class names": ["unlabelled", "corn", "oats", "tree"],
            "class lookup": [0, 0, 0, *np.ravel(self.COLOURS).tolist()],
        }
        path = envi(tmp_path / "gt.hdr", small_labels(shape=(20, 20))[:, :, None], **facts)
        labels = open_labels(path, utm_scene(), align=True)
        assert labels.table.names == ("corn", "oats", "tree")
        assert labels.table.colours == self.COLOURS
        expected = by_hand(small_labels(shape=(20, 20)), grid(4, 4, 21), UTM, utm_scene())
        np.testing.assert_array_equal(labels.values, expected)


class TestNothingToAlignBy:
    def test_labels_without_a_place(self, tmp_path: Path):
        for path in (npy(tmp_path / "gt.npy", small_labels()), mat(tmp_path / "gt.mat", gt=small_labels())):
            refused(UsageError, path, utm_scene(), "has no place on the ground", "leave align out", align=True)

    def test_labels_without_crs(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), transform=grid(30, 0, 30))
        refused(UsageError, path, utm_scene(), "has no CRS", align=True)

    def test_a_scene_without_a_place(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), crs=UTM, transform=NORTH_UP)
        refused(
            UsageError, path, scene_from_array(small_cube()), "the scene scene has no place", "georef=FILE", align=True
        )
        refused(UsageError, path, utm_scene(crs=None), "the scene scene has no CRS", "georef=FILE", align=True)

    def test_a_crs_that_no_projection_leads_to_is_refused(self, tmp_path: Path):
        path = tiff(tmp_path / "gt.tif", small_labels(), crs=UTM, transform=grid(30, 0, 30))
        engineering = 'LOCAL_CS["mine",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
        scene = replace(utm_scene(), georeference=Georeference(engineering, tuple(NORTH_UP)[:6]))
        with pytest.raises(HsiError):
            open_labels(path, scene, align=True)


def test_inspect_prints_what_was_reprojected(run, tmp_path: Path):
    scene = tiff(tmp_path / "cube.tif", small_cube(), crs=UTM, transform=NORTH_UP)
    labels = tiff(tmp_path / "gt.tif", small_labels(), crs=UTM, transform=grid(30, 0, 30))
    done = run("inspect", scene, "--labels", labels, "--align")
    assert (done.code, done.complaints) == (0, []), done.stderr
    assert any("reprojected to the scene's grid by nearest neighbour" in line for line in done.warnings)
    assert run("inspect", scene, "--labels", labels).code == 1
