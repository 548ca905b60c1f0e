"""Scale and north of pictures against known distances on the ellipsoid."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from hsi.core.labels import default_table
from hsi.core.scene import Georeference
from hsi.report.figures import Ground, ground_of
from hsi.report.figures.maps import class_map_figure
from hsi.report.figures.scale_bar import length_in_words


def place(crs, transform):
    return Georeference(CRS.from_user_input(crs).to_wkt() if crs else None, tuple(transform)[:6])


@pytest.mark.parametrize(
    ("crs", "transform", "across", "down"),
    [
        ("EPSG:32632", (30, 0, 500_000 - 1500, 0, -30, 5_500_000), 30 / 0.9996, 30 / 0.9996),  # the central meridian
        ("EPSG:4326", (0.001, 0, 10, 0, -0.001, 0.05), 111.3195, 110.5743),
        ("EPSG:4326", (0.001, 0, 10, 0, -0.001, 45.05), 78.8468, 111.1318),
        ("EPSG:4326", (0.001, 0, 10, 0, -0.001, -59.95), 55.8000, 111.4123),
        ("EPSG:4326", (0.001, 0, 179.95, 0, -0.001, 0.05), 111.3195, 110.5743),  # across the date line
        ("EPSG:3857", (10, 0, 1_000_000, 0, -10, 8_399_738), 5.0, 5.0),  # 60 degrees north
        ("EPSG:2229", (10, 0, 6_561_666, 0, -10, 1_640_416), 3.048, 3.048),  # feet
    ],
)
def test_metres_on_the_ground(crs, transform, across, down):
    ground = ground_of(place(crs, transform), 100, 100)
    stretched = crs in ("EPSG:3857", "EPSG:2229")  # by the projection, over the size of the scene
    assert (ground.across, ground.down) == pytest.approx((across, down), rel=0.01 if stretched else 1e-4)


def test_north_is_true_north():
    ground = ground_of(place("EPSG:32632", (30, 0, 700_000, 0, -30, 5_500_000)), 100, 100)
    longitude, latitude = np.radians(11.79), np.radians(49.6)  # of the middle
    convergence = np.degrees(np.arctan(np.tan(longitude - np.radians(9)) * np.sin(latitude)))
    assert ground.north == pytest.approx(-convergence, abs=0.02)  # grid north is east of true north there


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
        place(None, (1, 0, 0, 0, -1, 0)),
        place("EPSG:32632", (1, 0, 0, 0, 1, 0)),  # no transform
        place("EPSG:32632", (0, 0, 5e5, 0, 0, 5e6)),
        place("EPSG:4326", (0.1, 0, 0, 0, -0.1, 90.05)),
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


@pytest.mark.parametrize(
    ("ground", "length"),
    [
        (Ground(30, 30, 0), "500 m"),
        (Ground(3000, 3000, 0), "50 km"),
        (Ground(0.013, 0.013, 0), "20 cm"),
        (Ground(30, 60, 0), "500 m from left to right"),
    ],
)
def test_the_bar_is_a_round_length_near_a_third_of_the_map(ground, length):
    figure = class_map_figure(np.ones((60, 60), int), default_table([1]), "map", ground)
    assert {length, "N"} <= {text.get_text() for axes in figure.axes for text in axes.texts}
    bar = sum(patch.get_width() for patch in figure.axes[1].patches if hasattr(patch, "get_width"))
    metres = {"m": 1, "km": 1000, "cm": 0.01}[length.split()[1]] * float(length.split()[0])
    assert bar == pytest.approx(metres / ground.across * 25, abs=1)  # 1500 dots over 60 pixels
    assert 0.1 < bar / 1500 < 0.34


def test_maps_without_a_place_have_neither_bar_nor_arrow():
    assert len(class_map_figure(np.ones((60, 60), int), default_table([1]), "map", None).axes) == 1
