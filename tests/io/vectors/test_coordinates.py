"""Points in a table: columns by name, CRS, separators, and rows that cannot be."""

import pytest

from hsi import open_labels
from hsi.core.scene import scene_from_array
from hsi.errors import UsageError
from tests.io.file_makers import small_cube
from tests.io.helpers import refuse_labels, utm_scene
from tests.io.vector_makers import drawn, geopandas, ground, noted, rectangle, shapely

PIXELS = [(1, 1), (2, 2), (7, 3)]  # row, column
CLASSES = ["oats", "oats", "beet"]
PLACES = [ground(row + 0.5, column + 0.5) for row, column in PIXELS]


@pytest.fixture
def table(tmp_path):
    """Writes a table of a header and rows."""

    def write(header, rows, separator=",", encoding="utf-8", suffix=".csv"):
        path = tmp_path / f"a{suffix}"
        lines = [header, *(separator.join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


def degrees():
    points = geopandas.GeoSeries([shapely.Point(place) for place in PLACES], crs="EPSG:32633").to_crs("EPSG:4326")
    return [(point.x, point.y) for point in points]


def rows(places):
    return [(*place, name) for place, name in zip(places, CLASSES, strict=True)]


def check(labels):
    assert [labels.table.names[labels.values[pixel] - 1] for pixel in PIXELS] == CLASSES
    assert labels.counts == {1: 1, 2: 2}


@pytest.mark.parametrize(
    "header", ["x,y,cover", "Easting,Northing,cover", "X_UTM,Y_UTM,cover", "POINT_X,POINT_Y,cover", "\ufeffx, y, cover"]
)
def test_columns_are_found_by_name(header, table):
    labels = drawn(table(header, rows(PLACES)))
    check(labels)
    assert noted(labels, "are taken as coordinates in the scene's CRS", "label_crs")


@pytest.mark.parametrize("header", ["lon,lat,cover", "Longitude,Latitude,cover"])
def test_longitude_and_latitude(header, table):
    check(drawn(table(header, rows(degrees()))))
    refuse_labels(table(header, rows(PLACES)), utm_scene(), "which are no degrees: give label_crs")


def test_a_given_crs(table):
    check(drawn(table("x,y,cover", rows(degrees())), crs="EPSG:4326"))
    refuse_labels(table("x,y,cover", rows(degrees())), utm_scene(), "miss the scene", "label_crs")


def test_of_two_pairs_that_of_the_crs_is_used(table):
    both = [(*far, *near, name) for far, near, name in zip([(1, 2)] * 3, degrees(), CLASSES, strict=True)]
    check(drawn(table("x,y,lon,lat,cover", both)))
    both = [(*near, *far, name) for far, near, name in zip([(1, 2)] * 3, PLACES, CLASSES, strict=True)]
    check(drawn(table("x,y,lon,lat,cover", both), crs="EPSG:32633"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_decimal_commas_where_commas_do_not_separate(separator, table):
    decimal = [[str(value).replace(".", ",") for value in row] for row in rows(PLACES)]
    check(drawn(table(separator.join(("Rechtswert", "Hochwert", "Klasse")), decimal, separator)))


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_names_in_the_encodings_of_spreadsheets(encoding, table):
    path = table("x,y,cover", [(*PLACES[0], "Wälder")], encoding=encoding)
    assert drawn(path).table.names == ("Wälder",)


def test_pixels_of_a_scene_without_a_place(table):
    flat = scene_from_array(small_cube())
    labels = open_labels(table("row,column,cover", rows(PIXELS)), flat)
    check(labels)
    assert noted(labels, "counted from 0")
    assert not noted(open_labels(table("row,col,n", [(0, 3, 7), (1, 1, 8)]), flat), "counted from 0")
    path = table("row,col,n", [(11, 7, 3)])
    refuse_labels(path, flat, "hold 7 and 11", "columns 0 to 6 and rows 0 to 10", "from 0", error=UsageError)
    refuse_labels(table("row,col,n", [(1.5, 7, 3)]), flat, "pixels have integers")
    refuse_labels(table("x,y,cover", rows(PLACES)), flat, "no place on the ground", "row and column")


def test_well_known_text(table):
    square = f'"{rectangle(1.3, 1.3, 4.7, 3.7).wkt}"'
    assert drawn(table("WKT,id,cover", [(square, 1, "oats")])).counts == {1: 12}
    refuse_labels(table("WKT,cover", [("POLYGON 1", "oats")]), utm_scene(), "a geometry is no WKT")


def test_numbers_are_ids_and_blanks_have_no_class_or_place(table):
    place = PLACES[0]
    labels = drawn(table("id,x,y,n", [(1, *place, 300), (2, *PLACES[1], ""), (3, "", "", 4), (4, "nan", 3, 4)]))
    assert labels.counts == {300: 1}
    assert noted(labels, "1 feature skipped: no value in 'n'") and noted(labels, "2 features skipped: no geometry")


def test_codes_with_underscores_are_no_numbers(table):
    labels = drawn(table("x,y,cover", [(*place, name) for place, name in zip(PLACES, ("1_2", "12", "3"), strict=True)]))
    assert labels.table.names == ("12", "1_2", "3")


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("a,b,cover", (1, 2, "x"), ["no columns of coordinates", "name them x and y", "has a, b, cover"]),
        ("x,y,cover", ("abc", 2, "x"), ["row 2: x is 'abc', expected a number"]),
        ("x,y,cover", ("5,5", "4,5", "x"), ["row 2 has 5 values, its first line 3 names", "decimal comma"]),
        ("x,y,cover,cover", (1, 2, 3, 4), ["two columns are named 'cover'"]),
        ("x,easting,y,cover", (1, 2, 3, 4), ["columns x and easting could both be"]),
        ("x,y", (1, 2), ["no fields, so no class"]),
    ],
)
def test_what_cannot_be_read_is_named(header, row, words, table):
    refuse_labels(table(header, [row]), utm_scene(), *words)


def test_a_table_next_to_a_scene_is_not_taken_for_labels(table, tmp_path):
    from hsi.io import open_scene
    from tests.io.file_makers import npy

    scene = open_scene(npy(tmp_path / "a.npy", small_cube()))
    table("x,y,cover", rows(PLACES)).rename(tmp_path / "a_labels.csv")
    refuse_labels(None, scene, "no labels found")
