"""Polygons and points drawn onto a scene: pixels, classes, and notes on what is left out."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hsi import open_labels
from hsi.core.scene import scene_from_array
from hsi.core.synthetic import synthetic_georeference
from hsi.errors import UsageError
from hsi.io import open_scene
from tests.io.file_makers import MAP_INFO, NORTH_UP, envi, npy, small_cube, small_labels
from tests.io.helpers import FEW, refuse_labels, utm_scene
from tests.io.vector_makers import (
    FORMATS,
    area,
    drawn,
    geopandas,
    ground,
    noted,
    point,
    rectangle,
    shapely,
    vector,
)

SQUARES = [rectangle(1.3, 1.3, 4.7, 3.7), rectangle(6.3, 2.3, 9.7, 6.7)]
EXPECTED = np.zeros((11, 7), np.int32)
EXPECTED[1:5, 1:4], EXPECTED[6:10, 2:7] = 1, 2


@pytest.fixture
def save(tmp_path):
    """Writes a GeoPackage of these features."""
    return lambda shapes, **fields: vector(tmp_path / "a.gpkg", shapes, **fields)


def pixels(mask):
    return {(int(row), int(column)) for row, column in zip(*np.nonzero(mask), strict=True)}


def block(top, left, bottom, right):
    return {(row, column) for row in range(top, bottom) for column in range(left, right)}


class TestDrawing:
    def test_a_square_labels_the_pixels_whose_centre_it_contains(self, save):
        path = save([rectangle(1.4, 2.6, 3.6, 5.4)], name=["corn"])
        labels = drawn(path)
        assert pixels(labels.values == 1) == block(1, 3, 4, 5)
        assert (labels.source, labels.variable, labels.background) == (path, "name", 0)
        assert labels.table.names == ("corn",)
        assert pixels(drawn(path, all_touched=True).labelled) == block(1, 2, 4, 6)

    def test_a_triangle(self, save):
        # the right angle at the corner (2, 1), legs of 4.2 pixels: column + row < 3 + 4.2 - 1 at the centres
        path = save([area((2, 1), (2, 5.2), (6.2, 1))], name=["corn"])
        centre = {(2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (5, 1)}
        assert pixels(drawn(path).labelled) == centre
        hypotenuse = {(2, 5), (3, 4), (4, 3), (5, 2), (6, 1)}
        assert pixels(drawn(path, all_touched=True).labelled) >= centre | hypotenuse

    def test_holes_stay_empty_and_parts_belong_together(self, save):
        ring = rectangle(0, 0, 4, 4).difference(rectangle(1, 1, 3, 3))
        two = [shapely.union_all([ring, rectangle(6, 5, 8, 7)]), rectangle(9, 0, 10, 2)]
        labels = drawn(save(two, name=["corn", "corn"]))
        assert pixels(labels.polygons == 1) == (block(0, 0, 4, 4) - block(1, 1, 3, 3)) | block(6, 5, 8, 7)

    def test_parts_of_the_only_feature_of_a_class_are_polygons_of_their_own(self, save):
        dissolved = shapely.union_all([rectangle(0, 0, 2, 2), rectangle(4, 0, 6, 2), rectangle(-9, 0, -5, 2)])
        labels = drawn(save([dissolved, rectangle(8, 0, 9, 2)], name=["corn", "oats"]), field="name")
        assert sorted(np.unique(labels.polygons)) == [0, 2, 3, 4]
        assert noted(labels, "'corn' is one feature of 2 parts, each of which counts as a polygon")
        assert pixels(labels.values == 1) == block(0, 0, 2, 2) | block(4, 0, 6, 2)

    def test_points_label_their_pixel(self, save):
        several = shapely.MultiPoint([ground(5.1, 5.9), ground(10.9, 6.9)])
        labels = drawn(save([point(0.01, 0.01), several], n=[4, 9]))
        assert pixels(labels.values == 4) == {(0, 0)}
        assert pixels(labels.polygons > 1) == {(5, 5), (10, 6)}
        assert len(np.unique(labels.polygons)) == 4  # each point of a MultiPoint is its own
        assert labels.counts == {4: 1, 9: 2}

    def test_points_and_polygons_mix_and_heights_are_dropped(self, save):
        high = shapely.force_3d(rectangle(4, 4, 6, 6), 12.0)
        labels = drawn(save([point(0.5, 0.5), high], n=[1, 2]), all_touched=True)
        assert labels.values[0, 0] == 1
        assert pixels(labels.values == 2) >= block(4, 4, 6, 6)

    @given(data=st.data())
    @FEW
    def test_random_rectangles_agree_with_a_mask_made_by_hand(self, data, save):
        edge = st.integers(-30, 130).filter(lambda n: n % 10 != 5).map(lambda n: n / 10)
        boxes = data.draw(st.lists(st.tuples(edge, edge, edge, edge, st.integers(1, 3)), min_size=1, max_size=5))
        boxes = [(min(a, c), min(b, d), max(a, c), max(b, d), i) for a, b, c, d, i in boxes if a != c and b != d]
        rows, columns = np.mgrid[0.5:11, 0.5:7]
        inside = [(rows > a) & (rows < c) & (columns > b) & (columns < d) for a, b, c, d, _ in boxes]
        classes = [i for *_, i in boxes]
        by_class = [
            np.any([mask for mask, k in zip(inside, classes, strict=True) if k == i] or [rows < 0], axis=0)
            for i in (1, 2, 3)
        ]
        several = np.sum(by_class, axis=0) > 1
        expected = np.where(several, 0, np.sum([i * mask for i, mask in enumerate(by_class, 1)], axis=0))
        assume(expected.any())
        labels = drawn(save([rectangle(*box[:4]) for box in boxes], n=classes), field="n")
        np.testing.assert_array_equal(labels.values, expected)
        for number in np.unique(labels.polygons[labels.polygons > 0]):
            assert np.all(inside[number - 1][labels.polygons == number])
        assert not several.any() or noted(labels, f"{several.sum()} pixel", "different classes")


class TestPlaces:
    @pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3857", "EPSG:32634"])
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_every_format_in_any_crs_gives_the_same_pixels(self, suffix, crs, tmp_path):
        labels = drawn(vector(tmp_path / f"a.{suffix}", SQUARES, crs=crs, cover=["oats", "wheat"]), field="cover")
        np.testing.assert_array_equal(labels.values, EXPECTED)
        assert (labels.table.names, labels.notes) == (("oats", "wheat"), ())

    def test_a_rotated_scene(self, save):
        rotated = NORTH_UP @ type(NORTH_UP).rotation(30)
        a, b, c, d, e, f = rotated[:6]
        corners = shapely.Polygon([(1.2, 1.2), (3.8, 1.2), (3.8, 4.8), (1.2, 4.8)])
        path = save([shapely.affinity.affine_transform(corners, [a, b, d, e, c, f])], n=[7])
        assert pixels(drawn(path, utm_scene(transform=rotated)).labelled) == block(1, 1, 5, 4)

    def test_an_envi_scene_with_map_info(self, save, tmp_path):
        scene = open_scene(envi(tmp_path / "cube.hdr", small_cube(), **{"map info": MAP_INFO}))
        np.testing.assert_array_equal(drawn(save(SQUARES, crs="EPSG:4326", n=[1, 2]), scene).values, EXPECTED)

    def test_a_scene_without_crs_or_transform_names_the_remedy(self, save):
        path = save([rectangle(0, 0, 2, 2)], n=[1])
        refuse_labels(path, scene_from_array(small_cube()), "no place on the ground", "georef=FILE")
        refuse_labels(path, utm_scene(crs=None), "has no CRS", "georef=FILE")
        refuse_labels(path, utm_scene(transform=(0, 0, 1, 0, 0, 1)), "georef=FILE")

    @pytest.mark.parametrize(("suffix", "words"), [("gpkg", []), ("shp", [".prj is missing"])])
    def test_a_file_without_crs_names_the_remedy(self, suffix, words, tmp_path):
        path = vector(tmp_path / f"a.{suffix}", [rectangle(0, 0, 2, 2)], crs=None, n=[1])
        refuse_labels(path, utm_scene(), "has no CRS", "--label-crs EPSG:32633", *words)

    @pytest.mark.parametrize("placed", [False, True])
    def test_neither_has_a_crs(self, placed, tmp_path):
        """Coordinates of the scene, which without a transform are pixels to the right and upwards, as in QGIS."""
        scene = utm_scene(crs=None) if placed else scene_from_array(small_cube())
        shapes = [shapely.Point(2.5, -4.5), shapely.Point(0.5, -0.5)]
        if placed:
            a, b, c, d, e, f = NORTH_UP[:6]
            shapes = [shapely.affinity.affine_transform(point, [a, -b, d, -e, c, f]) for point in shapes]
        labels = drawn(vector(tmp_path / "a.gpkg", shapes, crs=None, n=[7, 8]), scene)
        assert (labels.values[4, 2], labels.values[0, 0], int(labels.labelled.sum())) == (7, 8, 2)
        assert any("neither the file nor the scene has a CRS" in note for note in labels.notes)


class TestClasses:
    def test_texts_are_numbered_in_sorted_order_over_all_features(self, save):
        shapes = [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5), rectangle(90, 90, 92, 92), rectangle(6, 0, 8, 2)]
        labels = drawn(save(shapes, c=["wheat", "beet ", "corn", " beet"]))
        assert dict(zip(labels.table.ids, labels.table.names, strict=True)) == {1: "beet", 3: "wheat"}
        assert noted(labels, "1 class is on no pixel", "'corn'")
        assert noted(labels, "1 feature of 4 outside the scene")

    def test_numbers_are_class_ids(self, save):
        shapes = [rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5)]
        labels = drawn(save(shapes, n=[300, 7]))
        assert (labels.counts, labels.table.names) == ({7: 4, 300: 4}, ("class 7", "class 300"))
        floats = drawn(save(shapes, n=[3.0, None]), field="n")
        assert floats.counts == {3: 4}
        assert noted(floats, "1 feature skipped: no value in 'n'")

    @pytest.mark.parametrize(("values", "shown"), [([1.5, 2], "1.5"), ([-4, 2], "-4"), ([70000, 2], "70000")])
    def test_numbers_that_are_no_ids(self, values, shown, save):
        path = save([point(1.5, 1.5), point(2.5, 2.5)], n=values)
        refuse_labels(path, utm_scene(), f"field 'n' holds {shown}", "0 to 65534", "background", field="n")

    def test_class_zero_means_unlabelled_like_in_a_raster(self, save):
        path = save([rectangle(0, 0, 2, 2), rectangle(1, 1, 3, 3)], n=[0, 5])
        labels = drawn(path)
        assert labels.counts == {5: 4}
        assert noted(labels, "1 feature skipped: class 0, which means unlabelled", "background names")
        for background in (255, -1, 2**40):
            assert drawn(path, background=background).counts == {0: 3, 5: 3}
        assert drawn(path, background=255).background == 255

    def test_a_background_of_text_classes_is_refused(self, save):
        path = save([point(1.5, 1.5)], c=["x"])
        refuse_labels(path, utm_scene(), "leave background out", error=UsageError, background=0)

    def test_names_may_hold_markup_but_not_be_very_long(self, save):
        names = ["[red]x[/red]", "[/]", "$\\frac$", "</xml>", "a\nb\x1b[31m", "x" * 200]
        assert set(drawn(save([point(i + 0.5, 0.5) for i in range(6)], c=names)).table.names) == set(names)
        path = save([point(1.5, 1.5)], c=["x" * 5000])
        refuse_labels(path, utm_scene(), "a value of 5,000 characters", "label_field=NAME")


class TestWhatIsLeftOut:
    def test_pixels_under_different_classes_are_dropped_and_counted(self, save):
        shapes = [rectangle(0, 0, 4, 4), rectangle(2, 2, 6, 6), rectangle(3, 3, 8, 7)]
        labels = drawn(save(shapes, c=["corn", "oats", "corn"]))
        # the first and the third lie over the second: 2 x 2 pixels and 3 x 3, one of them shared
        mixed = block(2, 2, 4, 4) | block(3, 3, 6, 6)
        assert pixels(labels.values == 1) == (block(0, 0, 4, 4) | block(3, 3, 8, 7)) - mixed
        assert noted(labels, "12 pixels under features of different classes", "'corn' and 'oats'")
        assert labels.counts == {1: 16 + 20 - 1 - 12, 2: 16 - 12}
        assert not pixels(labels.polygons) & mixed

    def test_a_class_between_two_others_is_noticed(self, save):
        shapes = [*[rectangle(0, 0, 2, 2)] * 3, rectangle(5, 5, 6, 6)]
        assert drawn(save(shapes, n=[1, 2, 1, 9])).counts == {9: 1}

    def test_one_class_may_overlap_itself(self, save):
        labels = drawn(save([rectangle(0, 0, 4, 4), rectangle(2, 2, 6, 6)], n=[3, 3]))
        assert labels.counts == {3: 28} and not noted(labels, "different")
        assert pixels(labels.polygons == 2) == block(2, 2, 6, 6)
        hidden = [rectangle(0, 0, 4, 4), rectangle(1, 1, 2, 2), rectangle(0, 0, 4, 4)]
        assert not drawn(save(hidden, n=[3, 3, 3]), field="n").notes

    def test_features_outside_and_partly_outside(self, save):
        shapes = [rectangle(0, 0, 2, 2), rectangle(-5, -5, -1, -1), rectangle(9, 5, 20, 20), rectangle(0, 7, 2, 9)]
        labels = drawn(save([*shapes, point(-3, 3)], n=[1, 2, 3, 4, 5]))
        assert labels.counts == {1: 4, 3: 4}
        assert noted(labels, "3 features of 5 outside the scene")
        assert noted(labels, "1 feature of 5 partly outside the scene")
        assert noted(labels, "3 classes are on no pixel of the scene: '2', '4', '5'")

    def test_all_outside_names_both_extents(self, save):
        path = save([rectangle(100, 0, 102, 2)], crs="EPSG:4326", n=[1])
        extents = ["x 500000 to 500060 and y 3996940 to 3997000", "x 500000 to 500210", "EPSG:32633"]
        refuse_labels(path, utm_scene(), "miss the scene", *extents)

    def test_too_small_for_a_centre(self, save):
        path = save([rectangle(0, 0, 2, 2), rectangle(4.1, 4.1, 4.3, 4.3)], n=[1, 2])
        assert noted(drawn(path), "1 feature without a pixel", "all_touched labels")
        assert drawn(path, all_touched=True).values[4, 4] == 2
        alone = save([rectangle(4.1, 4.1, 4.3, 4.3)], n=[2])
        refuse_labels(alone, utm_scene(), "no pixel of the scene", "too small")

    def test_without_geometry_or_class(self, save):
        shapes = [rectangle(0, 0, 2, 2), None, shapely.Polygon(), rectangle(4, 4, 6, 6), rectangle(6, 0, 8, 2)]
        labels = drawn(save(shapes, c=["a", "b", "b", None, "  "]))
        assert noted(labels, "2 features skipped: no geometry")
        assert noted(labels, "2 features skipped: no value in 'c'")
        assert labels.counts == {1: 4} and set(np.unique(labels.polygons)) == {0, 1}
        path = save([None, rectangle(0, 0, 1, 1)], c=["a", None])
        refuse_labels(path, utm_scene(), "no feature has both", "1 feature skipped: no geometry", field="c")

    def test_a_polygon_that_crosses_itself_is_repaired(self, save):
        bow = area((1, 0.8), (5, 5.2), (5, 0.8), (1, 5.2))
        labels = drawn(save([bow, area((8, 1), (8, 5), (8, 1))], n=[1, 2]))
        assert not bow.is_valid and noted(labels, "repaired")
        assert pixels(labels.values == 1) == block(1, 1, 2, 5) | block(2, 2, 4, 4) | block(4, 1, 5, 5)
        assert noted(labels, "1 feature skipped: no area")

    def test_a_place_that_the_projection_does_not_have(self, tmp_path):
        features = [
            {"type": "Feature", "properties": {"n": n}, "geometry": {"type": "Point", "coordinates": place}}
            for n, place in ((1, [15.0005, 36.1425]), (2, [15.0, 1e9]))
        ]
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        assert noted(drawn(path), "1 feature skipped: no place in the scene's EPSG:32633")


def test_polygon_numbers_survive_masking_and_rasters_have_none(save, tmp_path):
    labels = drawn(save([rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 5)], n=[1, 2]))
    part = np.zeros((11, 7), bool)
    part[:, 1:4] = True
    masked = labels.masked(part)
    assert masked.notes == labels.notes
    assert pixels(masked.polygons == 1) == {(0, 1), (1, 1)}
    assert pixels(masked.polygons == 2) == {(3, 3), (4, 3)}
    raster = open_labels(npy(tmp_path / "gt.npy", small_labels()), utm_scene())
    assert raster.polygons is None and raster.masked(raster.labelled).polygons is None


def test_classify_from_polygons_to_a_map(sample, scenes, run, no_figures, tmp_path):
    """The fields of the generated scene as polygons in degrees; one of them claims a corner of another."""
    from rasterio.features import shapes

    place = synthetic_georeference()
    fields = list(shapes(sample.truth.astype("i4"), sample.truth > 0, transform=type(NORTH_UP)(*place.transform)))
    outlines = [shapely.geometry.shape(outline) for outline, _ in fields]
    names = [f"[b]field {int(code)}" for _, code in fields]
    left, _, _, top = outlines[0].bounds
    corner = shapely.box(left - 15, top - 45, left + 45, top + 15).intersection(outlines[0])
    facts = {"landcover": [*names, next(name for name in names if name != names[0])], "id": range(len(names) + 1)}
    frame = geopandas.GeoDataFrame(facts, geometry=[*outlines, corner], crs=place.crs)
    frame.to_crs("EPSG:4326").to_file(tmp_path / "training.gpkg")
    small = ("--device", "cpu", "--components", 13, "--window", 11, "--epochs", 2)
    given = ("--labels", tmp_path / "training.gpkg", "--label-field", "landcover")
    done = run("classify", scenes["tiff"], *given, *small, "--out", "out")
    assert (done.code, done.complaints) == (0, []), done.stderr
    assert any("under features of different classes" in line for line in done.warnings)
    report = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    rule = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["split"]["rule"]
    assert rule == "polygons" and report["split"] == "polygons (polygons held out)"
    assert [row["name"] for row in report["classes"]] == sorted(f"[b]field {i}" for i in (3, 7, 200, 300))
