import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hsi.accuracy.calibration import measure_calibration
from hsi.core.colours import EMPTY, RIGHT, WRONG
from hsi.core.labels import ClassTable, default_table
from hsi.core.scene import scene_from_array
from hsi.errors import OutputError, UnknownNameError
from hsi.report.figures import (
    RUN_FIGURES,
    Ground,
    RunFigures,
    class_map_figure,
    class_spectra,
    confidence_figure,
    confusion_figure,
    difference_figure,
    false_colour,
    figure,
    ground_of,
    ground_truth_figure,
    reliability_figure,
    spectra_figure,
    split_figure,
    training_curves_figure,
    truth_and_map_figure,
    write_figure,
    write_figures,
)

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

GROUND = Ground(across=30.0, down=30.0, north=0.0)
CALIBRATION = measure_calibration(np.linspace(0.3, 1, 50), np.arange(50) % 5 > 0)


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
        split=rng.integers(0, 4, (40, 50)),
        confidence=rng.random((40, 50)),
        spectra=class_spectra(scene_from_array(rng.random((40, 50, 6))), truth - 1, 4),
        ground=GROUND,
    )
    paths = write_figures(tmp_path / "figures", run.drawings())
    assert [path.stem for path in paths] == list(RUN_FIGURES)
    for path in paths:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert 600 < picture.width < 3000
            assert 300 < picture.height < 2500
    assert len(list((tmp_path / "figures").iterdir())) == len(RUN_FIGURES)


def test_without_truth_only_the_map_is_drawn(tmp_path):
    ids = np.ones((10, 10), int)
    run = RunFigures("New image", TABLE, ids, np.zeros((10, 10, 3), np.uint8))
    paths = write_figures(tmp_path, run.drawings())
    assert [path.name for path in paths] == ["map.png", "false_colour.png"]


def test_a_registered_figure_is_drawn_where_there_is_what_its_parameters_name(monkeypatch):
    monkeypatch.setitem(RUN_FIGURES, "sum", None)

    @figure("sum", "truth and confidence, added")
    def sum_figure(truth, confidence, title, ground=None):
        return f"{title}: {truth + confidence}"

    run = RunFigures("Test", TABLE, np.ones((2, 2), int), truth=1)
    assert RUN_FIGURES["sum"].shows == "truth and confidence, added"
    assert "sum" not in run.drawings()
    assert replace(run, confidence=2).drawings()["sum"]() == "Test: 3"


def test_legend_names_only_what_is_there():
    assert legend_of(class_map_figure(np.array([[1, 4], [4, 4]]), TABLE, "map")) == [NAMES[0], NAMES[3]]
    assert legend_of(ground_truth_figure(np.array([[0, 4]]), TABLE, "map")) == [NAMES[3], "not labelled"]


def test_pixels_keep_their_colour_and_share(tmp_path):
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
    truth = np.array([[1, 1, 2, 0]])
    ids = np.array([[1, 2, 2, 1]])
    tested = np.array([[True, True, False, False]])
    figure = difference_figure(ids, truth, tested, "Test")
    assert legend_of(figure) == ["right: 1 (50.00 %)", "wrong: 1 (50.00 %)", "not tested"]
    write_figure(tmp_path / "d.png", figure)
    colours = colours_of(tmp_path / "d.png")
    assert all(colours[colour] > 1000 for colour in (RIGHT, WRONG, EMPTY))


def test_confusion_rows_are_ground_truth_in_percent():
    figure = confusion_figure(np.array([[9, 1], [0, 0]]), default_table([1, 2]))
    axes = figure.axes[0]
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((0, 0), "90.0"), ((1, 0), "10.0")}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["class 1 (10)", "class 2 (0)"]


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
        write_figure(tmp_path / "map.png", class_map_figure(np.ones((2, 2), int), TABLE, "map"))


def test_figures_can_be_drawn_in_threads(tmp_path):
    def draw(i):
        write_figure(tmp_path / f"{i}.png", class_map_figure(np.full((20, 20), i + 1), TABLE, "map"))

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(TABLE.colours[i] in colours_of(tmp_path / f"{i}.png") for i in range(4))


def blocks_of(picture):
    """The picture cut at every change of colour along its first row and column: widths and heights of what is alike."""
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


@pytest.mark.parametrize("ground", [None, GROUND, Ground(3.7, 3.7, 33.0)])
@pytest.mark.parametrize("shape", [(31, 37), (40, 211)])
def test_every_pixel_of_a_map_takes_the_same_number_of_dots(tmp_path, shape, ground):
    rows, columns = np.indices(shape)
    ids = np.where((rows + columns) % 2, 1, 2)
    write_figure(tmp_path / "map.png", class_map_figure(ids, TABLE, "A title g", ground=ground))
    inside = inside_of(tmp_path / "map.png", TABLE.colours[:2])
    scale = 1500 // max(shape)
    line = 2  # of the frame, which covers the outermost dots
    assert inside.shape[0] == pytest.approx(scale * shape[0], abs=2 * line)
    assert inside.shape[1] == pytest.approx(scale * shape[1], abs=2 * line)
    middle = inside[inside.shape[0] // 2 :, inside.shape[1] // 2 :]
    for lengths in blocks_of(middle):
        assert set(lengths[1:-1]) == {scale}


def test_the_same_holds_for_two_maps_beside_each_other(tmp_path):
    rows, columns = np.indices((50, 50))
    ids = np.where((rows + columns) % 2, 1, 2)
    figure = truth_and_map_figure(np.where(rows < 25, 0, ids), ids, TABLE, "Test", GROUND)
    assert legend_of_any(figure) == [NAMES[0], NAMES[1], "not labelled"]
    write_figure(tmp_path / "both.png", figure)
    inside = inside_of(tmp_path / "both.png", TABLE.colours[:2])
    right = inside[: inside.shape[0] // 2, -500:]
    for lengths in blocks_of(right):
        assert set(lengths[1:-1]) == {1050 // 50}


def legend_of_any(figure):
    return [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]


def words_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


@pytest.mark.parametrize(
    ("ground", "told"),
    [
        (Ground(30, 30, 0), "500 m"),
        (Ground(3000, 3000, 0), "50 km"),
        (Ground(0.013, 0.013, 0), "20 cm"),
        (Ground(30, 60, 0), "500 m from left to right"),
    ],
)
def test_the_scale_bar_is_a_round_length_near_a_third_of_the_map(ground, told):
    figure = class_map_figure(np.ones((60, 60), int), TABLE, "map", ground=ground)
    assert told in words_of(figure) and "N" in words_of(figure)
    bar = sum(patch.get_width() for patch in figure.axes[1].patches if hasattr(patch, "get_width"))
    metres = {"m": 1, "km": 1000, "cm": 0.01}[told.split()[1]] * float(told.split()[0])
    assert bar == pytest.approx(metres / ground.across * 25, abs=1)  # 1500 dots over 60 pixels
    assert 0.1 < bar / 1500 < 0.34


def test_maps_without_a_place_have_neither_bar_nor_arrow():
    figure = class_map_figure(np.ones((60, 60), int), TABLE, "map", ground=ground_of(None, 60, 60))
    assert len(figure.axes) == 1


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_file(tmp_path, kind):
    for name in "ab":
        write_figure(tmp_path / f"{name}.{kind}", class_map_figure(np.ones((9, 9), int), TABLE, "m", ground=GROUND))
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_letters_in_pdf_are_truetype_and_settings_stay_as_they_were(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    write_figure(tmp_path / "map.pdf", class_map_figure(np.ones((9, 9), int), TABLE, "map"))
    content = (tmp_path / "map.pdf").read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content
    assert dict(matplotlib.rcParams) == before


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean pdf"):
        write_figure(tmp_path / "map.pdd", confusion_figure(np.eye(2, dtype=int), default_table([1, 2])))


def test_split_and_confidence():
    figure = split_figure(np.array([[0, 1, 1, 3]]), "split")
    assert legend_of(figure) == ["training: 2", "test: 1", "not used"]
    figure = confidence_figure(np.array([[0.47, 1.0, np.nan]], np.float32), "confidence")
    assert legend_of(figure) == ["no data"]
    assert figure.axes[1].get_ylim() == pytest.approx((40, 100))
    assert not confidence_figure(np.array([[0.99, 1.0]]), "confidence").axes[0].get_legend()


class TestSpectra:
    def test_mean_and_deviation_are_those_of_the_pixels_of_each_class(self):
        rng = np.random.default_rng(3)
        cube, codes = rng.normal(1000, 10, (30, 20, 7)), rng.integers(-1, 3, (30, 20))
        codes[codes == 2] = -1
        scene = scene_from_array(cube)
        strips = replace_blocks(scene, rows=4)
        seen = []
        found = class_spectra(strips, codes, 3, lambda done, total: seen.append((done, total)))
        for code in (0, 1):
            pixels = cube[codes == code]
            assert found.pixels[code] == len(pixels)
            assert found.mean[code] == pytest.approx(pixels.mean(axis=0), rel=1e-12)
            assert found.deviation[code] == pytest.approx(pixels.std(axis=0, ddof=1), rel=1e-9)
        assert found.pixels[2] == 0 and np.isnan(found.mean[2]).all()
        assert seen[-1] == (30, 30) and len(seen) == 8

    def test_left_out_bands_and_far_wavelengths_are_holes(self):
        wavelengths = (400.0, 410.0, 420.0, 430.0, 600.0, 610.0, 620.0, 615.0, 625.0)
        cube = np.random.default_rng(0).random((4, 4, 9))
        scene = scene_from_array(cube, wavelengths=wavelengths).keep_bands([0, 1, 3, 4, 5, 6, 7, 8])
        spectra = class_spectra(scene, np.zeros((4, 4), int), 1)
        figure = spectra_figure(spectra, ClassTable((1,), ("oats",), ((9, 99, 9),)), "Test")
        x = figure.axes[0].lines[0].get_xdata()
        runs = [[float(v) for v in run if np.isfinite(v)] for run in np.split(x, np.flatnonzero(np.isnan(x)))]
        assert [run for run in runs if run] == [[400, 410], [430], [600, 610, 620], [615, 625]]
        assert figure.axes[0].lines[1].get_xdata().tolist() == [430]
        assert figure.axes[0].get_title(loc="left") == "oats (16)"
        assert "wavelength (nm)" in [text.get_text() for text in figure.texts]

    def test_classes_without_a_pixel_have_no_panel(self):
        spectra = class_spectra(scene_from_array(np.ones((2, 2, 3))), np.array([[0, 3], [3, -1]]), 4)
        figure = spectra_figure(spectra, TABLE, "Test")
        assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == [
            f"{NAMES[0][:23]}… (1)",
            "Woods (2)",
        ]
        assert "band" in [text.get_text() for text in figure.texts]


def replace_blocks(scene, rows):
    """The scene, read in strips of so many rows."""
    from hsi.core.scene import Scene

    class Strips(Scene):
        def blocks(self, budget=0):
            return super().blocks(budget=rows * self.width * len(self.bands) * 8)

    return Strips(**{name: getattr(scene, name) for name in Scene.__dataclass_fields__})
