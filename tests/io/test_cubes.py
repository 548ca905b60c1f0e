"""Cubes that are written keep what the scene says of itself."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import spectral.io.envi

from hsi.core.georeference import same_crs
from hsi.core.scene import Block, Georeference
from hsi.core.synthetic import UTM_16N, synthetic_georeference
from hsi.errors import OutputError, UsageError
from hsi.io import open_scene
from hsi.io.cubes import check_cube_name, cube_files, cube_writer
from tests.io import file_makers

NM = [f"{nm:.2f}" for nm in np.linspace(400, 2400, 5)]
PLACE = ["UTM", "1", "1", "500000", "4480000", "20", "20", "16", "North", "WGS-84"]


def copied(scene, out):
    with cube_writer(out, scene, "A note.") as write:
        for row in range(0, scene.height, 4):
            block = Block(row, 0, min(4, scene.height - row), scene.width)
            write(block, scene.read(block))
    return open_scene(out)


def same(one, other):
    names = ("height", "width", "bands", "dtype", "wavelengths", "fwhm", "good", "nodata")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    assert np.array_equal(one.read(), other.read())


@pytest.fixture
def envi(tmp_path):
    fields = {
        "wavelength": NM, "fwhm": ["9.5"] * 5, "wavelength units": "Nanometers", "bbl": ["1", "1", "0", "1", "1"],
        "map info": PLACE, "description": "flight 7", "sensor type": "HyMap", "data ignore value": "7",
        "band names": list("abcde"), "data gain values": list("12345"),
    }  # fmt: skip
    return file_makers.envi(tmp_path / "scene.hdr", file_makers.small_cube(), "bil", **fields)


@pytest.mark.parametrize("suffix", [".hdr", ".tif"])
def test_an_envi_scene_is_read_back_as_it_was(suffix, envi, tmp_path):
    scene, out = open_scene(envi), tmp_path / f"out{suffix}"
    found = copied(scene, out)
    same(found, scene)
    assert found.georeference.transform == scene.georeference.transform
    one, other = (rasterio.crs.CRS.from_wkt(s.georeference.crs) for s in (found, scene))
    assert one.to_epsg() == other.to_epsg() == 32616
    assert all(path.is_file() for path in cube_files(out))


@pytest.mark.parametrize("place", [None, synthetic_georeference()])
def test_an_envi_scene_at_another_place_or_none(place, envi, tmp_path):
    found = copied(replace(open_scene(envi), georeference=place), tmp_path / "out.hdr")
    assert (found.georeference and found.georeference.transform) == (place and place.transform)
    assert bool(place) == ("map info" in (tmp_path / "out.hdr").read_text())
    assert place or "coordinate system" not in (tmp_path / "out.hdr").read_text()


def test_all_that_an_envi_header_says_stays(envi, tmp_path):
    copied(open_scene(envi), tmp_path / "out.hdr")
    before, after = (spectral.io.envi.read_envi_header(str(tmp_path / f"{name}.hdr")) for name in ("scene", "out"))
    assert after.pop("description").strip() == "flight 7. A note."
    assert float(after.pop("data ignore value")) == 7
    left = set(before) - {"description", "data ignore value"}
    assert {key: after[key] for key in left} == {key: before[key] for key in left}


@pytest.mark.parametrize("suffix", [".hdr", ".tif"])
def test_a_geotiff_without_wavelengths(suffix, tmp_path):
    place = synthetic_georeference()
    cube = file_makers.small_cube(np.float32)
    scene = open_scene(file_makers.tiff(tmp_path / "s.tif", cube, crs=place.crs, transform=place.transform))
    found = copied(scene, tmp_path / f"out{suffix}")
    same(found, scene)
    assert found.georeference.transform == pytest.approx(Georeference(UTM_16N, place.transform).transform)


def test_wavelengths_that_were_given_replace_those_of_the_header(envi, tmp_path):
    given = replace(open_scene(envi), wavelengths=(500.0, 600.0, 700.0, 800.0, 900.0), fwhm=None)
    same(copied(given, tmp_path / "out.hdr"), given)
    assert "HyMap" in (tmp_path / "out.hdr").read_text()


@pytest.mark.parametrize("suffix", [".hdr", ".tif"])
def test_a_nodata_value_that_no_pixel_can_have_is_left_out(suffix, envi, tmp_path):
    scene = replace(open_scene(envi), nodata=-9999.0)
    same(copied(scene, tmp_path / f"out{suffix}"), replace(scene, nodata=None))


@pytest.mark.parametrize("suffix", [".hdr", ".tif"])
def test_a_scale_factor_is_applied_once(suffix, tmp_path):
    fields = {"reflectance scale factor": "10000", "data ignore value": "0"}
    scene = open_scene(file_makers.envi(tmp_path / "s.hdr", file_makers.small_cube(), **fields))
    found = copied(scene, tmp_path / f"out{suffix}")
    assert found.dtype == np.float32
    assert np.array_equal(found.read(), scene.read(), equal_nan=True)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": np.dtype(np.int8)},
        {"georeference": Georeference(UTM_16N, (-20.0, 0.0, 5e5, 0.0, -20.0, 4e6))},
        {"georeference": Georeference(UTM_16N, (17.3, 5.0, 5e5, 10.0, -8.7, 4e6))},
    ],
)
def test_what_envi_cannot_represent_is_refused(change, envi, tmp_path):
    scene = replace(open_scene(envi), source=None, format="array", **change)
    with pytest.raises(OutputError, match=r"give a name that ends in \.tif"):
        copied(scene, tmp_path / "out.hdr")
    assert not (tmp_path / "out.hdr").exists()
    turned = Georeference(UTM_16N, (17.3, 10.0, 5e5, 10.0, -17.3, 4e6))
    found = copied(replace(scene, dtype=np.dtype("u2"), georeference=turned), tmp_path / "out.hdr")
    assert found.georeference.transform == pytest.approx(turned.transform)


def test_us_survey_feet_of_an_envi_header(envi, tmp_path):
    """EPSG:2229 is in US survey feet; international ones would put these coordinates 4 m away."""
    place = Georeference(rasterio.crs.CRS.from_epsg(2229).to_wkt(), (3.0, 0.0, 6.5e6, 0.0, -3.0, 1.8e6))
    found = copied(replace(open_scene(envi), georeference=place), tmp_path / "out.hdr")
    assert same_crs(found.georeference.crs, place.crs) and found.georeference.transform == place.transform


def test_names_of_no_cube(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.hdr or \.tif"):
        check_cube_name(tmp_path / "out.mat")
