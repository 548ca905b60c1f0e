"""Scenes behind a network: the same numbers as the file, read by window, and clear errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from hsi.core.scene import Block
from hsi.core.synthetic import synthetic_georeference
from hsi.errors import SceneFileError, UsageError
from hsi.io import open_scene
from hsi.io.formats.gdal import is_remote, remote_name
from tests.io import file_makers
from tests.models.model_makers import random_cube


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder and the address under which its files are served."""
    folder = tmp_path_factory.mktemp("served")
    program = Path(__file__).with_name("range_server.py")
    with subprocess.Popen([sys.executable, program, folder], stdout=subprocess.PIPE, text=True) as server:
        yield folder, f"/vsicurl/http://127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


def test_a_geotiff_over_http_is_the_file(served):
    folder, address = served
    cube, place = random_cube(70, 30), synthetic_georeference()
    file = file_makers.tiff(folder / "scene.tif", cube, crs=place.crs, transform=Affine(*place.transform))
    near, far = open_scene(file), open_scene(Path(f"{address}/scene.tif"))
    assert (far.shape, far.dtype, far.georeference) == (near.shape, near.dtype, near.georeference)
    block = Block(11, 3, 40, 20)
    assert np.array_equal(far.read(block), cube[block.slices])


def test_what_is_not_there_or_no_raster_is_said(served):
    folder, address = served
    with pytest.raises(SceneFileError, match=r"nothing\.tif: cannot be read as a GeoTIFF or JPEG 2000"):
        open_scene(f"{address}/nothing.tif")
    (folder / "text.tif").write_text("no raster")
    with pytest.raises(SceneFileError, match=r"text\.tif: cannot be read"):
        open_scene(f"{address}/text.tif")


def test_a_virtual_raster_behind_a_network_is_refused(served):
    folder, address = served
    (folder / "other.tif").write_text('<VRTDataset rasterXSize="4" rasterYSize="4"></VRTDataset>')
    with pytest.raises(SceneFileError, match=r"other\.tif: cannot be read"):
        open_scene(f"{address}/other.tif")


def test_a_variable_means_nothing_there():
    with pytest.raises(UsageError, match="leave variable=cube out"):
        open_scene("/vsis3/bucket/scene.tif", "cube")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("/vsicurl/https://host/a/b.tif", "/vsicurl/https://host/a/b.tif"),
        ("/vsis3/bucket/scene.tif", "/vsis3/bucket/scene.tif"),
    ],
)
def test_names_survive_being_paths(given, name):
    assert is_remote(Path(given)) and remote_name(Path(given)) == name


@pytest.mark.parametrize("given", ["scene.tif", "/data/vsicurl/scene.tif", "/vsizip/scene.zip/scene.tif"])
def test_other_paths_are_files(given):
    assert not is_remote(Path(given))
