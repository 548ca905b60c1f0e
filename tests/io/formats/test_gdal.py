"""Rasters by GDAL: metadata, class names, remote files, and virtual rasters that lead nowhere else."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

import hsi
from hsi import open_labels
from hsi.core.events import Recorder, report_to
from hsi.core.scene import Block, scene_from_array, survey_scene, usable_pixels
from hsi.errors import SceneError, SceneFileError, UsageError
from hsi.io import open_scene
from hsi.io.formats.gdal import is_remote, remote_name
from hsi.io.geotiff import RASTER_DRIVERS
from hsi.io.open import files_of
from tests.io.file_makers import NORTH_UP, UTM, edit, envi, npy, replaced, small_cube, small_labels, tiff
from tests.io.helpers import check_place, refuse_labels, refuse_scene

HUGE = 10**9
ERDAS = [("HFA", "x.img", "ERDAS Imagine"), ("LAN", "x.lan", "ERDAS LAN")]


class TestScene:
    def test_georeference_and_nodata(self, tmp_path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube("f4"), nodata=-9999, **UTM))
        assert (scene.format, scene.nodata) == ("GeoTIFF", -9999)
        check_place(scene, NORTH_UP, 32633)

    @pytest.mark.filterwarnings("error")
    def test_without_georeference_there_is_none_and_no_warning(self, tmp_path):
        scene = open_scene(tiff(tmp_path / "cube.tif", small_cube()))
        scene.read()
        assert scene.georeference is None

    @pytest.mark.parametrize("where", ["tags of each band", "GDAL's IMAGERY domain", "lists in the ENVI domain"])
    def test_wavelengths_fwhm_and_bad_bands(self, where, tmp_path):
        path = tiff(tmp_path / "cube.tif", small_cube(), **UTM)
        assert open_scene(path).wavelengths is None
        marks = (1, 0, 1, 1, 0)
        with rasterio.open(path, "r+") as file:
            for band, good in enumerate(marks, 1):
                if where.startswith("tags"):
                    units = {"wavelength_units": "Micrometers", "fwhm": 0.01}
                    file.update_tags(band, wavelength=band / 10, bbl=good, **units)
                elif where.startswith("GDAL"):
                    file.update_tags(band, bbl=good)
                    file.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=band / 10, FWHM_UM=0.01)
            if where.startswith("lists"):
                lists = {"wavelength": "{100, 200, 300, 400, 500}", "fwhm": "{10, 10, 10, 10, 10}"}
                file.update_tags(ns="ENVI", bbl="{1, 0, 1, 1, 0}", wavelength_units="nanometers", **lists)
        scene = open_scene(path)
        assert scene.wavelengths == pytest.approx((100, 200, 300, 400, 500))
        assert scene.fwhm == pytest.approx((10,) * 5)
        assert scene.good == marks

    def test_scale_and_offset(self, tmp_path):
        path = tiff(tmp_path / "x.tif", small_cube("i2"), nodata=0)
        with rasterio.open(path, "r+") as raster:
            raster.scales, raster.offsets = [0.5, 1, 2, 1, 1], [0, 10, 0, 0, 0]
        scene = open_scene(path)
        expected = small_cube("f4") * [0.5, 1, 2, 1, 1] + [0, 10, 0, 0, 0]
        np.testing.assert_array_equal(scene.read(), expected.astype("f4"))
        assert scene.keep_bands([0, 2]).scale == (0.5, 2.0)

    def test_a_scaled_nodata_value_of_zero_needs_every_band(self, tmp_path):
        cube = small_cube("i2") + 1
        cube[0, 0], cube[1, 1, 2] = 0, 0
        path = tiff(tmp_path / "x.tif", cube, nodata=0)
        with rasterio.open(path, "r+") as raster:
            raster.scales = [0.5] * 5
        survey = survey_scene(open_scene(path))
        assert (survey.nodata, survey.not_finite, survey.zero, survey.valid[1, 1]) == (1, 0, 0, True)

    def test_declared_sizes_are_checked_before_anything_is_allocated(self, tmp_path):
        size = {"width": 300_000, "height": 300_000, "count": 4, "dtype": "float64"}
        options = {"tiled": True, "blockxsize": 16384, "blockysize": 16384, "sparse_ok": True, "bigtiff": True}
        rasterio.open(tmp_path / "huge.tif", "w", driver="GTiff", **size, **options, **UTM).close()
        refuse_scene(tmp_path / "huge.tif", "2,880,000,000,000 bytes", "cannot hold it")

    def test_pages_of_one_size_are_bands(self, tmp_path):
        path, cube = tmp_path / "x.tif", small_cube() + 1
        cube[0, 0] = 3
        for band in range(5):
            append = {} if band == 0 else {"APPEND_SUBDATASET": True}
            tiff(path, cube[:, :, band], nodata=3, **UTM, **append)
        scene = open_scene(path)
        np.testing.assert_array_equal(scene.read(), cube)
        np.testing.assert_array_equal(scene.read(Block(2, 1, 5, 3)), cube[2:7, 1:4])
        assert (scene.nodata, scene.dtype) == (3, np.uint16)
        check_place(scene, NORTH_UP, 32633)
        tiff(path, small_cube(shape=(6, 4, 1)), APPEND_SUBDATASET=True)
        with report_to(recorder := Recorder()):
            assert open_scene(path).shape == (11, 7, 1)
        assert "holds 6 images of several sizes or bands, of which the first is read" in recorder.warnings[0]

    def test_a_file_of_another_format_named_tif(self, tmp_path):
        refuse_scene(npy(tmp_path / "cube.npy", small_cube()).rename(tmp_path / "cube.tif"), "NUMPY", "TIFF")

    @pytest.mark.parametrize(("driver", "name", "form"), ERDAS)
    def test_erdas_files(self, driver, name, form, tmp_path):
        path, size = tmp_path / name, {"height": 11, "width": 7, "count": 5, "dtype": "uint8"}
        with rasterio.open(path, "w", driver=driver, transform=NORTH_UP, **size) as raster:
            raster.write(np.moveaxis(small_cube("u1"), 2, 0))
        scene = open_scene(path)
        np.testing.assert_array_equal(scene.read(), small_cube("u1"))
        assert scene.format == form


def write_raster(path: Path, driver: str, cube: np.ndarray, **options) -> Path:
    """A cube in any format of GDAL's, by way of a GeoTIFF, and without the side file that holds what a format lacks."""
    path.parent.mkdir(exist_ok=True)
    rasterio.shutil.copy(tiff(path.parent.parent / "made.tif", cube, **UTM), path, driver=driver, **options)
    path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
    return path


OTHERS = (
    "EHdr x.bil, PCIDSK x.pix, NITF x.ntf, HFA x.img, ERS x.ers, PAux x.raw, ISCE x.slc, ISIS2 x.cub, ISIS3 x.cub, "
    "VICAR x.vic, ELAS x, KRO x.kro, SGI x.sgi, GRIB x.grb2, RRASTER x.grd, PNG x.png, BMP x.bmp, "
    "PNM x.ppm, RST x.rst, RMF x.rsw"
)
PLANES = (
    "AAIGrid x.asc, GIF x.gif, SAGA x.sdat, GSBG x.grd, GSAG x.grd, GS7BG x.grd, XYZ x.xyz, ZMap x.dat, BMP x.bmp, "
    "PNG x.png, EHdr x.bil, PCIDSK x.pix, NITF x.ntf"
)


class TestOtherFormats:
    @pytest.mark.parametrize(("driver", "name"), [*map(str.split, OTHERS.split(", "))])
    def test_a_cube(self, driver, name, tmp_path):
        cube = small_cube("u1", (11, 7, 3 if driver in ("PNG", "BMP", "PNM", "RST", "RMF") else 5)) + 1
        path = write_raster(tmp_path / "sub" / name, driver, cube)
        scene = open_scene(path)
        np.testing.assert_array_equal(scene.read(), cube)
        np.testing.assert_array_equal(scene.read(Block(2, 1, 5, 3)), cube[2:7, 1:4])
        assert path in files_of(path)

    @pytest.mark.parametrize(("driver", "name"), [*map(str.split, PLANES.split(", "))])
    def test_labels(self, driver, name, tmp_path):
        path = write_raster(tmp_path / "sub" / name, driver, small_labels())
        np.testing.assert_array_equal(open_labels(path, scene_from_array(small_cube())).values, small_labels())

    @pytest.mark.parametrize("name", ["x.bil", "X.BSQ", "x.flt", "x"])
    def test_a_header_of_esri_belongs_to_its_data(self, name, tmp_path):
        cube = small_cube("f4")
        made = write_raster(tmp_path / "sub" / "x.bil", "EHdr", cube)
        data, header = made.rename(made.with_name(name)), made.with_name(Path(name).stem + ".hdr")
        made.with_suffix(".hdr").rename(header)
        for path in (data, header):
            np.testing.assert_array_equal(open_scene(path).read(), cube)
            assert {data, header} <= {*files_of(path)}
        check_place(open_scene(header), NORTH_UP, 32633)
        data.unlink()
        refuse_scene(header, "a header of ESRI's without its data")

    @pytest.mark.parametrize(("driver", "name"), [*map(str.split, f"{OTHERS}, GIF x.gif, AAIGrid x.asc".split(", "))])
    def test_one_that_is_cut_off_is_not_read_as_zeros(self, driver, name, tmp_path):
        cube = small_cube("u1", (60, 50, 1 if driver in ("GIF", "AAIGrid") else 3)) + 1
        path = write_raster(tmp_path / "sub" / name, driver, cube)
        data = max(path.parent.iterdir(), key=lambda file: file.stat().st_size)
        os.truncate(data, data.stat().st_size - 30)
        if driver in ("PCIDSK", "HFA", "ISIS3"):  # in whose files more follows
            os.truncate(data, data.stat().st_size // 4)
        with pytest.raises((SceneFileError, SceneError)) as caught:
            np.testing.assert_array_equal(open_scene(path).read(), cube)
        if driver in ("EHdr", "ERS", "PAux", "ISCE", "ISIS2", "VICAR", "RRASTER", "RST"):
            assert "is cut off: 30 bytes of its pixels are missing" in str(caught.value)

    def test_an_img_is_what_its_content_says(self, tmp_path):
        header = envi(tmp_path / "x.hdr", small_cube("u1"))
        assert open_scene(tmp_path / "x.img").format == "ENVI BSQ"
        write_raster(tmp_path / "sub" / "x.img", "HFA", small_cube("u1") + 1).rename(tmp_path / "x.img")
        assert header.is_file() and open_scene(tmp_path / "x.img").format == "ERDAS Imagine"

    def test_envi_data_without_a_suffix(self, tmp_path):
        header = envi(tmp_path / "x.hdr", small_cube("u1"))
        header.with_suffix(".img").rename(tmp_path / "x")
        np.testing.assert_array_equal(open_scene(tmp_path / "x").read(), small_cube("u1"))

    @pytest.mark.parametrize("name", ["x.tif", "x.img"])
    @pytest.mark.parametrize("header", ["{stem}.hdr", "{name}.hdr"])
    def test_wavelengths_of_an_envi_header(self, name, header, tmp_path):
        path = write_raster(tmp_path / "sub" / name, "GTiff" if name == "x.tif" else "HFA", small_cube("u1"))
        header = path.with_name(header.format(stem=path.stem, name=name))
        start = "ENVI\nsamples = 7\nlines = 11\nbands = 5\nwavelength units = um\n"
        header.write_text(
            start + "wavelength = {0.4, 0.5, 0.6, 0.7, 0.8}\nfwhm = {.01,.01,.01,.01,.01}\nbbl = {1,0,1,1,1}"
        )
        with report_to(recorder := Recorder()):
            scene = open_scene(path)
        assert (scene.wavelengths, scene.fwhm) == (pytest.approx((400, 500, 600, 700, 800)), pytest.approx((10,) * 5))
        assert scene.good == (True, False, True, True, True)
        assert ("wavelengths", f"from {header.name}") in recorder.messages
        assert header in files_of(path)
        header.write_text(start + "wavelength = {0.4, 0.5}")
        with report_to(recorder := Recorder()):
            assert open_scene(path).wavelengths is None
        assert "lists 2 values for 5 bands" in recorder.warnings[0]

    def test_wavelengths_of_the_file_come_first(self, tmp_path):
        path = tiff(tmp_path / "x.tif", small_cube())
        with rasterio.open(path, "r+") as file:
            file.update_tags(ns="ENVI", wavelength="{410, 510, 610, 710, 810}", wavelength_units="nm")
        path.with_suffix(".hdr").write_text("ENVI\nwavelength = {400, 500, 600, 700, 800}")
        assert open_scene(path).wavelengths == (410, 510, 610, 710, 810)


class TestReferences:
    """Files of formats that name others: only those of their own folder are read, and nothing is fetched."""

    def test_a_pcidsk_file_of_pixels_elsewhere(self, tmp_path):
        path = write_raster(tmp_path / "sub" / "x.pix", "PCIDSK", small_cube("u1"), INTERLEAVING="FILE")
        np.testing.assert_array_equal(open_scene(path).read(), small_cube("u1"))
        assert path.with_name("x.001") in files_of(path)
        virtual = tmp_path / "sub" / "x.vrt"
        rasterio.shutil.copy(path, virtual, driver="VRT")
        np.testing.assert_array_equal(open_scene(virtual).read(), small_cube("u1"))
        (tmp_path / "secret").write_bytes(bytes(range(77)))
        replaced(path, b"x.001    ", b"../secret")
        refuse_scene(path, "which lies outside its folder")
        refuse_scene(virtual, "which lies outside its folder")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("RasterInfo Begin", 'DataFile = "/vsicurl/http://127.0.0.1:9/a"\nRasterInfo Begin'),
            ("RasterInfo Begin", 'DataFile = "../secret"\nRasterInfo Begin'),
            ("ERStorage", "Translated"),
        ],
    )
    def test_an_er_mapper_header_that_leads_elsewhere(self, old, new, tmp_path):
        path = write_raster(tmp_path / "sub" / "x.ers", "ERS", small_cube("u1"))
        path.with_suffix("").rename(tmp_path / "secret")
        refuse_scene(edit(path, old, new))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("x.xml", "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>"),
            ("x.mrf", "<MRF_META><CachedSource><Source>secret.tif</Source></CachedSource></MRF_META>"),
            ("x.dat", "WCS_GDAL"),
            ("x.json", '{"type": "FeatureCollection", "stac_version": "1.0.0"}'),
            ("x.txt", "http://127.0.0.1:9/a.tif"),
        ],
    )
    def test_descriptions_of_services_are_not_opened(self, name, text, tmp_path):
        (tmp_path / name).write_text(text)
        refuse_scene(tmp_path / name)
        assert not {*RASTER_DRIVERS} & {
            "VRT",
            "WMS",
            "WCS",
            "WMTS",
            "HTTP",
            "MRF",
            "GTI",
            "STACTA",
            "STACIT",
            "PLMOSAIC",
        }


LEFT = np.broadcast_to(np.arange(7) < 3, (11, 7))  # what is hidden below


def write_hidden(path: Path, cube: np.ndarray, how: str) -> Path:
    """A raster whose pixels of ``LEFT`` are hidden, with values like any others."""
    if "alpha" in how:
        top = np.iinfo(cube.dtype).max if cube.dtype.kind == "u" else 255
        shown = np.where(LEFT, 0, top).astype(cube.dtype)
        style = {"photometric": "RGB"} if how == "RGBA" else {"photometric": "MINISBLACK"}
        tiff(path, np.dstack([cube, shown]), **UTM, **style, **({} if how == "alpha named" else {"alpha": "YES"}))
        if how == "alpha named":
            with rasterio.open(path, "r+") as raster:
                raster.colorinterp = [*raster.colorinterp[:-1], ColorInterp.alpha]
        return path
    tiff(path, cube, **UTM)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=how != "msk"), rasterio.open(path, "r+") as raster:
        raster.write_mask(np.where(LEFT, 0, 255).astype("u1"))
    if how == "COG":
        rasterio.shutil.copy(path, path.with_name("cog.tif"), driver="COG", blocksize=128, overviews="IGNORE_EXISTING")
        return path.with_name("cog.tif")
    return path


class TestHidden:
    """Pixels that an alpha band or a mask hides are no data."""

    @pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
    @pytest.mark.parametrize("how", ["alpha named", "alpha by GDAL", "internal", "msk", "COG"])
    def test_in_a_scene(self, how, dtype, tmp_path):
        scene = open_scene(write_hidden(tmp_path / "cube.tif", small_cube(dtype) + 1, how))
        survey = survey_scene(scene)
        np.testing.assert_array_equal(survey.valid, ~LEFT)
        assert scene.shape == (11, 7, 5)
        assert survey.hiding == ("alpha band 6" if "alpha" in how else "mask")
        np.testing.assert_array_equal(scene.read()[~LEFT], (small_cube(dtype) + 1)[~LEFT])
        block = Block(2, 1, 3, 4)  # of a scene with fewer bands
        np.testing.assert_array_equal(usable_pixels(scene.keep_bands([1, 3]).read(block), None), ~LEFT[block.slices])

    def test_rgb_and_alpha(self, tmp_path):
        scene = open_scene(write_hidden(tmp_path / "cube.tif", small_cube("u1", (11, 7, 3)) + 1, "RGB alpha"))
        assert (len(scene.bands), survey_scene(scene).invalid) == (3, LEFT.sum())

    def test_the_fourth_band_of_uint8_is_no_alpha_by_its_values(self, tmp_path):
        path, recorder = tiff(tmp_path / "nir.tif", small_cube("u1", (11, 7, 4)) + 1, **UTM), Recorder()
        with report_to(recorder):
            scene = open_scene(path)
        assert (len(scene.bands), survey_scene(scene).invalid) == (4, 0)
        assert "band 4 is marked as alpha and holds other values" in recorder.warnings[0]

    @pytest.mark.parametrize("how", ["alpha named", "internal", "msk"])
    @pytest.mark.parametrize("background", [None, 3])
    def test_in_labels_is_unlabelled(self, how, background, tmp_path):
        path = write_hidden(tmp_path / "gt.tif", small_labels(), how)
        labels = open_labels(path, scene_from_array(small_cube()), background=background)
        assert not labels.labelled[LEFT].any()
        shown = small_labels() != (background or 0)
        np.testing.assert_array_equal(labels.labelled, shown & ~LEFT)

    def test_scaled_with_an_offset(self, tmp_path):
        path = write_hidden(tmp_path / "cube.tif", small_cube() + 1, "internal")
        with rasterio.open(path, "r+") as raster:
            raster.scales, raster.offsets = [0.5] * 5, [10.0] * 5
        np.testing.assert_array_equal(survey_scene(open_scene(path)).valid, ~LEFT)


class TestNodata:
    def test_of_each_band(self, tmp_path):
        cube = small_cube("i2") + 1
        cube[0, 0, 0], cube[1, 1, 1], cube[2, 2, 2] = -1, -2, -1  # -1 is a number in the third band
        path = virtual_raster(tmp_path / "x.vrt", {"a.tif": cube}, nodata=[-1, -2, None, None, None])
        scene = open_scene(path)
        assert np.argwhere(~survey_scene(scene).valid).tolist() == [[0, 0], [1, 1]]
        assert (scene.dtype, scene.read()[2, 2, 2]) == (np.float32, -1)

    def test_nodata_values_of_bands_are_compared_in_float32(self, tmp_path):
        cube, values = small_cube("f4"), [-9999.9, -1.1, None, None, None]
        cube[1, 2, 0], cube[3, 4, 1] = values[:2]
        path = virtual_raster(tmp_path / "x.vrt", {"a.tif": cube}, nodata=values)
        path.write_text(path.read_text().replace("Int16", "Float32"))
        assert np.argwhere(np.isnan(open_scene(path).read())).tolist() == [[1, 2, 0], [3, 4, 1]]

    @pytest.mark.parametrize("declared", [None, -9999])
    @pytest.mark.parametrize("others", [-5, 0])
    def test_of_each_source_of_a_virtual_raster(self, declared, others, tmp_path):
        left, right = small_cube("i2") + 1, small_cube("i2") + 1
        left[0], left[3, 3, 3], right[1] = -9999, -9999, others
        files = {"a.tif": left, "b.tif": right}
        path = virtual_raster(tmp_path / "x.vrt", files, {"a.tif": -9999, "b.tif": others}, [declared] * 5)
        expected = np.zeros((11, 14), bool)
        expected[0, :7], expected[3, 3], expected[1, 7:] = True, True, True
        np.testing.assert_array_equal(~survey_scene(open_scene(path)).valid, expected)

    def test_sources_and_masks_are_files_of_the_scene(self, tmp_path):
        path = virtual_raster(tmp_path / "x.vrt", {"a.tif": small_cube(), "b.tif": small_cube()})
        assert {file.name for file in files_of(path)} == {"x.vrt", "a.tif", "b.tif"}
        masked = write_hidden(tmp_path / "masked.tif", small_cube(), "msk")
        assert {file.name for file in files_of(masked)} == {"masked.tif", "masked.tif.msk"}

    def test_masks_of_the_sources_of_a_virtual_raster(self, tmp_path):
        path = virtual_raster(tmp_path / "x.vrt", {"a.tif": small_cube() + 1, "b.tif": small_cube() + 1})
        write_hidden(tmp_path / "b.tif", small_cube() + 1, "internal")
        expected = np.hstack([np.zeros_like(LEFT), LEFT])
        np.testing.assert_array_equal(~survey_scene(open_scene(path)).valid, expected)
        bands = "".join(
            f'<VRTRasterBand dataType="Int16" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">x.vrt'
            f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
            for band in range(1, 6)
        )
        outer = tmp_path / "outer.vrt"
        outer.write_text(f'<VRTDataset rasterXSize="14" rasterYSize="11">{bands}</VRTDataset>')
        np.testing.assert_array_equal(~survey_scene(open_scene(outer)).valid, expected)
        assert {file.name for file in files_of(outer)} == {"outer.vrt", "x.vrt", "a.tif", "b.tif"}


def virtual_raster(path: Path, files: dict, own: dict | None = None, nodata: list | None = None) -> Path:
    """Cubes of 11 x 7 x 5 in ``files`` side by side, as a tool writes them that copies pixels whatever they mean."""
    bands = ""
    for band in range(1, 6):
        sources = "".join(
            f'<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
            f'<SrcRect xOff="0" yOff="0" xSize="7" ySize="11"/><DstRect xOff="{7 * i}" yOff="0" xSize="7" ySize="11"/>'
            "</SimpleSource>"
            for i, name in enumerate(files)
        )
        value = nodata[band - 1] if nodata else None
        declared = "" if value is None else f"<NoDataValue>{value}</NoDataValue>"
        bands += f'<VRTRasterBand dataType="Int16" band="{band}">{declared}{sources}</VRTRasterBand>'
    for name, cube in files.items():
        tiff(path.with_name(name), cube, nodata=(own or {}).get(name), **UTM)
    path.write_text(f'<VRTDataset rasterXSize="{7 * len(files)}" rasterYSize="11">{bands}</VRTDataset>')
    return path


class TestPlace:
    @pytest.mark.parametrize("kind", ["CRS", "GCPs"])
    def test_a_crs_alone_is_none_and_is_said(self, kind, tmp_path):
        path, recorder = tiff(tmp_path / "cube.tif", small_cube()), Recorder()
        with rasterio.open(path, "r+") as raster:
            corners = [GroundControlPoint(row, col, 5e5 + col, 4e6 - row) for row, col in ((0, 0), (0, 7), (11, 0))]
            raster.crs = "EPSG:32633"
            if kind == "GCPs":
                raster.gcps = corners, raster.crs
        with report_to(recorder):
            scene = hsi.open_scene(path)
        assert scene.georeference is None
        assert "not georeferenced" in recorder.warnings[0] and "--georef" in recorder.warnings[0]
        assert ("gdalwarp" in recorder.warnings[0]) == (kind == "GCPs")
        with report_to(placed := Recorder()):
            hsi.open_scene(path, georef=tiff(tmp_path / "place.tif", small_labels(), **UTM))
        assert not placed.warnings


class TestLabels:
    def table(self, tmp_path, content="", **profile):
        path = tiff(tmp_path / "gt.tif", small_labels(), **profile)
        if profile:
            with rasterio.open(path, "r+") as file:
                file.write_colormap(1, {0: (9, 9, 9), 1: (255, 0, 0), 2: (0, 255, 0, 128)})
        text = content if content.startswith(("<!", "<PAMDataset>", "\xff")) else f"<PAMDataset>{content}</PAMDataset>"
        (tmp_path / "gt.tif.aux.xml").write_text(text, encoding="latin-1")
        return open_labels(path, scene_from_array(small_cube()))

    def test_palette_category_names_and_nodata(self, tmp_path):
        names = "".join(f"<Category>{name}</Category>" for name in ("soil", "corn &amp; oats", ""))
        band = f'<PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames></PAMRasterBand>'
        labels = self.table(tmp_path, band, nodata=3)
        assert (labels.background, labels.table.ids) == (3, (0, 1, 2))
        assert labels.table.names == ("soil", "corn & oats", "class 2")
        assert labels.table.colours == ((9, 9, 9), (255, 0, 0), (0, 255, 0))

    def test_names_from_an_attribute_table(self, tmp_path):
        fields = "".join(f"<FieldDefn><Name>{n}</Name><Usage>{u}</Usage></FieldDefn>" for n, u in (("v", 5), ("n", 2)))
        rows = "".join(f"<Row><F>{i}</F><F>{name}</F></Row>" for i, name in ((1, "corn"), (3, "woods")))
        table = f"<GDALRasterAttributeTable>{fields}{rows}</GDALRasterAttributeTable>"
        labels = self.table(tmp_path, f'<PAMRasterBand band="1">{table}</PAMRasterBand>')
        assert labels.table.names == ("corn", "class 2", "woods")

    @pytest.mark.parametrize(
        "text",
        ['<!DOCTYPE x [<!ENTITY a "aaaa">]><PAMDataset>&a;</PAMDataset>', "<PAMDataset>", "\xff\xfe",
         f"<PAMDataset>{' ' * 2**20}</PAMDataset>"],
    )  # fmt: skip
    def test_a_side_file_that_is_not_safe_gives_no_names(self, text, tmp_path):
        assert self.table(tmp_path, text).table.names == ("class 1", "class 2", "class 3")


RED_TO_BLUE = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)], "u1")
LIKE = scene_from_array(small_cube())


class TestPictures:
    """Labels as pictures: grey values and indices of palettes are class ids, colours are numbered."""

    def picture(self, path, values, driver="PNG", palette=False, **options):
        made = tiff(path.with_name("made.tif"), values)
        if palette:
            with rasterio.open(made, "r+") as file:
                file.write_colormap(1, dict(enumerate(map(tuple, RED_TO_BLUE))))
        rasterio.shutil.copy(made, path, driver=driver, **options)
        path.with_name(path.name + ".aux.xml").unlink(missing_ok=True)
        made.unlink()
        return path

    @pytest.mark.parametrize(("dtype", "options"), [("u1", {}), ("u1", {"NBITS": 2}), ("u2", {})])
    def test_grey(self, dtype, options, tmp_path):
        labels = open_labels(self.picture(tmp_path / "x.png", small_labels(dtype), **options), LIKE)
        np.testing.assert_array_equal(labels.values, small_labels())
        assert (labels.background, labels.table.ids, labels.notes) == (0, (1, 2, 3), ())

    @pytest.mark.parametrize("driver", ["PNG", "GIF", "BMP"])
    def test_palette(self, driver, tmp_path):
        path = self.picture(tmp_path / f"x.{driver.lower()}", small_labels(), driver, palette=True)
        labels = open_labels(path, LIKE)
        np.testing.assert_array_equal(labels.values, small_labels())
        assert labels.table.colours == tuple(map(tuple, RED_TO_BLUE[1:].tolist()))

    @pytest.mark.parametrize("kind", ["RGB PNG", "RGB BMP", "RGBA PNG", "RGB GTiff", "RGBA GTiff"])
    def test_colours_get_ids_and_a_legend(self, kind, tmp_path):
        bands, driver = kind.split()
        image = RED_TO_BLUE[small_labels()]
        if bands == "RGBA":  # what is clear has no class, whatever its colour
            image = np.dstack([image, np.where(small_labels() == 0, 0, 255).astype("u1")])
            image[small_labels() == 0, :3] = 9, 9, 9
        labels = open_labels(self.picture(tmp_path / "x.png", image, driver), LIKE)
        np.testing.assert_array_equal(labels.values, np.array([0, 3, 2, 1])[small_labels()])
        assert labels.table.colours == ((0, 0, 255), (0, 255, 0), (255, 0, 0))
        assert labels.notes == (
            "classes by colour: #000000 is 0 (unlabelled) (17 pixels), #0000ff is 1 (21 pixels), "
            "#00ff00 is 2 (14 pixels), #ff0000 is 3 (25 pixels)",
        )

    def test_colours_without_black_are_all_classes(self, tmp_path):
        image = np.array([(255, 255, 255), (250, 0, 0)], "u1")[small_labels() % 2]
        labels = open_labels(self.picture(tmp_path / "x.png", image), LIKE)
        assert labels.labelled.all() and "#fa0000 is 1" in labels.notes[0] and "#ffffff is 2" in labels.notes[0]

    def test_layers_of_zeros_and_ones_are_no_colours(self, tmp_path):
        layers = np.stack([small_labels() == i for i in (1, 2, 3)], axis=2).astype("u1")
        np.testing.assert_array_equal(
            open_labels(self.picture(tmp_path / "x.png", layers), LIKE).values, small_labels()
        )

    def test_a_photograph(self, tmp_path):
        path = self.picture(tmp_path / "x.png", np.random.default_rng(0).integers(0, 255, (11, 7, 3)).astype("u1"))
        refuse_labels(path, LIKE, "has 77 colours, and at most 64", "photograph")

    @pytest.mark.parametrize("driver", ["JPEG", "GTiff"])
    @pytest.mark.parametrize("grey", [True, False])
    def test_lossy_compression(self, driver, grey, tmp_path):
        options = {"compress": "jpeg", "photometric": "MINISBLACK" if grey else "YCbCr"} if driver == "GTiff" else {}
        values = small_labels() if grey else RED_TO_BLUE[small_labels()]
        path = self.picture(tmp_path / "x.jpg", values, driver, **options)
        refuse_labels(path, LIKE, "compressed with loss", "PNG or GeoTIFF")

    def test_a_world_file_is_the_place(self, tmp_path):
        path = self.picture(tmp_path / "x.png", small_labels())
        path.with_suffix(".pgw").write_text("30\n0\n0\n-30\n500015\n3999985\n")
        here = open_scene(tiff(tmp_path / "here.tif", small_cube(), **UTM))
        np.testing.assert_array_equal(open_labels(path, here).values, small_labels())
        east = NORTH_UP @ rasterio.Affine.translation(1, 0)
        there = open_scene(tiff(tmp_path / "there.tif", small_cube(), crs="EPSG:32633", transform=east))
        refuse_labels(path, there, "corner")

    def test_one_next_to_the_scene_is_found_but_labels_of_another_format_come_first(self, tmp_path):
        scene = open_scene(tiff(tmp_path / "field.tif", small_cube()))
        self.picture(tmp_path / "field_gt.png", small_labels())
        (tmp_path / "field_gt.pgw").write_text("1\n0\n0\n-1\n0\n0\n")
        assert open_labels(None, scene).source.name == "field_gt.png"
        npy(tmp_path / "field_gt.npy", small_labels())
        assert open_labels(None, scene).source.name == "field_gt.npy"


@pytest.fixture
def virtual(tmp_path):
    """A virtual raster of ``cube.tif``, in a folder of its own."""
    folder = tmp_path / "inside"
    folder.mkdir()
    rasterio.shutil.copy(tiff(folder / "cube.tif", small_cube(), **UTM), folder / "cube.vrt", driver="VRT")
    return folder / "cube.vrt"


class TestVirtual:
    def test_of_rasters_in_its_folder(self, virtual):
        np.testing.assert_array_equal(open_scene(virtual).read(), small_cube())

    def test_of_an_envi_file(self, tmp_path):
        source = envi(tmp_path / "cube.hdr", small_cube()).with_suffix(".img")
        rasterio.shutil.copy(source, tmp_path / "cube.vrt", driver="VRT")
        np.testing.assert_array_equal(open_scene(tmp_path / "cube.vrt").read(), small_cube())

    @pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "/vsicurl/http://127.0.0.1:9/a.tif", "\0", ""])
    def test_sources_lie_in_its_folder(self, name, virtual, tmp_path):
        tiff(tmp_path / "secret.tif", small_cube(), **UTM)
        text = virtual.read_text().replace("cube.tif", name)
        virtual.write_text(text.replace(str(virtual.parent), "") if name.startswith("/") else text)
        refuse_scene(virtual)

    def test_of_itself(self, virtual):
        refuse_scene(edit(virtual, "cube.tif", "cube.vrt"), "of itself")

    def test_a_link_in_the_folder_leads_nowhere_else(self, virtual, tmp_path):
        source = virtual.with_suffix(".tif").rename(tmp_path / "cube.tif")
        virtual.with_suffix(".tif").symlink_to(source)
        refuse_scene(virtual, "outside its folder")

    def test_a_band_of_very_many_digits(self, virtual):
        refuse_scene(edit(virtual, "<SourceBand>1<", f"<SourceBand>{'1' * 5000}<"))

    def test_of_no_raster(self, virtual):
        virtual.with_suffix(".tif").write_text("text")
        refuse_scene(virtual, "no raster")

    def test_of_a_virtual_raster_without_bands(self, virtual):
        virtual.with_suffix(".tif").write_text('<VRTDataset rasterXSize="7" rasterYSize="11"/>')
        refuse_scene(virtual, "cube.vrt")

    @pytest.mark.parametrize("kind", ["VRTRawRasterBand", "VRTDerivedRasterBand"])
    def test_that_runs_programs_or_reads_raw_bytes(self, kind, virtual):
        band = '<VRTRasterBand dataType="UInt16" band="1"'
        refuse_scene(edit(virtual, band, f'{band} subClass="{kind}"'), kind, "gdal_translate")

    def test_that_declares_too_much(self, virtual):
        size = f'rasterXSize="{HUGE}" rasterYSize="{HUGE}"'
        refuse_scene(edit(virtual, 'rasterXSize="7" rasterYSize="11"', size), "cannot hold it")


class TestRemote:
    def test_a_geotiff_over_http_is_the_file(self, served):
        folder, address = served
        address = f"/vsicurl/{address}"
        cube = small_cube(shape=(70, 30, 5))
        near, far = open_scene(tiff(folder / "scene.tif", cube, **UTM)), open_scene(Path(f"{address}/scene.tif"))
        assert (far.shape, far.dtype, far.georeference) == (near.shape, near.dtype, near.georeference)
        block = Block(11, 3, 40, 20)
        assert np.array_equal(far.read(block), cube[block.slices])

    @pytest.mark.parametrize(
        ("name", "text"),
        [("none.tif", None), ("text.tif", "no raster"), ("virtual.tif", '<VRTDataset rasterXSize="4"></VRTDataset>')],
    )
    def test_what_is_missing_or_no_raster(self, name, text, served):
        folder, address = served
        address = f"/vsicurl/{address}"
        if text:
            (folder / name).write_text(text)
        with pytest.raises(SceneFileError, match=rf"{name}: cannot be read as a GeoTIFF or JPEG 2000"):
            open_scene(f"{address}/{name}")

    def test_a_variable_is_refused(self):
        with pytest.raises(UsageError, match="leave variable=cube out"):
            open_scene("/vsis3/bucket/scene.tif", "cube")

    @pytest.mark.parametrize("name", ["/vsicurl/https://host/a/b.tif", "/vsis3/bucket/scene.tif"])
    def test_names_survive_being_paths(self, name):
        assert is_remote(Path(name)) and remote_name(Path(name)) == name

    @pytest.mark.parametrize("name", ["scene.tif", "/data/vsicurl/scene.tif", "/vsizip/scene.zip/scene.tif"])
    def test_other_paths_are_files(self, name):
        assert not is_remote(Path(name))
