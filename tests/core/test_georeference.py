"""Names of CRSs and sizes of pixels, against pyproj and hand computation."""

import numpy as np
import pytest
from pyproj import CRS, Geod, Transformer

from hsi.core.georeference import crs_name, crs_title, longitude_latitude, pixel_hectares, pixel_metres
from hsi.core.scene import Georeference
from hsi.core.synthetic import synthetic_georeference


def geodesic_hectares(where, row, column=0):
    """The polygon of a pixel on the ellipsoid, its edges along parallels drawn with many points."""
    a, b, c, d, e, f = where.transform
    steps = np.linspace(0, 1, 50)
    across = np.concatenate([steps, np.ones(50), steps[::-1], np.zeros(50)]) + column
    down = np.concatenate([np.zeros(50), steps, np.ones(50), steps[::-1]]) + row
    area, _ = Geod(ellps="WGS84").polygon_area_perimeter(a * across + b * down + c, d * across + e * down + f)
    return abs(area) / 10_000


@pytest.mark.parametrize(
    ("crs", "size", "corner", "expected"),
    [
        ("EPSG:32616", (20.0, -20.0), (5e5, 4e6), 0.04),
        ("EPSG:32616", (3.5, -4.0), (5e5, 4e6), 0.0014),
        ("EPSG:32616", (0.02, -0.02), (6e5, 5e6), 4e-8),
        ("EPSG:2263", (100.0, -100.0), (1e6, 2e5), 10_000 * (1200 / 3937) ** 2 / 10_000),  # US survey feet
        ("EPSG:2222", (10.0, -10.0), (7e5, 1e6), 100 * 0.3048**2 / 10_000),  # international feet
        ("EPSG:32616", (20.0, -20.0), (5e8, 4e9), 0.04),  # no such place
    ],
)
def test_projected(crs, size, corner, expected):
    hectares = pixel_hectares(Georeference(crs, (size[0], 0, corner[0], 0, size[1], corner[1])), 7, 5)
    assert hectares.shape == (7,)
    np.testing.assert_allclose(hectares, expected, rtol=1e-9)


@pytest.mark.parametrize("size", [0.02, 30.0])
@pytest.mark.parametrize(("crs", "left", "top"), [("EPSG:3857", 1e6, 8e6), ("EPSG:4087", -1e6, -6.5e6)])
def test_a_projection_that_stretches_areas_has_those_on_the_ground(crs, left, top, size):
    where = Georeference(crs, (size, 0, left, 0, -size, top))
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform
    (west, east), (north, south) = to_degrees([left, left + 1e5], [top, top - 1e5])
    tall = Georeference("EPSG:4326", ((east - west) / 1e5 * size, 0, west, 0, (south - north) / 1e5 * size, north))
    hectares = pixel_hectares(where, 5, 4)
    assert hectares[0] < 0.6 * size**2 / 10_000
    assert hectares[2] == pytest.approx(pixel_hectares(tall, 5, 4)[2], rel=0.02)


def test_a_rotated_grid_has_the_area_of_its_pixels():
    turn = np.deg2rad(30)
    where = Georeference(
        "EPSG:32616", (20 * np.cos(turn), 20 * np.sin(turn), 5e5, 20 * np.sin(turn), -20 * np.cos(turn), 4e6)
    )
    np.testing.assert_allclose(pixel_hectares(where, 3, 3), 0.04)


@pytest.mark.parametrize("top", [0.5, 45, 80, -60])
@pytest.mark.parametrize("left", [10.0, 179.9, -180.0])
def test_geographic(top, left):
    where = Georeference("EPSG:4326", (0.01, 0, left, 0, -0.01, top))
    hectares = pixel_hectares(where, 40, 30)
    assert hectares.shape == (40,)
    for row in (0, 17, 39):
        assert hectares[row] == pytest.approx(geodesic_hectares(where, row), rel=1e-3)


def test_geographic_and_rotated_is_right_in_the_middle_of_the_row():
    where = Georeference("EPSG:4326", (0.008, 0.006, 10, 0.006, -0.008, 50))
    assert pixel_hectares(where, 20, 20)[9] == pytest.approx(geodesic_hectares(where, 9, 10), rel=1e-3)


def test_another_unit_of_angle():
    crs = "EPSG:4902"  # NTF (Paris), in grads; its ellipsoid is a little larger
    where = Georeference(CRS(crs).to_wkt("WKT1_GDAL"), (0.01, 0, 1.0, 0, -0.01, 52))
    in_degrees = Georeference("EPSG:4326", (0.009, 0, 3.2, 0, -0.009, 46.8))
    np.testing.assert_allclose(pixel_hectares(where, 3, 3), pixel_hectares(in_degrees, 3, 3), rtol=2e-3)


@pytest.mark.parametrize("crs", [None, "no such thing", 'LOCAL_CS["mine",UNIT["metre",1]]'])
def test_unknown_places_have_no_area(crs):
    assert pixel_hectares(Georeference(crs, (1, 0, 0, 0, -1, 0)), 3, 3) is None
    assert pixel_hectares(None, 3, 3) is None


@pytest.mark.parametrize(
    ("crs", "corner"),
    [("EPSG:4326", (5e5, 4.4e6)), ("IAU_2015:30100", (10, 50))],  # metres taken for degrees; the Moon
)
def test_a_place_that_is_none_on_earth(crs, corner):
    where = Georeference(CRS(crs).to_wkt(), (0.1, 0, corner[0], 0, -0.1, corner[1]))
    assert pixel_hectares(where, 3, 3) is None
    assert crs == "EPSG:4326" or longitude_latitude(where, np.zeros(1), np.zeros(1)) is None


def test_names_of_a_crs():
    place = synthetic_georeference()
    assert crs_title(place.crs) == "WGS 84 / UTM zone 16N (EPSG:32616)"
    assert crs_name(place.crs) == "EPSG:32616 (WGS 84 / UTM zone 16N)"
    assert crs_title(None) is None and crs_title("nonsense") is None
    assert crs_name('LOCAL_CS["plot"]') == crs_title('LOCAL_CS["plot"]') == "plot"


@pytest.mark.parametrize(
    ("crs", "pixel", "metres"),
    [("EPSG:32616", 20, 20), ("EPSG:2263", 10, 3.048), ("EPSG:4326", 0.1, None), (None, 20, None)],
)
def test_metres_of_a_square_pixel(crs, pixel, metres):
    found = pixel_metres(Georeference(crs, (pixel, 0, 0, 0, -pixel, 0)))
    assert found == (metres and pytest.approx(metres, rel=1e-4))
    assert pixel_metres(Georeference(crs, (pixel, 0, 0, 0, -2 * pixel, 0))) is None
