import threading

import numpy as np
import pytest
from PIL import Image

from hsi.calibration import measure_calibration
from hsi.errors import OutputError
from hsi.figures import (
    EMPTY,
    RIGHT,
    WRONG,
    RunFigures,
    class_map_figure,
    confusion_figure,
    difference_figure,
    false_colour,
    reliability_figure,
    training_curves_figure,
    write_figures,
    write_png,
)
from hsi.labels import ClassTable, default_table
from hsi.scene import scene_from_array

NAMES = ("Buildings-Grass-Trees-Drives", "Grass-pasture-mowed", "Oats", "Woods")
TABLE = ClassTable((1, 2, 3, 4), NAMES, ((214, 51, 108), (205, 234, 166), (255, 179, 171), (11, 93, 42)))
HISTORY = [
    {
        "epoch": i,
        "loss": 2.0 / i,
        "accuracy": 1 - 1 / (i + 1),
        "validation_accuracy": None if i % 2 else 0.5,
        "lr": 1e-3,
    }
    for i in range(1, 9)
]

CALIBRATION = measure_calibration(np.linspace(0.3, 1, 50), np.arange(50) % 5 > 0).to_dict()


def legend_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def colours_of(path):
    with Image.open(path) as picture:
        return {colour: count for count, colour in picture.convert("RGB").getcolors(2**24)}


def test_all_figures_of_a_run(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, (40, 50))
    ids = np.where(rng.random(truth.shape) < 0.9, truth, 1)
    ids[ids == 0] = 2
    run = RunFigures(
        title="Test",
        table=TABLE,
        ids=ids,
        picture=rng.integers(0, 256, (40, 50, 3)).astype(np.uint8),
        truth=truth,
        tested=truth > 0,
        matrix=rng.integers(0, 50, (4, 4)),
        history=HISTORY,
        calibration=CALIBRATION,
    )
    paths = write_figures(tmp_path / "figures", run)
    expected = ["map", "false_colour", "ground_truth", "difference", "confusion_matrix", "reliability"]
    assert [path.stem for path in paths] == [*expected, "training_curves"]
    for path in paths:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert 400 < picture.width < 2500
            assert 300 < picture.height < 2500
    assert len(list((tmp_path / "figures").iterdir())) == 7


def test_without_truth_only_the_map_is_drawn(tmp_path):
    ids = np.ones((10, 10), int)
    paths = write_figures(tmp_path, RunFigures("New image", TABLE, ids, np.zeros((10, 10, 3), np.uint8)))
    assert [path.name for path in paths] == ["map.png", "false_colour.png"]


def test_legend_names_only_what_is_there():
    assert legend_of(class_map_figure(np.array([[1, 4], [4, 4]]), TABLE, "map")) == [NAMES[0], NAMES[3]]
    assert legend_of(class_map_figure(np.array([[0, 4]]), TABLE, "map", "not labelled")) == [NAMES[3], "not labelled"]


def test_pixels_keep_their_colour_and_share(tmp_path):
    ids = np.repeat([[1, 1, 1, 4]], 4, axis=0)
    write_png(tmp_path / "map.png", class_map_figure(ids, TABLE, "map"))
    colours = colours_of(tmp_path / "map.png")
    assert colours[TABLE.colours[0]] / colours[TABLE.colours[3]] == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (700, 3), (2300, 20)])
def test_odd_shapes_can_be_drawn(tmp_path, shape):
    ids = np.arange(shape[0] * shape[1]).reshape(shape) % 40
    write_png(tmp_path / "map.png", class_map_figure(ids, default_table(range(40)), "map"))
    with Image.open(tmp_path / "map.png") as picture:
        assert max(picture.size) < 3500


def test_difference_counts_tested_pixels(tmp_path):
    truth = np.array([[1, 1, 2, 0]])
    ids = np.array([[1, 2, 2, 1]])
    tested = np.array([[True, True, False, False]])
    figure = difference_figure(ids, truth, tested)
    assert legend_of(figure) == ["right: 1 (50.00 %)", "wrong: 1 (50.00 %)", "not tested"]
    write_png(tmp_path / "d.png", figure)
    colours = colours_of(tmp_path / "d.png")
    assert all(colours[colour] > 1000 for colour in (RIGHT, WRONG, EMPTY))


def test_confusion_rows_are_ground_truth_in_percent():
    figure = confusion_figure(np.array([[9, 1], [0, 0]]), ["wheat", "oats"])
    axes = figure.axes[0]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((0, 0), "90.0"), ((1, 0), "10.0")}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["wheat (10)", "oats (0)"]


def test_training_curves_without_validation():
    history = [{**entry, "validation_accuracy": None, "loss": 0.0} for entry in HISTORY[:1]]
    figure = training_curves_figure(history)
    assert [len(axes.lines) for axes in figure.axes] == [1, 1, 1]
    assert [len(axes.lines) for axes in training_curves_figure(HISTORY).axes] == [1, 2, 1]


def test_reliability_shows_the_bins_that_have_pixels():
    figure = reliability_figure(CALIBRATION)
    curve, counts = figure.axes
    diagonal, found = curve.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [100, 100]]
    filled = [entry for entry in CALIBRATION["bins"] if entry["pixels"]]
    assert found.get_xdata().tolist() == pytest.approx([100 * entry["confidence"] for entry in filled])
    assert found.get_ydata().tolist() == pytest.approx([100 * entry["accuracy"] for entry in filled])
    assert sum(bar.get_height() for bar in counts.patches) == pytest.approx(100)
    assert f"{CALIBRATION['error']:.2%}" in curve.get_title(loc="left")


def test_false_colour_uses_visible_bands_and_valid_pixels():
    wavelengths = (450.0, 460.0, 555.0, 641.0, 900.0)
    cube = np.zeros((5, 5, 5), np.float32)
    cube[:, :, 3] = np.arange(25).reshape(5, 5)
    cube[0, 0] = np.nan
    valid = np.ones((5, 5), bool)
    valid[0, 0] = False
    picture = false_colour(scene_from_array(cube, wavelengths=wavelengths), valid)
    assert picture.dtype == np.uint8
    assert tuple(picture[0, 0]) == EMPTY
    assert picture[4, 4, 0] == 255
    assert picture[0, 1, 0] == 0
    assert np.all(np.diff(picture[1:, :, 0].ravel().astype(int)) > 0)
    assert np.all(picture[valid][:, 1:] == 128)


@pytest.mark.parametrize("wavelengths", [None, tuple(np.linspace(1000, 2500, 60)), (640.0,) * 60])
def test_false_colour_without_visible_bands_takes_three_others(wavelengths):
    cube = np.random.default_rng(1).random((8, 9, 60))
    picture = false_colour(scene_from_array(cube, wavelengths=wavelengths), np.ones((8, 9), bool))
    assert not np.array_equal(picture[:, :, 0], picture[:, :, 1])
    assert not np.array_equal(picture[:, :, 1], picture[:, :, 2])
    assert picture.max() == 255


def test_false_colour_of_few_bands_and_of_nothing_valid():
    scene = scene_from_array(np.ones((3, 4, 1), np.int16))
    assert false_colour(scene, np.ones((3, 4), bool)).shape == (3, 4, 3)
    assert np.all(false_colour(scene, np.zeros((3, 4), bool)) == EMPTY)


def test_unwritable_figure_is_named(tmp_path):
    (tmp_path / "map.png").mkdir()
    with pytest.raises(OutputError, match=r"map\.png"):
        write_png(tmp_path / "map.png", class_map_figure(np.ones((2, 2), int), TABLE, "map"))


def test_figures_can_be_drawn_in_threads(tmp_path):
    def draw(i):
        write_png(tmp_path / f"{i}.png", class_map_figure(np.full((20, 20), i + 1), TABLE, "map"))

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(TABLE.colours[i] in colours_of(tmp_path / f"{i}.png") for i in range(4))
