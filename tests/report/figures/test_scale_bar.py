"""Scale and north of pictures against known distances on the ellipsoid."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from hsi.core.scene import Georeference
from hsi.report.figures import ground_of
from hsi.report.figures.scale_bar import length_in_words


def place(crs, transform):
    return Georeference(CRS.from_user_input(crs).to_wkt() if crs else None, tuple(transform)[:6])


def test_utm_on_its_central_meridian():
    found = ground_of(place("EPSG:32632", Affine(30, 0, 500_000 - 1500, 0, -30, 5_500_000)), 100, 100)
    assert found.across == pytest.approx(30 / 0.9996, rel=1e-6)
    assert found.down == pytest.approx(30 / 0.9996, rel=1e-6)
    assert found.north == pytest.approx(0, abs=1e-6)


def test_utm_away_from_it_has_true_north():
    found = ground_of(place("EPSG:32632", Affine(30, 0, 700_000, 0, -30, 5_500_000)), 100, 100)
    longitude, latitude = np.radians(11.79), np.radians(49.6)  # of the middle
    convergence = np.degrees(np.arctan(np.tan(longitude - np.radians(9)) * np.sin(latitude)))
    assert found.north == pytest.approx(-convergence, abs=0.02)  # grid north is east of true north there


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0])
def test_degrees_shrink_with_the_latitude(latitude):
    found = ground_of(place("EPSG:4326", Affine(0.001, 0, 10, 0, -0.001, latitude + 0.05)), 100, 100)
    known = {
        0.0: (111.3195, 110.5743),
        45.0: (78.8468, 111.1318),
        -60.0: (55.8000, 111.4123),
    }
    assert (found.across, found.down) == pytest.approx(known[latitude], rel=1e-4)
    assert found.north == pytest.approx(0, abs=1e-9)


def test_web_mercator_is_not_taken_at_its_word():
    found = ground_of(place("EPSG:3857", Affine(10, 0, 1_000_000, 0, -10, 8_399_738)), 10, 10)  # 60 degrees north
    assert found.across == pytest.approx(5.0, rel=0.005)


def test_feet_are_turned_into_metres():
    found = ground_of(place("EPSG:2229", Affine(10, 0, 6_561_666, 0, -10, 1_640_416)), 10, 10)
    assert found.across == pytest.approx(3.048, rel=1e-3)


@pytest.mark.parametrize("turned", [-120, -30, 20, 90, 180])
def test_north_of_a_rotated_grid(turned):
    transform = Affine.translation(500_000, 5_500_000) @ Affine.rotation(turned) @ Affine.scale(5, -5)
    found = ground_of(place("EPSG:32632", transform), 2, 2)
    assert (found.north - turned + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)
    assert found.across == pytest.approx(5 / 0.9996, rel=1e-6)


def test_the_date_line_is_no_long_way():
    found = ground_of(place("EPSG:4326", Affine(0.001, 0, 179.95, 0, -0.001, 0.05)), 100, 100)
    assert found.across == pytest.approx(111.32, rel=1e-3)


@pytest.mark.parametrize(
    "where",
    [
        None,
        place(None, Affine(1, 0, 0, 0, -1, 0)),
        place("EPSG:32632", Affine(0, 0, 5e5, 0, 0, 5e6)),
        place("EPSG:4326", Affine(0.1, 0, 0, 0, -0.1, 90.05)),
        Georeference('LOCAL_CS["plot",UNIT["metre",1]]', (1, 0, 0, 0, -1, 0)),
        Georeference("nonsense", (1, 0, 0, 0, -1, 0)),
    ],
)
def test_no_scale_where_the_ground_is_not_known(where):
    assert ground_of(where, 1, 1) is None


def test_lengths_in_words():
    assert [length_in_words(length) for length in (0.05, 1, 500, 1000, 20_000, 2_000_000)] == [
        "5 cm", "1 m", "500 m", "1 km", "20 km", "2,000 km",
    ]  # fmt: skip
