"""Maps: colours, legends, false colour, and pixels that all take the same number of dots."""

import numpy as np
import pytest
from PIL import Image

from hsi.core.colours import EMPTY, RIGHT, WRONG
from hsi.core.labels import ClassTable, default_table
from hsi.core.scene import scene_from_array
from hsi.report.figures import Ground, write_figure
from hsi.report.figures.maps import (
    class_map_figure,
    confidence_figure,
    difference_figure,
    false_colour,
    ground_truth_figure,
    split_figure,
    truth_and_map_figure,
)

NAMES = ("Buildings-Grass-Trees-Drives", "Grass-pasture-mowed", "Oats", "Woods")
TABLE = ClassTable((1, 2, 3, 4), NAMES, ((214, 51, 108), (205, 234, 166), (255, 179, 171), (11, 93, 42)))
GROUND = Ground(across=30.0, down=30.0, north=0.0)


def legend_of(figure):
    return [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]


def colours_of(path):
    with Image.open(path) as picture:
        return {colour: count for count, colour in picture.convert("RGB").getcolors(2**24)}


def test_the_legend_names_only_what_is_there():
    assert legend_of(class_map_figure(np.array([[1, 4], [4, 4]]), TABLE, "map")) == [NAMES[0], NAMES[3]]
    assert legend_of(ground_truth_figure(np.array([[0, 4]]), TABLE, "map")) == [NAMES[3], "not labelled"]
    assert legend_of(split_figure(np.array([[0, 1, 1, 3]]), "split")) == ["training: 2", "test: 1", "not used"]
    figure = confidence_figure(np.array([[0.47, 1.0, np.nan]], np.float32), "confidence")
    assert legend_of(figure) == ["no data"]
    assert figure.axes[1].get_ylim() == pytest.approx((40, 100))
    assert legend_of(confidence_figure(np.array([[0.99, 1.0]]), "confidence")) == []


def test_pixels_have_their_colour_and_share(tmp_path):
    ids = np.repeat([[1, 1, 1, 4]], 4, axis=0)
    write_figure(tmp_path / "map.png", class_map_figure(ids, TABLE, "map"))
    colours = colours_of(tmp_path / "map.png")
    assert colours[TABLE.colours[0]] / colours[TABLE.colours[3]] == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (700, 3), (2300, 20)])
def test_odd_shapes_can_be_drawn(tmp_path, shape):
    ids = np.arange(shape[0] * shape[1]).reshape(shape) % 40
    write_figure(tmp_path / "map.png", class_map_figure(ids, default_table(range(40)), "map"))
    with Image.open(tmp_path / "map.png") as picture:
        assert max(picture.size) < 3500


def test_difference_counts_tested_pixels(tmp_path):
    ids, truth = np.array([[1, 2, 2, 1]]), np.array([[1, 1, 2, 0]])
    figure = difference_figure(ids, truth, np.array([[True, True, False, False]]), "Test")
    assert legend_of(figure) == ["right: 1 (50.00 %)", "wrong: 1 (50.00 %)", "not tested"]
    write_figure(tmp_path / "d.png", figure)
    colours = colours_of(tmp_path / "d.png")
    assert all(colours[colour] > 1000 for colour in (RIGHT, WRONG, EMPTY))


class TestFalseColour:
    def test_takes_visible_bands_and_valid_pixels(self):
        cube = np.zeros((5, 5, 5), np.float32)
        cube[:, :, 3] = np.arange(25).reshape(5, 5)
        cube[0, 0] = np.nan
        valid = np.isfinite(cube[:, :, 0])
        picture = false_colour(scene_from_array(cube, wavelengths=(450.0, 460.0, 555.0, 641.0, 900.0)), valid)
        assert picture.dtype == np.uint8
        assert tuple(picture[0, 0]) == EMPTY
        assert (picture[4, 4, 0], picture[0, 1, 0]) == (255, 0)
        assert np.all(np.diff(picture[1:, :, 0].ravel().astype(int)) > 0)
        assert np.all(picture[valid][:, 1:] == 128)

    @pytest.mark.parametrize("wavelengths", [None, tuple(np.linspace(1000, 2500, 60)), (640.0,) * 60])
    def test_without_visible_bands_takes_three_others(self, wavelengths):
        cube = np.random.default_rng(1).random((8, 9, 60))
        picture = false_colour(scene_from_array(cube, wavelengths=wavelengths), np.ones((8, 9), bool))
        assert not np.array_equal(picture[:, :, 0], picture[:, :, 1])
        assert not np.array_equal(picture[:, :, 1], picture[:, :, 2])
        assert picture.max() == 255

    def test_of_one_band_and_of_nothing_valid(self):
        scene = scene_from_array(np.ones((3, 4, 1), np.int16))
        assert false_colour(scene, np.ones((3, 4), bool)).shape == (3, 4, 3)
        assert np.all(false_colour(scene, np.zeros((3, 4), bool)) == EMPTY)


def dots_of(picture):
    """Widths and heights in dots of the stretches of one colour along the first row and the first column."""
    across = np.flatnonzero(np.any(picture[0, 1:] != picture[0, :-1], axis=1)) + 1
    down = np.flatnonzero(np.any(picture[1:, 0] != picture[:-1, 0], axis=1)) + 1
    return [np.diff([0, *edges, length]) for edges, length in ((across, picture.shape[1]), (down, picture.shape[0]))]


def inside_of(path, colours):
    """The rectangle of a figure that is nothing but these colours, without the line around it."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    known = np.isin(pixels @ [65536, 256, 1], np.array(colours) @ [65536, 256, 1])
    rows = np.flatnonzero(known.mean(axis=1) > 0.3)
    columns = np.flatnonzero(known[rows[0] : rows[-1] + 1].mean(axis=0) > 0.3)
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def chequered(shape):
    return np.where(np.indices(shape).sum(axis=0) % 2, 1, 2)


@pytest.mark.parametrize("ground", [None, GROUND, Ground(3.7, 3.7, 33.0)])
@pytest.mark.parametrize("shape", [(31, 37), (40, 211)])
def test_every_pixel_of_a_map_takes_the_same_number_of_dots(tmp_path, shape, ground):
    write_figure(tmp_path / "map.png", class_map_figure(chequered(shape), TABLE, "A title g", ground))
    inside = inside_of(tmp_path / "map.png", TABLE.colours[:2])
    scale = 1500 // max(shape)
    assert inside.shape[:2] == pytest.approx((scale * shape[0], scale * shape[1]), abs=4)  # the frame covers some
    for lengths in dots_of(inside[inside.shape[0] // 2 :, inside.shape[1] // 2 :]):
        assert set(lengths[1:-1]) == {scale}


def test_the_same_holds_for_two_maps_next_to_each_other(tmp_path):
    ids = chequered((50, 50))
    truth = np.where(np.arange(50)[:, None] < 25, 0, ids)
    figure = truth_and_map_figure(truth, ids, TABLE, "Test", GROUND)
    assert legend_of(figure) == [NAMES[0], NAMES[1], "not labelled"]
    write_figure(tmp_path / "both.png", figure)
    inside = inside_of(tmp_path / "both.png", TABLE.colours[:2])
    for lengths in dots_of(inside[: inside.shape[0] // 2, -500:]):
        assert set(lengths[1:-1]) == {1050 // 50}
