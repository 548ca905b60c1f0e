import json
import shutil
import subprocess
import warnings
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio

from hsi.core.labels import ClassTable
from hsi.core.scene import Georeference
from hsi.errors import LabelError, OutputError, SceneError, SceneFileError
from hsi.io.geotiff import gdal_env, raster_colours, read_georeference, write_band, write_class_map

TABLE = ClassTable((1, 2, 5), ('<b>&"', "Corn", "Grün\x07 & trees"), ((10, 20, 30), (200, 100, 0), (0, 255, 0)))
PLACE = Georeference(rasterio.crs.CRS.from_epsg(32616).to_wkt(), (20.0, 0.0, 500000.0, 0.0, -20.0, 4480000.0))


@pytest.fixture
def ids():
    return np.random.default_rng(0).choice([1, 2, 5], (30, 270))


@pytest.fixture
def hole(ids):
    mask = np.zeros(ids.shape, bool)
    mask[:4, 10:20] = True
    return mask


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def open_quietly(path):
    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    return rasterio.open(path)


def test_class_map_reads_back(tmp_path, ids, hole):
    path = tmp_path / "new" / "map.tif"
    write_class_map(path, ids, TABLE, georeference=PLACE, nodata_mask=hole, description="land cover")
    with rasterio.open(path) as raster:
        values = raster.read(1)
        assert raster.dtypes == ("uint8",)
        assert raster.nodata == 0
        assert raster.crs.to_epsg() == 32616
        assert tuple(raster.transform)[:6] == PLACE.transform
        assert raster.colorinterp[0].name == "palette"
        assert raster.colormap(1)[5] == (0, 255, 0, 255)
        assert raster.colormap(1)[0][3] == 0
        assert raster.descriptions == ("land cover",)
        assert raster.profile["compress"] == "deflate"
    np.testing.assert_array_equal(values, np.where(hole, 0, ids))
    assert sorted(p.name for p in path.parent.iterdir()) == ["map.qml", "map.tif", "map.tif.aux.xml"]


def test_without_a_place_none_is_invented(tmp_path, ids):
    write_class_map(tmp_path / "map.tif", ids, TABLE, georeference=None, nodata_mask=None)
    with open_quietly(tmp_path / "map.tif") as raster:
        assert raster.crs is None
        assert raster.transform.is_identity
        np.testing.assert_array_equal(raster.read(1), ids)


def test_class_names_survive_markup(tmp_path, ids):
    write_class_map(tmp_path / "map.tif", ids, TABLE, georeference=PLACE, nodata_mask=None)
    root = ElementTree.parse(tmp_path / "map.tif.aux.xml").getroot()
    names = [category.text or "" for category in root.iter("Category")]
    assert names == ["no data", '<b>&"', "Corn", "", "", "Grün  & trees"]
    rows = [[cell.text for cell in row] for row in root.iter("Row")]
    assert rows[0] == ["1", '<b>&"', "10", "20", "30"]
    style = ElementTree.parse(tmp_path / "map.qml").getroot()
    entries = [dict(entry.attrib) for entry in style.iter("paletteEntry")]
    assert entries[0] == {"value": "1", "label": '<b>&"', "color": "#0a141e", "alpha": "255"}
    assert len(entries) == 3


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="needs GDAL's command line")
def test_gdal_finds_the_names(tmp_path, ids):
    write_class_map(tmp_path / "map.tif", ids, TABLE, georeference=PLACE, nodata_mask=None)
    told = subprocess.run(["gdalinfo", tmp_path / "map.tif"], capture_output=True, text=True, check=True).stdout
    assert '1: <b>&"' in told
    assert "GDALRasterAttributeTable" in told
    assert "200,100,0,255" in told


def test_ids_above_254_need_16_bits(tmp_path):
    table = ClassTable((5, 300, 40000), ("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    ids = np.array([[5, 300], [40000, 300]])
    write_class_map(tmp_path / "map.tif", ids, table, georeference=PLACE, nodata_mask=None)
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.dtypes == ("uint16",)
        np.testing.assert_array_equal(raster.read(1), ids)
    if shutil.which("gdalinfo"):
        command = ["gdalinfo", tmp_path / "map.tif"]
        assert "40000: 7,8,9,255" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("last", "nodata"), [(254, 255), (255, 65535)])
def test_zero_as_a_class_moves_nodata(tmp_path, last, nodata):
    table = ClassTable((0, last), ("water", "rock"), ((0, 0, 255), (90, 90, 90)))
    ids = np.array([[0, last, 0]])
    mask = np.array([[False, False, True]])
    write_class_map(tmp_path / "map.tif", ids, table, georeference=PLACE, nodata_mask=mask)
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.nodata == nodata
        assert raster.read(1).tolist() == [[0, last, nodata]]
        assert raster.read_masks(1).tolist() == [[255, 255, 0]]


def test_ids_outside_the_table_are_refused(tmp_path, ids, hole):
    ids[0, 0] = 3
    with pytest.raises(LabelError, match=r"\[3\] are not in the class table"):
        write_class_map(tmp_path / "map.tif", ids, TABLE, georeference=None, nodata_mask=hole)
    assert not list(tmp_path.iterdir())


def test_band_reads_back_and_other_files_stay(tmp_path):
    array = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    array[0, 0] = np.nan
    (tmp_path / "confidence.tif.aux.xml").write_text("<PAMDataset/>")
    write_band(tmp_path / "confidence.tif", array, georeference=PLACE, nodata=np.nan, description="confidence")
    with rasterio.open(tmp_path / "confidence.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), array)
        assert np.isnan(raster.nodata)
        assert raster.descriptions == ("confidence",)
    assert (tmp_path / "confidence.tif.aux.xml").read_text() == "<PAMDataset/>"


def test_band_of_another_dtype_is_refused(tmp_path):
    with pytest.raises(OutputError, match="float32 or uint8, found float64"):
        write_band(tmp_path / "x.tif", np.zeros((2, 2)), georeference=None)


def test_unwritable_places_are_named(tmp_path, ids):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"map\.tif: cannot be written"):
        write_class_map(tmp_path / "file" / "map.tif", ids, TABLE, georeference=None, nodata_mask=None)
    (tmp_path / "map.tif").mkdir()
    with pytest.raises(OutputError, match=r"map\.tif: cannot be written"):
        write_class_map(tmp_path / "map.tif", ids, TABLE, georeference=None, nodata_mask=None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "map.tif"]


def test_a_failure_leaves_the_older_map(tmp_path, ids, monkeypatch):
    path = tmp_path / "map.tif"
    write_class_map(path, ids, TABLE, georeference=PLACE, nodata_mask=None)
    before = path.read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("hsi.core.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_class_map(path, ids[:10], TABLE, georeference=PLACE, nodata_mask=None)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_a_crs_that_is_none_is_named(tmp_path, ids):
    with pytest.raises(OutputError, match="CRS is not understood"):
        write_class_map(
            tmp_path / "m.tif", ids, TABLE, georeference=Georeference("nowhere", PLACE.transform), nodata_mask=None
        )


def test_georeference_of_a_reference_raster(tmp_path):
    write_band(tmp_path / "ref.tif", np.zeros((20, 30), np.uint8), georeference=PLACE)
    found = read_georeference(tmp_path / "ref.tif", (20, 30))
    assert found.transform == PLACE.transform
    assert rasterio.crs.CRS.from_wkt(found.crs).to_epsg() == 32616
    with pytest.raises(SceneError, match="is 20 x 30 pixels, the scene is 30 x 20"):
        read_georeference(tmp_path / "ref.tif", (30, 20))


def test_references_that_say_nothing_are_refused(tmp_path):
    write_band(tmp_path / "ref.tif", np.zeros((20, 30), np.uint8), georeference=None)
    with pytest.raises(SceneError, match="no transform"):
        read_georeference(tmp_path / "ref.tif")
    with pytest.raises(SceneFileError, match=r"missing\.tif"):
        read_georeference(tmp_path / "missing.tif")


def test_no_file_has_a_crs_and_no_place(tmp_path):
    nowhere = Georeference(PLACE.crs, (1, 0, 0, 0, 1, 0))
    write_band(tmp_path / "a.tif", np.zeros((3, 3), np.uint8), georeference=nowhere)
    with gdal_env(), rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.crs is None


def test_a_raster_without_a_palette_has_no_colours(tmp_path):
    write_band(tmp_path / "a.tif", np.zeros((3, 3), np.uint8), georeference=None)
    assert raster_colours(tmp_path / "a.tif") == {}
    assert raster_colours(tmp_path / "none.npy") == {}


def test_names_with_markup_are_read_back_from_every_file(tmp_path):
    names = ('<b>&"]]>', "=cmd()|' /C calc'!A0", "\\input{x}\n[% 1+1 %]")
    table = replace(TABLE, names=names)
    path = tmp_path / "map.tif"
    write_class_map(path, np.array([[1, 2, 5]]), table, georeference=PLACE, nodata_mask=None)
    plain = tuple(name.replace("\n", " ") for name in names)
    entries = ElementTree.parse(path.with_suffix(".qml")).iter("paletteEntry")
    assert tuple(entry.get("label") for entry in entries) == plain
    root = ElementTree.parse(f"{path}.aux.xml")
    assert tuple(root.findall(".//Category")[i].text for i in TABLE.ids) == plain
    assert tuple(row.findall("F")[1].text for row in root.iter("Row")) == plain
    with rasterio.open(path) as raster:
        assert json.loads(raster.tags()["CLASS_NAMES"]) == dict(zip(("1", "2", "5"), plain, strict=True))
