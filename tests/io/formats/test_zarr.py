"""Zarr stores: both versions, CF and GeoZarr places, and codecs that run code."""

import json

import numpy as np
import pytest

from hsi import open_labels, open_scene
from hsi.core.scene import Block, survey_scene
from hsi.errors import UsageError
from tests.io.file_makers import NORTH_UP, small_cube, small_labels
from tests.io.helpers import check_place, refuse_scene
from tests.io.product_makers import UTM33

pytestmark = pytest.mark.filterwarnings("ignore")
xr = pytest.importorskip("xarray")
pytest.importorskip("zarr")
CUBE = small_cube("i2")
CENTRES = [450.0, 550.0, 650.0, 850.0, 1650.0]
Y, X = 3_999_985 - 30.0 * np.arange(11), 500_015 + 30.0 * np.arange(7)


def store(path, version=3, group=None, coordinates=True, **attributes):
    """(wavelength, y, x) with CF's coordinates and grid mapping, a scale and labels."""
    cube = xr.Variable(("wavelength", "y", "x"), np.moveaxis(CUBE, 2, 0), {"grid_mapping": "spatial_ref", **attributes})
    variables = {
        "refl": cube,
        "wavelength": xr.Variable("wavelength", CENTRES, {"units": "nm"}),
        "fwhm": xr.Variable("wavelength", [9.0] * 5, {"units": "nm"}),
        "classes": xr.Variable(("y", "x"), small_labels()),
    }
    if coordinates:
        variables |= {"y": xr.Variable("y", Y), "x": xr.Variable("x", X)}
        variables["spatial_ref"] = xr.Variable((), 0, {"crs_wkt": UTM33})
    xr.Dataset(variables).to_zarr(path, zarr_format=version, group=group, mode="a", consolidated=False)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_cf_coordinates_scale_and_fill(version, tmp_path):
    path = store(tmp_path / "scene.zarr", version, scale_factor=0.01, _FillValue=np.int16(7))
    scene = open_scene(path)
    assert (scene.name, scene.source, scene.shape, scene.axes) == ("scene", path, CUBE.shape, "BHW")
    assert (scene.wavelengths, scene.fwhm) == (tuple(CENTRES), (9,) * 5)
    check_place(scene, NORTH_UP, 32633)
    expected = (CUBE * np.float32(0.01)).astype(np.float32)
    expected[CUBE == 7] = np.nan
    np.testing.assert_allclose(scene.read(), expected)
    block = Block(3, 2, 4, 3)
    np.testing.assert_array_equal(scene.read(block), scene.read()[block.slices])
    np.testing.assert_array_equal(survey_scene(scene).valid, ~(CUBE == 7).any(axis=2))
    np.testing.assert_array_equal(open_labels(None, scene).values, small_labels())


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("of_group", "shift"),
    [
        ({"proj:code": "EPSG:32633"}, 0),
        ({"proj:wkt2": UTM33, "spatial:registration": "node"}, 15),
        ({"proj:code": "EPSG:32633", "spatial:dimensions": ["y", "x"]}, 0),
    ],
)
def test_geozarr_attributes_of_the_array_or_a_group_above(version, of_group, shift, tmp_path):
    import zarr

    path = store(tmp_path / "s.zarr", version, "measurements/r30m", coordinates=False)
    a, b, c, d, e, f = tuple(NORTH_UP)[:6]
    values = {**of_group, "spatial:transform": [a, b, c + shift, d, e, f - shift]}
    zarr.open_group(path, path="measurements", mode="r+").attrs.update(values)
    scene = open_scene(path)
    assert scene.variable == "measurements/r30m/refl"
    check_place(scene, NORTH_UP, 32633)
    np.testing.assert_array_equal(scene.read(), CUBE)


def test_two_cubes_need_a_name(tmp_path):
    path = store(store(tmp_path / "s.zarr", group="a"), group="b")
    refuse_scene(path, "holds 2 cubes: a/refl (5 x 11 x 7, int16), b/refl", error=UsageError)
    np.testing.assert_array_equal(open_scene(path, variable="b/refl").read(), CUBE)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("where", ["filters", "compressor"])
def test_a_codec_that_may_run_code_is_refused(where, hidden, tmp_path):
    path = store(tmp_path / "s.zarr", 2)
    metadata = json.loads((path / "refl/.zarray").read_text())
    metadata[where] = [{"id": "pickle"}] if where == "filters" else {"id": "pickle"}
    name = ".zmetadata" if hidden else "refl/.zarray"
    (path / name).write_text(json.dumps({"metadata": {"refl/.zarray": metadata}} if hidden else metadata))
    (path / "refl/0.0.0").write_bytes(b"cos\nabort\n(tR.")  # would end this process
    refuse_scene(path, "is packed by the codec 'pickle', which is not read, as it may run code")


def test_damaged_stores_are_refused(tmp_path):
    path = store(tmp_path / "s.zarr")
    (path / "refl/c/0/0/0").write_bytes(b"no chunk")
    refuse_scene(path, "s.zarr")
    metadata = (path / "refl/zarr.json").read_text()
    for text in ("{", metadata.replace('"int16"', '"nonsense"')):
        (path / "refl/zarr.json").write_text(text)
        (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
        refuse_scene(path, "refl/zarr.json" if text == "{" else "s.zarr")


def test_a_store_that_declares_more_than_it_holds_is_refused(tmp_path):
    import zarr

    path = tmp_path / "s.zarr"
    size = {"shape": (400, 200_000, 200_000), "chunks": (4, 64, 64), "dtype": "f4"}
    zarr.create_array(path, name="refl", dimension_names=["b", "y", "x"], **size)
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    refuse_scene(path, "declares refl", "cannot hold it even compressed")
