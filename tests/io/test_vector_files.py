"""Formats, layers and fields of vector files."""

import contextlib
import copy
import json
import math
import sqlite3
import struct
import subprocess
import sys
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsi import open_labels
from hsi.errors import HsiError, LabelError, SceneFileError, UsageError
from hsi.io import files_of, open_scene
from tests.io.file_makers import envi, npy, small_cube, small_labels, tiff
from tests.io.helpers import FEW, damage, refuse_labels, refuse_scene, utm_scene
from tests.io.vector_makers import FORMATS, drawn, geopandas, ground, noted, point, rectangle, shapely, vector

SQUARES = [rectangle(1.3, 1.3, 4.7, 3.7), rectangle(6.3, 2.3, 9.7, 6.7)]
SCENE = utm_scene()
each = pytest.mark.parametrize("suffix", FORMATS)
ODD = (None, True, -1, 10**30, 1e308, "", "NaN", "Polygon", "LineString", [], {}, [[]], [[[0, 0], [1, 1]]], [1e400, 0])


def refuse(path, *words, error=UsageError, name=None, **options):
    return refuse_labels(path, SCENE, name or path.name, *words, error=error, **options)


def one_point(folder, suffix="gpkg", **fields):
    return vector(folder / f"a.{suffix}", [point(1.5, 1.5)], **fields)


class TestFormat:
    def test_is_recognised_by_its_content_when_the_suffix_is_unknown(self, tmp_path):
        for suffix in ("gpkg", "geojson"):
            path = vector(tmp_path / f"a.{suffix}", SQUARES, cover=["a", "b"])
            assert drawn(path.rename(tmp_path / f"{suffix}.data")).counts == {1: 12, 2: 20}

    @each
    def test_a_file_in_the_scene_s_folder(self, suffix, tmp_path):
        scene = open_scene(
            tiff(tmp_path / "cube.tif", small_cube(), crs="EPSG:32633", transform=(30, 0, 5e5, 0, -30, 4e6))
        )
        path = vector(tmp_path / f"cube_labels.{suffix}", SQUARES, n=[1, 2])
        assert open_labels(None, scene).source == path
        envi(tmp_path / "cube_labels.hdr", small_labels()[:, :, None])
        refuse_labels(None, scene, "2 files could hold its labels")

    def test_a_raster_of_the_same_stem_does_not_claim_the_file(self, tmp_path):
        envi(tmp_path / "a.hdr", small_cube())
        assert drawn(vector(tmp_path / "a.gpkg", SQUARES, n=[1, 2])).counts == {1: 12, 2: 20}

    @each
    def test_another_content_than_the_suffix_says(self, suffix, tmp_path):
        path = tmp_path / f"a.{suffix}"
        for content, words in (
            (b"no vectors", ["is not a vector file", "GeoPackage (.gpkg)"]),
            (b"", ["is empty"]),
        ):
            path.write_bytes(content)
            refuse(path, *words, error=SceneFileError)

    def test_an_unknown_format_or_a_missing_file(self, tmp_path):
        (tmp_path / "a.gml").write_text("<gml/>")
        known = "GeoPackage (.gpkg), Shapefile (.shp, .zip), GeoJSON (.geojson)"
        refuse(tmp_path / "a.gml", "expected one of", known, error=SceneFileError)
        path = one_point(tmp_path, n=[1])
        refuse(path.with_suffix(".gpk"), "no such file; did you mean a.gpkg", error=SceneFileError)

    @pytest.mark.parametrize("missing", [".shx", ".dbf"])
    def test_a_shapefile_in_parts(self, missing, tmp_path):
        path = one_point(tmp_path, "shp", n=[1])
        path.with_suffix(missing).unlink()
        refuse(path, f"without its {missing}", error=SceneFileError)

    @each
    def test_lines(self, suffix, tmp_path):
        path = vector(tmp_path / f"a.{suffix}", [shapely.LineString([ground(0, 0), ground(3, 3)])], n=[1])
        refuse(path, "1 feature of type LineString", "polygons or points", error=LabelError)

    def test_as_a_scene(self, tmp_path):
        refuse_scene(one_point(tmp_path, n=[1]), "holds polygons or points, expected a cube; give it as the labels")

    def test_without_geopandas(self, tmp_path, monkeypatch):
        path = one_point(tmp_path, n=[1])
        monkeypatch.setitem(sys.modules, "geopandas", None)
        refuse(path, "[vector]")

    @each
    @given(data=st.data())
    @FEW
    def test_damaged_bytes_raise_nothing_but_our_own_errors(self, suffix, data, tmp_path):
        path = tmp_path / f"whole.{suffix}"
        if not path.exists():
            vector(path, SQUARES, c=["oats", "beet"])
        (tmp_path / "damaged").mkdir(exist_ok=True)
        names = [".shp", ".shx", ".dbf", ".prj"] if suffix == "shp" else [f".{suffix}"]
        damage(data, [path.with_suffix(name) for name in names], tmp_path / "damaged")
        open_or_refuse(tmp_path / "damaged" / path.name)

    @given(data=st.data())
    @FEW
    def test_geojson_of_an_odd_structure_raises_nothing_but_our_own_errors(self, data, tmp_path):
        document = json.loads(vector(tmp_path / "a.geojson", SQUARES, crs="EPSG:4326", c=[1, 2]).read_text())
        for _ in range(data.draw(st.integers(1, 3))):
            node = document
            while isinstance(node, dict | list) and node:
                key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
                if not isinstance(node[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
                    node[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
                    break
                node = node[key]
        (tmp_path / "odd.geojson").write_text(json.dumps(document))
        open_or_refuse(tmp_path / "odd.geojson")


def open_or_refuse(path):
    try:
        open_labels(path, SCENE)
    except HsiError as error:
        assert "\n" not in str(error)


def write_kml(folder):
    """The squares as oats and beet in the way of Google Earth."""
    frame = geopandas.GeoDataFrame({"Name": ["oats", "beet"]}, geometry=SQUARES, crs="EPSG:32633")
    frame.to_crs(4326).to_file(folder / "a.kml", driver="KML", engine="pyogrio")
    return folder / "a.kml"


class TestKml:
    def test_placemarks_have_the_class_of_their_name(self, tmp_path):
        labels = drawn(write_kml(tmp_path))
        assert (labels.counts, labels.table.names) == ({1: 20, 2: 12}, ("beet", "oats"))
        assert noted(labels, "taken from the field 'Name'")

    def test_a_kmz(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.kmz", "w") as archive:
            archive.write(write_kml(tmp_path), "doc.kml")
        assert drawn(tmp_path / "a.kmz").counts == {1: 20, 2: 12}
        assert files_of(tmp_path / "a.kmz") == (tmp_path / "a.kmz",)

    def test_entities_are_refused(self, tmp_path):
        path = write_kml(tmp_path)
        entity = '<!DOCTYPE kml [<!ENTITY oats SYSTEM "file:///etc/passwd">]>\n<kml'
        path.write_text(path.read_text().replace("<kml", entity, 1).replace(">oats<", ">&oats;<"))
        refuse(path, "has a document type (DOCTYPE)", error=SceneFileError)

    def test_numbers_in_fields_without_types_are_ids(self, tmp_path):
        path = write_kml(tmp_path)
        for name, code in (("oats", 7), ("beet", 3)):
            path.write_text(path.read_text().replace(f"<name>{name}<", f"<name>{code}<"))
        assert drawn(path).counts == {3: 20, 7: 12}


class TestCrs:
    def test_one_is_given_to_a_file_without(self, tmp_path):
        path = vector(tmp_path / "a.shp", SQUARES, crs=None, n=[1, 2])
        refuse(path, "the scene, which is in EPSG:32633", ".prj is missing", "--label-crs EPSG:32633", error=LabelError)
        for text in ("EPSG:32633", "32633", "+proj=utm +zone=33 +datum=WGS84"):
            assert drawn(path, crs=text).counts == {1: 12, 2: 20}
        refuse(path, "label_crs: 'north' is no known CRS: write it as EPSG:32633", crs="north", name="label_crs")

    def test_one_in_place_of_the_file_s_is_noted(self, tmp_path):
        path = vector(tmp_path / "a.gpkg", SQUARES, n=[1, 2])
        assert not noted(drawn(path, crs="EPSG:32633"), "label_crs")
        shifted = vector(tmp_path / "b.gpkg", [rectangle(0, 0, 9, 5)], crs="EPSG:25833", n=[1])
        assert noted(drawn(shifted, crs="EPSG:32633"), "taken as EPSG:32633", "(label_crs); the file says EPSG:25833")
        refuse(path, "features miss the scene", "label_crs", crs="EPSG:3857", error=LabelError)


class TestNames:
    def test_ids_and_names_of_two_fields(self, tmp_path):
        path = vector(tmp_path / "a.gpkg", SQUARES, code=[7, 3], name=["oats", None])
        labels = drawn(path, field="code", name_field="name")
        assert dict(zip(labels.table.ids, labels.table.names, strict=True)) == {3: "class 3", 7: "oats"}
        assert drawn(path, name_field="name").table == labels.table

    def test_an_id_has_one_name_and_a_text_is_its_own(self, tmp_path):
        path = vector(tmp_path / "a.gpkg", SQUARES, code=[3, 3], name=["oats", "Oats"])
        several = "class 3 has 2 names in 'name': 'oats' (1 feature), 'Oats' (1 feature)"
        refuse(path, several, field="code", name_field="name", error=LabelError)
        refuse(path, "'name' holds text", field="name", name_field="code")
        refuse(path, "no field 'nam' (label_name_field): did you mean name?", field="code", name_field="nam")


def store_geometry(path, wkb, kind="GEOMETRY", z=0):
    """Put a geometry as bytes into the first feature of a GeoPackage, and a type in its description."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        for (trigger,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            base.execute(f'DROP TRIGGER "{trigger}"')
        base.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = ?, z = ?", (kind, z))
        base.execute("UPDATE a SET geom = ? WHERE fid = 1", (b"GP\0\x01" + struct.pack("<i", 32633) + wkb,))
        base.commit()
    return path


def well_known_bytes(kinds, places):
    return b"".join(b"\x01" + struct.pack("<II", kind, 1) for kind in kinds) + b"".join(
        [struct.pack("<I", len(places)), *(struct.pack(f"<{len(place)}d", *place) for place in places)]
    )


CORNERS = list(SQUARES[0].exterior.coords)


class TestGeometries:
    @pytest.fixture
    def path(self, tmp_path):
        return vector(tmp_path / "a.gpkg", SQUARES, n=[1, 2])

    @pytest.mark.parametrize("odd", [(math.nan, math.nan), (math.inf, 0), (0, -math.inf)])
    def test_coordinates_that_are_not_finite_skip_their_feature(self, odd, path):
        labels = drawn(store_geometry(path, well_known_bytes([3], [CORNERS[0], odd, *CORNERS[1:]])))
        assert labels.counts == {2: 20} and noted(labels, "1 feature skipped: a coordinate is not a finite number")

    @pytest.mark.parametrize("wkb", [well_known_bytes([3], CORNERS)[:-9], b"\x01" + b"x" * 40])
    def test_damaged_geometries_are_counted(self, wkb, path):
        assert noted(drawn(store_geometry(path, wkb)), "1 feature skipped: no geometry")

    @pytest.mark.parametrize("kinds", [[10], [12, 10]])
    def test_curves_are_read_as_outlines(self, kinds, path):
        x, y = ground(3.5, 2.5)
        circle = [(x - 45, y), (x, y + 45), (x + 45, y), (x, y - 45), (x - 45, y)]
        arcs = well_known_bytes(kinds, circle)[:-84] + b"\x01" + struct.pack("<I", 8)
        arcs += well_known_bytes([], circle)
        labels = drawn(store_geometry(path, arcs, "CURVEPOLYGON" if len(kinds) == 1 else "MULTISURFACE"))
        assert labels.counts == {1: 9, 2: 20}  # the corners of 3 x 3 pixels are 42.4 m from the middle

    def test_types_that_are_not_read_name_the_remedy(self, path):
        triangle = well_known_bytes([17], [*CORNERS[:3], CORNERS[0]])
        refuse(store_geometry(path, triangle, "TRIANGLE"), "geometry type is not read", "ogr2ogr", error=LabelError)
        heights = well_known_bytes([1003], [(*place, 5.0) for place in CORNERS])
        refuse(store_geometry(path, heights, z=1), "-dim XY", error=LabelError)
        assert drawn(store_geometry(path, heights, "POLYGON", z=1)).counts == {1: 12, 2: 20}


class TestFields:
    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
    def test_a_shapefile_without_a_cpg(self, encoding, tmp_path):
        frame = geopandas.GeoDataFrame({"Fläche": ["Wälder", "Äcker"]}, geometry=SQUARES, crs="EPSG:32633")
        frame.to_file(tmp_path / "a.shp", encoding=encoding)
        (tmp_path / "a.cpg").unlink()
        labels = drawn(tmp_path / "a.shp")
        assert labels.table.names == ("Wälder", "Äcker")
        assert labels.variable == "Fläche"

    def test_the_only_one_is_used_and_noted(self, tmp_path):
        path = one_point(tmp_path, id=[1], area=[3.5], cover=["oats"])
        labels = drawn(path)
        assert labels.variable == "cover"
        assert noted(labels, "classes are taken from the field 'cover'", "label_field names")
        assert not drawn(path, field="cover").notes

    def test_several_are_listed_with_their_types(self, tmp_path):
        path = one_point(tmp_path, landcover=["oats"], code=[3], size=[1.5])
        listed = "landcover (text), code (integer), size (real)"
        refuse(path, "label_field=NAME", listed)
        refuse(path, "no field 'Landcovr'", "did you mean landcover?", listed, field="Landcovr")
        assert drawn(path, field="code").counts == {3: 1}

    def test_many_long_names_are_shortened(self, tmp_path):
        path = one_point(tmp_path, **{f"{'f' * 300}{i}": [i] for i in range(40)})
        assert len(refuse(path, "and 28 more", field="q" * 400)) < 1600

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
    def test_one_that_cannot_be_a_class(self, properties, field, word, tmp_path):
        feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [15, 36]}}
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        refuse(path, word, error=HsiError, field=field)


class TestLayers:
    def test_several_need_a_name(self, tmp_path):
        for layer, row in (("training", 1), ("reference", 5)):
            path = vector(tmp_path / "a.gpkg", [rectangle(row, 1, row + 2, 3)], layer=layer, n=[row])
        refuse(path, "holds 2 layers: training, reference", "label_layer=NAME")
        assert drawn(path, layer="reference").counts == {5: 4}
        refuse(path, "no layer 'trainin'", "did you mean training?", "known: training, reference", layer="trainin")

    def test_tables_without_geometries_do_not_count(self, tmp_path):
        pyogrio = pytest.importorskip("pyogrio")
        path, alone = vector(tmp_path / "a.gpkg", [rectangle(1, 1, 3, 3)], layer="training", n=[1]), tmp_path / "b.gpkg"
        for file in (path, alone):
            pyogrio.write_dataframe(geopandas.pd.DataFrame({"style": ["red"]}), file, layer="layer_styles")
        assert drawn(path).counts == {1: 4}
        refuse(alone, "no layer with geometries", error=LabelError)

    def test_without_features(self, tmp_path):
        refuse(vector(tmp_path / "a.gpkg", [], n=[]), "has no features", error=LabelError, field="n")


def test_options_that_have_no_meaning(tmp_path):
    path = one_point(tmp_path, n=[1])
    refuse(path, "leave align out", align=True)
    refuse(path, "leave label_variable out", variable="n")
    refuse(path, "points only: leave all_touched out", all_touched=True)
    words = ["holds a raster", "leave label_field and label_layer and all_touched out"]
    refuse(npy(tmp_path / "gt.npy", small_labels()), *words, field="n", layer="x", all_touched=True)


def test_rasters_are_read_without_geopandas(tmp_path):
    path = npy(tmp_path / "gt.npy", small_labels())
    code = (
        "import sys, numpy; from hsi.io import open_labels; from hsi.core.scene import scene_from_array\n"
        f"open_labels({str(path)!r}, scene_from_array(numpy.ones((11, 7, 2))))\n"
        "sys.exit(bool({'torch', 'geopandas', 'pandas', 'shapely'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
