from __future__ import annotations

import copy
import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from hsi import open_labels
from hsi.core.labels import LabelMap
from hsi.core.scene import Georeference, Scene, scene_from_array
from hsi.errors import HsiError, LabelError, SceneFileError, UsageError
from hsi.io import open_scene
from hsi.version import install_hint
from tests.io.file_makers import NORTH_UP, envi, npy, small_cube, small_labels, tiff

geopandas = pytest.importorskip("geopandas")
shapely = pytest.importorskip("shapely")

HEIGHT, WIDTH = 11, 7
FORMATS = ["gpkg", "shp", "geojson"]
IN_PLACE = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def utm_scene(transform: Any = NORTH_UP, crs: str | None = "EPSG:32633") -> Scene:
    """11 x 7 pixels of 30 m."""
    wkt = CRS.from_string(crs).to_wkt() if crs else None
    return replace(scene_from_array(small_cube()), georeference=Georeference(wkt, tuple(transform)[:6]))


def ground(row: float, column: float) -> tuple[float, float]:
    """Map coordinates of a place in pixels from the scene's upper left corner."""
    return NORTH_UP.c + 30 * column, NORTH_UP.f - 30 * row


def area(*corners: tuple[float, float]) -> Any:
    """A polygon by its corners (row, column)."""
    return shapely.Polygon([ground(*corner) for corner in corners])


def rectangle(top: float, left: float, bottom: float, right: float) -> Any:
    return area((top, left), (top, right), (bottom, right), (bottom, left))


def point(row: float, column: float) -> Any:
    return shapely.Point(ground(row, column))


def vector(path: Path, shapes: list[Any], *, crs: Any = "EPSG:32633", layer: str | None = None, **fields: Any) -> Path:
    """A file of these features; another ``crs`` than the scene's is projected to."""
    frame = geopandas.GeoDataFrame(fields, geometry=shapes, crs="EPSG:32633")
    frame = frame.set_crs(None, allow_override=True) if crs is None else frame.to_crs(crs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a file without CRS
        frame.to_file(path, engine="pyogrio", **({"layer": layer} if layer else {}))
    return path


def drawn(path: Path, scene: Scene | None = None, **options: Any) -> LabelMap:
    labels = open_labels(path, scene or utm_scene(), **options)
    assert labels.polygons is not None
    assert labels.polygons.dtype == np.int32
    assert labels.polygons.shape == labels.values.shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(labels.polygons > 0, labels.labelled)
    return labels


def refused(error: type[HsiError], path: Path, *words: str, scene: Scene | None = None, **options: Any) -> str:
    with pytest.raises(error) as caught:
        open_labels(path, scene or utm_scene(), **options)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def noted(labels: LabelMap, *words: str) -> bool:
    return any(all(word in note for word in words) for note in labels.notes)


def pixels(mask: Any) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column in zip(*np.nonzero(mask), strict=True)}


def block(top: int, left: int, bottom: int, right: int) -> set[tuple[int, int]]:
    return {(row, column) for row in range(top, bottom) for column in range(left, right)}


class TestDrawing:
    def test_a_square_labels_the_pixels_whose_centre_it_holds(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(1.4, 2.6, 3.6, 5.4)], name=["corn"])
        labels = drawn(path)
        assert pixels(labels.values == 1) == block(1, 3, 4, 5)
        assert labels.table.names == ("corn",)
        assert (labels.source, labels.variable, labels.background) == (path, "name", 0)

    def test_all_touched_labels_those_that_it_touches(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(1.4, 2.6, 3.6, 5.4)], name=["corn"])
        assert pixels(drawn(path, all_touched=True).labelled) == block(1, 2, 4, 6)

    def test_a_triangle(self, tmp_path: Path):
        # the right angle at the corner (2, 1), legs of 4.2 pixels: column + row < 3 + 4.2 - 1 at the centres
        path = vector(tmp_path / "a.gpkg", [area((2, 1), (2, 5.2), (6.2, 1))], name=["corn"])
        centre = {(2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (5, 1)}
        assert pixels(drawn(path).labelled) == centre
        hypotenuse = {(2, 5), (3, 4), (4, 3), (5, 2), (6, 1)}
        assert pixels(drawn(path, all_touched=True).labelled) >= centre | hypotenuse

    def test_holes_stay_empty_and_parts_belong_together(self, tmp_path: Path):
        ring = rectangle(0, 0, 4, 4).difference(rectangle(1, 1, 3, 3))
        path = vector(tmp_path / "a.gpkg", [shapely.union_all([ring, rectangle(6, 5, 8, 7)])], name=["corn"])
        labels = drawn(path)
        assert pixels(labels.polygons == 1) == (block(0, 0, 4, 4) - block(1, 1, 3, 3)) | block(6, 5, 8, 7)

    def test_points_label_their_pixel(self, tmp_path: Path):
        several = shapely.MultiPoint([ground(5.1, 5.9), ground(10.9, 6.9)])
        labels = drawn(vector(tmp_path / "a.gpkg", [point(0.01, 0.01), several], n=[4, 9]))
        assert pixels(labels.values == 4) == {(0, 0)}
        assert pixels(labels.polygons == 2) == {(5, 5), (10, 6)}
        assert labels.counts == {4: 1, 9: 2}

    def test_points_and_polygons_mix_and_heights_are_dropped(self, tmp_path: Path):
        high = shapely.force_3d(rectangle(4, 4, 6, 6), 12.0)
        labels = drawn(vector(tmp_path / "a.gpkg", [point(0.5, 0.5), high], n=[1, 2]), all_touched=True)
        assert labels.values[0, 0] == 1
        assert pixels(labels.values == 2) >= block(4, 4, 6, 6)

    @given(data=st.data())
    @IN_PLACE
    def test_random_rectangles_agree_with_a_mask_made_by_hand(self, data: st.DataObject, tmp_path: Path):
        edge = st.integers(-30, 130).filter(lambda n: n % 10 != 5).map(lambda n: n / 10)
        boxes = data.draw(st.lists(st.tuples(edge, edge, edge, edge, st.integers(1, 3)), min_size=1, max_size=5))
        boxes = [(min(a, c), min(b, d), max(a, c), max(b, d), i) for a, b, c, d, i in boxes if a != c and b != d]
        rows, columns = np.mgrid[0.5:HEIGHT, 0.5:WIDTH]
        inside = [(rows > a) & (rows < c) & (columns > b) & (columns < d) for a, b, c, d, _ in boxes]
        classes = np.array([i for *_, i in boxes])
        by_class = [np.any([m for m, k in zip(inside, classes, strict=True) if k == i] or [rows < 0], axis=0)
                    for i in (1, 2, 3)]  # fmt: skip
        several = np.sum(by_class, axis=0) > 1
        expected = np.where(several, 0, np.sum([i * mask for i, mask in enumerate(by_class, 1)], axis=0))
        assume(expected.any())
        path = vector(tmp_path / "a.geojson", [rectangle(*b[:4]) for b in boxes], n=classes, crs="EPSG:32633")
        labels = drawn(path, field="n")
        np.testing.assert_array_equal(labels.values, expected)
        for number in np.unique(labels.polygons[labels.polygons > 0]):
            assert np.all(inside[number - 1][labels.polygons == number])
        if several.any():
            assert noted(labels, f"{several.sum()} pixel", "different classes")


class TestFormatsAndPlaces:
    SHAPES = (rectangle(1.3, 1.3, 4.7, 3.7), rectangle(6.3, 2.3, 9.7, 6.7), point(0.5, 6.5))

    def expected(self) -> np.ndarray:
        values = np.zeros((HEIGHT, WIDTH), np.int32)
        values[1:5, 1:4], values[6:10, 2:7] = 1, 2
        return values

    @pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3857", "EPSG:32634"])
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_every_format_in_any_crs_gives_the_same_pixels(self, suffix: str, crs: str, tmp_path: Path):
        path = vector(tmp_path / f"a.{suffix}", list(self.SHAPES[:2]), crs=crs, cover=["oats", "wheat"])
        labels = drawn(path, field="cover")
        np.testing.assert_array_equal(labels.values, self.expected())
        assert labels.table.names == ("oats", "wheat")
        assert labels.notes == ()

    def test_a_format_is_told_by_its_content_when_the_suffix_says_nothing(self, tmp_path: Path):
        for suffix in ("gpkg", "geojson"):
            path = vector(tmp_path / f"a.{suffix}", list(self.SHAPES[:2]), cover=["a", "b"])
            bare = path.rename(tmp_path / f"{suffix}.data")
            np.testing.assert_array_equal(drawn(bare).values, self.expected())

    def test_a_scene_that_is_turned(self, tmp_path: Path):
        turned = NORTH_UP @ type(NORTH_UP).rotation(30)
        scene = utm_scene(transform=turned)
        corners = [(1.2, 1.2), (3.8, 1.2), (3.8, 4.8), (1.2, 4.8)]
        shape = shapely.affinity.affine_transform(
            shapely.Polygon(corners), [turned.a, turned.b, turned.d, turned.e, turned.c, turned.f]
        )
        path = vector(tmp_path / "a.gpkg", [shape], n=[7])
        assert pixels(drawn(path, scene).labelled) == block(1, 1, 5, 4)

    def test_an_envi_scene_with_map_info(self, tmp_path: Path):
        place = ["UTM", "1", "1", "500000", "4000000", "30", "30", "33", "North", "WGS-84"]
        scene = open_scene(envi(tmp_path / "cube.hdr", small_cube(), **{"map info": place}))
        path = vector(tmp_path / "a.gpkg", list(self.SHAPES[:2]), crs="EPSG:4326", n=[1, 2])
        np.testing.assert_array_equal(drawn(path, scene).values, self.expected())

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_a_file_beside_the_scene_is_found(self, suffix: str, tmp_path: Path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube(), crs="EPSG:32633", transform=NORTH_UP))
        path = vector(tmp_path / f"cube_labels.{suffix}", list(self.SHAPES[:2]), n=[1, 2])
        assert open_labels(None, scene).source == path
        envi(tmp_path / "cube_labels.hdr", small_labels()[:, :, None])
        with pytest.raises(LabelError, match="2 files could hold its labels"):
            open_labels(None, scene)

    def test_a_raster_of_the_same_stem_does_not_claim_the_file(self, tmp_path: Path):
        envi(tmp_path / "a.hdr", small_cube())
        vector(tmp_path / "a.gpkg", list(self.SHAPES[:2]), n=[1, 2])
        assert drawn(tmp_path / "a.gpkg").counts == {1: 12, 2: 20}


class TestClasses:
    def test_texts_are_numbered_in_sorted_order_over_the_whole_file(self, tmp_path: Path):
        shapes = [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5), rectangle(90, 90, 92, 92), rectangle(6, 0, 8, 2)]
        labels = drawn(vector(tmp_path / "a.gpkg", shapes, c=["wheat", "beet ", "corn", " beet"]))
        assert dict(zip(labels.table.ids, labels.table.names, strict=True)) == {1: "beet", 3: "wheat"}
        assert noted(labels, "1 class is on no pixel", "'corn'")
        assert noted(labels, "1 feature of 4 outside the scene")

    def test_numbers_stay_what_they_are(self, tmp_path: Path):
        labels = drawn(vector(tmp_path / "a.gpkg", [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5)], n=[300, 7]))
        assert labels.counts == {7: 4, 300: 4}
        assert labels.table.names == ("class 7", "class 300")

    def test_whole_numbers_that_are_stored_as_floats(self, tmp_path: Path):
        shapes = [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5)]
        labels = drawn(vector(tmp_path / "a.gpkg", shapes, n=[3.0, None]), field="n")
        assert labels.counts == {3: 4}
        assert noted(labels, "1 feature skipped: no value in 'n'")

    @pytest.mark.parametrize(("values", "found"), [([1.5, 2], "1.5"), ([-4, 2], "-4"), ([70000, 2], "70000")])
    def test_numbers_that_are_no_ids(self, values: list, found: str, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5), point(2.5, 2.5)], n=values)
        refused(LabelError, path, f"field 'n' holds {found}", "0 to 65534", "background", field="n")

    def test_class_zero_means_unlabelled_like_in_a_raster(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(0, 0, 2, 2), rectangle(1, 1, 3, 3)], n=[0, 5])
        labels = drawn(path)
        assert labels.counts == {5: 4}
        assert noted(labels, "1 feature skipped: class 0, which means unlabelled", "background names")
        other = drawn(path, background=255)
        assert (other.background, other.counts) == (255, {0: 3, 5: 3})
        assert drawn(path, background=-1).counts == {0: 3, 5: 3}
        assert drawn(path, background=2**40).counts == {0: 3, 5: 3}

    def test_a_background_of_text_classes_makes_no_sense(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], c=["x"])
        refused(UsageError, path, "leave background out", background=0)

    def test_hostile_names_are_kept_and_harmless(self, tmp_path: Path):
        names = ["[red]x[/red]", "[/]", "$\\frac$", "</xml>", "a\nb\x1b[31m", "x" * 200]
        path = vector(tmp_path / "a.geojson", [point(i + 0.5, 0.5) for i in range(6)], crs="EPSG:4326", c=names)
        assert set(drawn(path).table.names) == set(names)

    def test_very_long_names_are_refused(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], c=["x" * 5000])
        refused(LabelError, path, "a value of 5,000 characters", "label_field=NAME")


class TestFields:
    def test_the_only_one_is_used_and_named(self, tmp_path: Path):
        columns = {"id": [1], "area": [3.5], "cover": ["oats"], "when": ["2020"]}
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], **{k: columns[k] for k in ("id", "area", "cover")})
        labels = drawn(path)
        assert labels.variable == "cover"
        assert noted(labels, "classes are taken from the field 'cover'", "label_field names")
        assert not drawn(path, field="cover").notes

    def test_several_are_listed_with_their_types(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], cover=["oats"], code=[3], size=[1.5])
        words = ["label_field=NAME", "cover (text)", "code (integer)", "size (real)"]
        refused(UsageError, path, *words)
        assert drawn(path, field="code").counts == {3: 1}

    def test_one_that_does_not_exist_lists_the_near_and_all(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], landcover=["oats"], code=[3])
        words = ["no field 'Landcovr'", "did you mean landcover?", "landcover (text), code (integer)"]
        refused(UsageError, path, *words, field="Landcovr")

    def test_many_long_names_stay_readable(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], **{f"{'f' * 300}{i}": [i] for i in range(40)})
        assert len(refused(UsageError, path, "and 28 more", field="q" * 400)) < 1600

    @pytest.mark.parametrize(
        ("properties", "field", "word"),
        [
            ({"b": True}, "b", "true or false"),
            ({"d": "2020-01-02"}, "d", "date"),
            ({"l": [1, 2]}, "l", "integerlist"),
            ({"o": {"a": 1}}, "o", "JSON"),
            ({"geometry": "oats"}, "geometry", "rename it"),
            ({}, None, "no fields"),
            ({"id": 4}, None, "id (integer)"),
        ],
    )
    def test_one_that_cannot_be_a_class(self, properties: dict, field: str | None, word: str, tmp_path: Path):
        feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [15, 36]}}
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        refused(HsiError, path, word, field=field)


class TestLayers:
    def several(self, folder: Path) -> Path:
        for layer, row in (("training", 1), ("reference", 5)):
            vector(folder / "a.gpkg", [rectangle(row, 1, row + 2, 3)], layer=layer, n=[row])
        return folder / "a.gpkg"

    def test_several_need_a_name(self, tmp_path: Path):
        path = self.several(tmp_path)
        refused(UsageError, path, "holds 2 layers: training, reference", "label_layer=NAME")
        assert drawn(path, layer="reference").counts == {5: 4}

    def test_a_name_that_does_not_exist(self, tmp_path: Path):
        path = self.several(tmp_path)
        words = ["no layer 'trainin'", "did you mean training?", "known: training, reference"]
        refused(UsageError, path, *words, layer="trainin")

    def test_tables_without_geometries_do_not_count(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(1, 1, 3, 3)], layer="training", n=[1])
        pyogrio = pytest.importorskip("pyogrio")
        table = geopandas.pd.DataFrame({"style": ["red"]})
        pyogrio.write_dataframe(table, path, layer="layer_styles")
        assert drawn(path).counts == {1: 4}
        alone = tmp_path / "table.gpkg"
        pyogrio.write_dataframe(table, alone, layer="layer_styles")
        refused(LabelError, alone, "no layer with geometries")


class TestWhatIsLeftOut:
    def test_pixels_under_different_classes_are_dropped_and_counted(self, tmp_path: Path):
        shapes = [rectangle(0, 0, 4, 4), rectangle(2, 2, 6, 6), rectangle(3, 3, 8, 7)]
        labels = drawn(vector(tmp_path / "a.gpkg", shapes, c=["corn", "oats", "corn"]))
        # the first and the third lie over the second: 2 x 2 pixels and 3 x 3, one of them shared
        mixed = block(2, 2, 4, 4) | block(3, 3, 6, 6)
        assert pixels(labels.values == 1) == (block(0, 0, 4, 4) | block(3, 3, 8, 7)) - mixed
        assert noted(labels, "12 pixels under features of different classes", "'corn' and 'oats'")
        assert labels.counts == {1: 16 + 20 - 1 - 12, 2: 16 - 12}
        assert not pixels(labels.polygons) & mixed

    def test_a_class_between_two_others_is_noticed(self, tmp_path: Path):
        same = [rectangle(0, 0, 2, 2)] * 3
        shapes = [*same, rectangle(5, 5, 6, 6)]
        assert drawn(vector(tmp_path / "a.gpkg", shapes, n=[1, 2, 1, 9])).counts == {9: 1}

    def test_one_class_may_overlap_itself(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(0, 0, 4, 4), rectangle(2, 2, 6, 6)], n=[3, 3])
        labels = drawn(path)
        assert labels.counts == {3: 28}
        assert not noted(labels, "different")
        assert pixels(labels.polygons == 2) == block(2, 2, 6, 6)

    def test_a_feature_hidden_under_its_own_class_is_not_called_small(self, tmp_path: Path):
        shapes = [rectangle(0, 0, 4, 4), rectangle(1, 1, 2, 2), rectangle(0, 0, 4, 4)]
        assert not drawn(vector(tmp_path / "a.gpkg", shapes, n=[3, 3, 3]), field="n").notes

    def test_features_outside_and_partly_outside(self, tmp_path: Path):
        shapes = [rectangle(0, 0, 2, 2), rectangle(-5, -5, -1, -1), rectangle(9, 5, 20, 20), rectangle(0, 7, 2, 9)]
        labels = drawn(vector(tmp_path / "a.gpkg", [*shapes, point(-3, 3)], n=[1, 2, 3, 4, 5]))
        assert labels.counts == {1: 4, 3: 4}
        assert noted(labels, "3 features of 5 outside the scene")
        assert noted(labels, "1 feature of 5 partly outside the scene")
        assert noted(labels, "3 classes are on no pixel of the scene: '2', '4', '5'")

    def test_all_outside_names_both_extents(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(100, 0, 102, 2)], crs="EPSG:4326", n=[1])
        words = ["miss the scene", "x 500000 to 500060 and y 3996940 to 3997000", "x 500000 to 500210", "EPSG:32633"]
        refused(LabelError, path, *words)

    def test_too_small_for_a_centre(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(0, 0, 2, 2), rectangle(4.1, 4.1, 4.3, 4.3)], n=[1, 2])
        labels = drawn(path)
        assert noted(labels, "1 feature without a pixel", "all_touched labels")
        assert drawn(path, all_touched=True).values[4, 4] == 2
        alone = vector(tmp_path / "b.gpkg", [rectangle(4.1, 4.1, 4.3, 4.3)], n=[2])
        refused(LabelError, alone, "no pixel of the scene", "too small")

    def test_without_geometry_or_class(self, tmp_path: Path):
        shapes = [rectangle(0, 0, 2, 2), None, shapely.Polygon(), rectangle(4, 4, 6, 6), rectangle(6, 0, 8, 2)]
        labels = drawn(vector(tmp_path / "a.gpkg", shapes, c=["a", "b", "b", None, "  "]))
        assert noted(labels, "2 features skipped: no geometry")
        assert noted(labels, "2 features skipped: no value in 'c'")
        assert labels.counts == {1: 4}
        assert set(np.unique(labels.polygons)) == {0, 1}

    def test_nothing_usable_at_all(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [None, rectangle(0, 0, 1, 1)], c=["a", None])
        refused(LabelError, path, "no feature has both", "1 feature skipped: no geometry", field="c")

    def test_a_polygon_that_crosses_itself_is_repaired(self, tmp_path: Path):
        bow = area((1, 0.8), (5, 5.2), (5, 0.8), (1, 5.2))
        assert not bow.is_valid
        labels = drawn(vector(tmp_path / "a.gpkg", [bow, area((8, 1), (8, 5), (8, 1))], n=[1, 2]))
        assert noted(labels, "repaired")
        assert pixels(labels.values == 1) == block(1, 1, 2, 5) | block(2, 2, 4, 4) | block(4, 1, 5, 5)
        assert noted(labels, "1 feature skipped: no area")

    def test_a_place_that_the_projection_does_not_know(self, tmp_path: Path):
        features = [
            {"type": "Feature", "properties": {"n": n}, "geometry": {"type": "Point", "coordinates": place}}
            for n, place in ((1, [15.0005, 36.1425]), (2, [15.0, 1e9]))
        ]
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        labels = drawn(path)
        assert noted(labels, "1 feature skipped: no place in the scene's EPSG:32633")


class TestRefused:
    def test_a_scene_without_crs_says_how_to_give_one(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(0, 0, 2, 2)], n=[1])
        refused(LabelError, path, "no place on the ground", "georef=FILE", scene=scene_from_array(small_cube()))
        refused(LabelError, path, "has no CRS", "georef=FILE", scene=utm_scene(crs=None))

    def test_a_scene_whose_transform_is_flat(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [rectangle(0, 0, 2, 2)], n=[1])
        refused(LabelError, path, "georef=FILE", scene=utm_scene(transform=(0, 0, 1, 0, 0, 1)))

    def test_a_file_without_crs_says_how_to_set_one(self, tmp_path: Path):
        for suffix in ("gpkg", "shp"):
            path = vector(tmp_path / f"a.{suffix}", [rectangle(0, 0, 2, 2)], crs=None, n=[1])
            refused(LabelError, path, "has no CRS", "ogr2ogr -a_srs", *([".prj is missing"] if suffix == "shp" else []))

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_lines(self, suffix: str, tmp_path: Path):
        line = shapely.LineString([ground(0, 0), ground(3, 3)])
        path = vector(tmp_path / f"a.{suffix}", [line], n=[1])
        refused(LabelError, path, "1 feature of type LineString", "polygons or points")

    def test_a_layer_without_features(self, tmp_path: Path):
        refused(LabelError, vector(tmp_path / "a.gpkg", [], n=[]), "has no features", field="n")

    @pytest.mark.parametrize("missing", [".shx", ".dbf"])
    def test_a_shapefile_in_parts(self, missing: str, tmp_path: Path):
        path = vector(tmp_path / "a.shp", [rectangle(0, 0, 2, 2)], n=[1])
        path.with_suffix(missing).unlink()
        refused(SceneFileError, path, f"without its {missing}")

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_another_content_than_the_suffix_says(self, suffix: str, tmp_path: Path):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"<html>not found</html>")
        refused(SceneFileError, path, "is not a vector file", "GeoPackage (.gpkg)")
        path.write_bytes(b"")
        refused(SceneFileError, path, "is empty")

    def test_a_format_nobody_knows_lists_vectors_too(self, tmp_path: Path):
        path = tmp_path / "a.kml"
        path.write_text("<kml/>")
        refused(SceneFileError, path, "expected one of", "GeoPackage (.gpkg), Shapefile (.shp), GeoJSON (.geojson)")

    def test_a_missing_file(self, tmp_path: Path):
        vector(tmp_path / "training.gpkg", [point(1, 1)], n=[1])
        refused(SceneFileError, tmp_path / "trainin.gpkg", "no such file; did you mean training.gpkg?")

    def test_options_that_have_no_meaning(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], n=[1])
        refused(UsageError, path, "leave align out", align=True)
        refused(UsageError, path, "leave label_variable out", variable="n")
        refused(UsageError, path, "points only: leave all_touched out", all_touched=True)
        raster = npy(tmp_path / "gt.npy", small_labels())
        words = ["holds a raster", "leave label_field and label_layer and all_touched out"]
        refused(UsageError, raster, *words, field="n", layer="x", all_touched=True)

    def test_a_vector_file_as_a_scene(self, tmp_path: Path):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], n=[1])
        with pytest.raises(SceneFileError, match="holds polygons or points, expected a cube; give it as the labels"):
            open_scene(path)

    def test_without_geopandas(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        path = vector(tmp_path / "a.gpkg", [point(1.5, 1.5)], n=[1])
        monkeypatch.setitem(sys.modules, "geopandas", None)
        refused(UsageError, path, install_hint("vector"))

    @pytest.mark.parametrize("suffix", FORMATS)
    @given(data=st.data())
    @IN_PLACE
    def test_damaged_bytes_raise_nothing_but_our_own_errors(self, suffix: str, data: st.DataObject, tmp_path: Path):
        whole = tmp_path / f"whole.{suffix}"
        if not whole.exists():
            vector(whole, [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5.5)], c=["oats", "beet"])
        names = [".shp", ".shx", ".dbf", ".prj"] if suffix == "shp" else [f".{suffix}"]
        damaged = data.draw(st.sampled_from(names))
        for name in names:
            raw = bytearray(whole.with_suffix(name).read_bytes())
            if name == damaged:
                for _ in range(data.draw(st.integers(0, 8))):
                    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
                raw = raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))]
            (tmp_path / f"hurt{name}").write_bytes(raw)
        try:
            open_labels(tmp_path / f"hurt.{suffix}", utm_scene())
        except HsiError as error:
            assert "\n" not in str(error)


ODD = (None, True, -1, 10**30, 1e308, "", "NaN", "Polygon", "LineString", [], {}, [[]], [[[0, 0], [1, 1]]], [1e400, 0])


@given(data=st.data())
@IN_PLACE
def test_geojson_of_an_odd_structure_raises_nothing_but_our_own_errors(data: st.DataObject, tmp_path: Path):
    whole = vector(
        tmp_path / "whole.geojson", [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5)], crs="EPSG:4326", c=[1, 2]
    )
    document = json.loads(whole.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = document
        while isinstance(node, dict | list) and node:
            key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
                node[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
                break
            node = node[key]
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(document))
    try:
        open_labels(path, utm_scene())
    except HsiError as error:
        assert "\n" not in str(error)


def test_rasters_are_read_without_geopandas(tmp_path: Path):
    path = npy(tmp_path / "gt.npy", small_labels())
    code = (
        "import sys, numpy; from hsi.io import open_labels; from hsi.core.scene import scene_from_array\n"
        f"open_labels({str(path)!r}, scene_from_array(numpy.ones((11, 7, 2))))\n"
        "sys.exit(bool({'torch', 'geopandas', 'pandas', 'shapely'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestPolygonNumbers:
    def test_survive_masking(self, tmp_path: Path):
        labels = drawn(vector(tmp_path / "a.gpkg", [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5)], n=[1, 2]))
        keep = np.zeros((HEIGHT, WIDTH), bool)
        keep[:, 1:4] = True
        masked = labels.masked(keep)
        assert masked.notes == labels.notes
        assert pixels(masked.polygons == 1) == {(0, 1), (1, 1)}
        assert pixels(masked.polygons == 2) == {(3, 3), (4, 3)}

    def test_rasters_have_none(self, tmp_path: Path):
        labels = open_labels(npy(tmp_path / "gt.npy", small_labels()), utm_scene())
        assert labels.polygons is None
        assert labels.masked(labels.labelled).polygons is None


class TestCommands:
    @pytest.fixture
    def files(self, sample, scenes: dict[str, Path], tmp_path: Path) -> tuple[Path, Path]:
        """The generated scene and its fields as polygons, one corner of which another one claims, in degrees."""
        from rasterio.features import shapes

        from hsi.core.synthetic import synthetic_georeference

        place = synthetic_georeference()
        transform = type(NORTH_UP)(*place.transform)
        found = list(shapes(sample.truth.astype(np.int32), sample.truth > 0, transform=transform))
        outlines = [shapely.geometry.shape(outline) for outline, _ in found]
        names = [f"[b]field {int(code)}" for _, code in found]
        left, _, _, top = outlines[0].bounds
        corner = shapely.box(left - 15, top - 45, left + 45, top + 15).intersection(outlines[0])
        other = next(name for name in names if name != names[0])
        path = tmp_path / "training.gpkg"
        facts = {"landcover": [*names, other], "id": range(len(names) + 1)}
        frame = geopandas.GeoDataFrame(facts, geometry=[*outlines, corner], crs=place.crs)
        frame.to_crs("EPSG:4326").to_file(path)
        return scenes["tiff"], path

    def test_classify_from_polygons_to_a_map(self, files, run, no_figures, tmp_path: Path):
        scene, labels = files
        small = ("--device", "cpu", "--components", 13, "--window", 11, "--epochs", 2)
        done = run("classify", scene, "--labels", labels, "--label-field", "landcover", *small, "--out", "out")
        assert (done.code, done.complaints) == (0, []), done.stderr
        assert any("under features of different classes" in line for line in done.warnings)
        report = json.loads((tmp_path / "out" / "accuracy.json").read_text())
        assert [row["name"] for row in report["classes"]] == sorted(f"[b]field {i}" for i in (3, 7, 200, 300))

    def test_inspect_prints_the_notes(self, files, run):
        scene, labels = files
        done = run("inspect", scene, "--labels", labels)
        assert (done.code, done.complaints) == (0, []), done.stderr
        assert any("classes are taken from the field 'landcover'" in line for line in done.warnings)
        assert "[b]field 200" in done.stdout

    def test_inspect_lists_the_fields_for_a_wrong_one(self, files, run):
        scene, labels = files
        done = run("inspect", scene, "--labels", labels, "--label-field", "landcove")
        assert done.code == 2
        assert "did you mean landcover? it has landcover (text), id (integer)" in done.stderr
