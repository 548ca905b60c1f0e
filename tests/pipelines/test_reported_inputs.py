"""Inputs of the kinds that users of such tools report: what the commands say of each, and that maps come out right."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import scipy.io

from tests.conftest import QUICK, run_here
from tests.io.file_makers import NORTH_UP

SHAPE, BANDS = (40, 52), 24
CRS = "EPSG:32633"
ORDER = "byte order = 0\n"
COMMA = "wavelength = {" + "".join(f"{400 + 80 * band},\n" for band in range(BANDS)) + "}\n"
# the header of the same cube as five programs write it: its last lines, and how they are encoded
HEADERS = {
    "order": ("", "utf-8"),
    "micro": (ORDER + "wavelength units = µm\n", "latin-1"),
    "bom": (ORDER, "utf-8-sig"),
    "comma": (ORDER + COMMA, "utf-8"),
    "blank": (ORDER + "reflectance scale factor =\n", "utf-8"),
    "factor": (ORDER + "reflectance scale factor = 10000\n", "utf-8"),
}


def write_tiff(path: Path, array: np.ndarray, transform: rasterio.Affine = NORTH_UP, **options: object) -> None:
    array = array.reshape(*SHAPE, -1)
    size = {"height": SHAPE[0], "width": SHAPE[1], "count": array.shape[2], "dtype": array.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=CRS, transform=transform, **size, **options) as file:
        file.write(np.moveaxis(array, 2, 0))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file or more of each kind: three fields of three crops, in digital numbers."""
    folder, random = tmp_path_factory.mktemp("inputs"), np.random.default_rng(7)
    labels = np.zeros(SHAPE, "u1")
    labels[2:18, 3:20], labels[2:18, 25:50], labels[22:38, 3:30] = 1, 2, 3
    slope = np.linspace(0, 2000, BANDS) * (labels[..., None] == 2)
    cube = (1000.0 * labels[..., None] + 1000 + random.normal(0, 40, (*SHAPE, BANDS)) + slope).astype("u2")
    np.save(folder / "labels.npy", labels)
    # 1 values that nobody declares as no data
    filled = (cube / 1e4).astype("f4")
    filled[:6, :6] = -9999
    np.save(folder / "filled.npy", filled)
    # 2 headers that ENVI and GDAL accept
    for name, (lines, encoding) in HEADERS.items():
        cube.tofile(folder / f"{name}.img")
        start = f"ENVI\nsamples = 52\nlines = 40\nbands = {BANDS}\ndata type = 12\ninterleave = bip\n"
        (folder / f"{name}.hdr").write_bytes((start + lines).encode(encoding))
    # 3 the same scene in two scales
    np.save(folder / "numbers.npy", cube)
    np.save(folder / "reflectance.npy", (cube / 1e4).astype("f4"))
    # 4 bands last
    with h5py.File(folder / "last.h5", "w") as file:
        file["cube"], file["wavelengths"] = cube, np.linspace(400, 2400, BANDS)
    with h5py.File(folder / "unclear.h5", "w") as file:
        file["cube"] = cube[:BANDS, :BANDS]
    # 5 an alpha band, and a mask
    alpha = np.dstack([cube, np.full(SHAPE, 65535, "u2")])
    alpha[:, :9, :BANDS], alpha[:, :9, BANDS] = 17, 0
    write_tiff(folder / "alpha.tif", alpha, alpha="yes", photometric="MINISBLACK")
    write_tiff(folder / "mask.tif", cube)
    with rasterio.open(folder / "mask.tif", "r+") as file:
        file.write_mask(np.repeat([[0] * 9 + [255] * 43], 40, axis=0).astype("u1"))
    # 6 a structure of MATLAB 5
    scipy.io.savemat(folder / "struct.mat", {"hsi": {"Data": cube, "labels": labels}})
    # 7 labels with 255 next to 0
    write_tiff(folder / "scene.tif", cube)
    edged = labels.copy()
    edged[:, 51] = 255
    write_tiff(folder / "edged.tif", edged, nodata=255)
    # 8 a CRS without a place, and 9 ten bands
    write_tiff(folder / "nowhere.tif", cube, rasterio.Affine.identity())
    write_tiff(folder / "ten.tif", cube[..., :10])
    # 10 labels as a picture
    write_tiff(folder / "labels.tif", labels)
    rasterio.shutil.copy(folder / "labels.tif", folder / "labels.png", driver="PNG")
    return folder


SHAPE_LINE = "shape       40 rows x 52 columns x 24 bands, uint16"
LABELS_LINE = "3 classes, 1,104 of 2,080 pixels labelled, background 0"
CLASSES = " 1  class 1                                                   272  24.6%"
FILL = "36 of 2,080 pixels (1.7%) cannot be used: 36 of the value -9999, which the file does not declare as no data"
INSPECTED = {
    "filled.npy": [FILL, "--nodata -9999 does"],
    "filled.npy --nodata -9999": ["36 of 2,080 pixels (1.7%) cannot be used: 36 nodata"],
    "order.hdr": [SHAPE_LINE, "order.hdr: has no 'byte order': 0 (little-endian) is assumed"],
    "micro.hdr": [SHAPE_LINE],
    "bom.hdr": [SHAPE_LINE],
    "comma.hdr": [SHAPE_LINE, "wavelengths 400 to 2240 nm"],
    "blank.hdr": [SHAPE_LINE],
    "factor.hdr": ["shape       40 rows x 52 columns x 24 bands, float32"],
    "last.h5 --labels labels.npy": [SHAPE_LINE, "axes HWB by the number of wavelengths", "wavelengths 400 to 2400 nm"],
    "alpha.tif": [SHAPE_LINE, "360 of 2,080 pixels (17.3%) cannot be used: 360 hidden by the alpha band 25"],
    "mask.tif": [SHAPE_LINE, "360 of 2,080 pixels (17.3%) cannot be used: 360 hidden by the mask"],
    "struct.mat": [SHAPE_LINE, "variable    hsi.Data", "struct.mat, variable hsi.labels", LABELS_LINE, CLASSES],
    "scene.tif --labels edged.tif": [
        "0 is taken as a class of 936 pixels",
        "if 0 means unlabelled, add --background 0",
    ],
    "scene.tif --labels edged.tif --background 0": [LABELS_LINE],
    "nowhere.tif": ["nowhere.tif: is not georeferenced", "--georef takes the place", "place       not georeferenced"],
    "nowhere.tif --georef scene.tif": ["CRS         EPSG:32633 (WGS 84 / UTM zone 33N)"],
    "scene.tif --labels labels.png": [LABELS_LINE, CLASSES],
}


def words_of(output: str) -> str:
    """The text without line breaks."""
    return " ".join(output.split())


@pytest.mark.parametrize("command", INSPECTED)
def test_inspect_says_what_it_is(command, inputs):
    done = run_here("inspect", *command.split(), cwd=inputs)
    assert done.code == 0
    for line in INSPECTED[command]:
        assert words_of(line) in words_of(done.stderr + done.stdout)


def test_bands_that_nothing_shows_are_asked_for(inputs):
    done = run_here("inspect", "unclear.h5", cwd=inputs)
    assert done.code == 2 and "--axes HWB for rows, columns, bands" in words_of(done.stderr)
    assert run_here("inspect", "unclear.h5", "--axes", "HWB", cwd=inputs).code == 0


def test_a_network_that_takes_few_bands_is_named(inputs, tmp_path):
    options = ("--labels", "labels.npy", "--model", "hybridsn", "--window", "11", "--out", tmp_path / "run")
    done = run_here("classify", "ten.tif", *options, cwd=inputs)
    assert done.code == 2
    assert "HybridSN needs at least 13 components, got 10: choose a --model that takes so few (cnn1d," in done.stderr
    assert done.stderr.count("\n") == 1


CLASSIFIED = {
    "filled.npy --labels labels.npy": 1104 - 4 * 3,  # rows 2 to 5 of columns 3 to 5 of a field are fill
    "ten.tif --labels labels.npy": 1104,
    "order.hdr --labels labels.npy": 1104,
    "last.h5 --labels labels.npy": 1104,
    "alpha.tif --labels labels.npy": 1104 - 6 * 16 - 6 * 16,  # columns 3 to 8 of two fields are hidden
    "struct.mat": 1104,
    "scene.tif --labels labels.png": 1104,
    "nowhere.tif --labels labels.npy": 1104,
}


@pytest.mark.parametrize("command", CLASSIFIED)
@pytest.mark.slow
def test_the_map_is_right(command, inputs, tmp_path):
    options = ("--model", "svm", "--out", tmp_path / "run", "--no-figures")
    done = run_here("classify", *command.split(), *options, cwd=inputs)
    assert done.code == 0, done.stderr
    accuracy = json.loads((tmp_path / "run/accuracy.json").read_text())
    assert accuracy["overall_accuracy"] > 0.99
    assert sum(one["train"] + one["test"] for one in accuracy["classes"]) == CLASSIFIED[command]
    with rasterio.open(tmp_path / "run/map.tif") as file:
        assert file.shape == SHAPE
        assert (file.crs is None) == (not command.startswith(("scene", "alpha", "ten")))


def test_another_scale_than_in_training_is_refused_with_the_factor(inputs, tmp_path):
    model, options = tmp_path / "m.safetensors", (*QUICK, "--labels", "labels.npy")
    done = run_here("train", "numbers.npy", *options, "--out", model, cwd=inputs)
    assert done.code == 0, done.stderr

    def map_of(scene, *more):
        done = run_here("predict", model, scene, "--out", tmp_path / "map.tif", "--overwrite", *more, cwd=inputs)
        if done.code:
            return words_of(done.stderr)
        with rasterio.open(tmp_path / "map.tif") as file:
            return file.read(1)

    for scene in ("reflectance.npy", "factor.hdr"):
        refused = map_of(scene)
        assert "are on another scale than those the model was trained on" in refused and "--scale 1e4" in refused
    expected = map_of("numbers.npy")
    assert len(np.unique(expected)) > 1
    for factor in ("auto", "1e4"):
        assert np.mean(map_of("reflectance.npy", "--scale", factor) == expected) > 0.99
