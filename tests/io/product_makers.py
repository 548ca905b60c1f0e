"""Small files with the documented structure of each product, written with h5py and rasterio as the agencies' are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import rasterio

from tests.io.file_makers import NORTH_UP, tiff

WGS84 = rasterio.crs.CRS.from_epsg(4326).to_wkt()
UTM33 = rasterio.crs.CRS.from_epsg(32633).to_wkt()
PLACE = {"crs": "EPSG:32633", "transform": NORTH_UP}


@dataclass(frozen=True)
class Product:
    """A written product: what to open, and the cube ``(H, W, B)`` float32 that a reader must find in it."""

    path: Path
    expected: np.ndarray


def stored_numbers(shape: tuple[int, int, int] = (13, 9, 12), low: int = 1, high: int = 9000) -> np.ndarray:
    return np.random.default_rng(5).integers(low, high, shape)


def enmap(folder: Path, stored: np.ndarray | None = None, gain: float = 0.0001) -> Product:
    """``level_X/specific/bandCharacterisation/bandID``; the image is int16 with -32768 for no data."""
    stored = (stored_numbers() if stored is None else stored).astype(np.int16)
    stored[0, 0] = -32768
    stem = folder / "ENMAP01-____L2A-DT0000001867_20220724T104526Z_008_V010302_20230628T165614Z"
    root = ElementTree.Element("level_X")
    ElementTree.SubElement(ElementTree.SubElement(root, "base"), "level").text = "L2A"
    specific = ElementTree.SubElement(root, "specific")
    ElementTree.SubElement(specific, "backgroundValue").text = "-32768"
    bands = ElementTree.SubElement(specific, "bandCharacterisation")
    for i in range(stored.shape[2]):
        band = ElementTree.SubElement(bands, "bandID", number=str(i + 1))
        facts = {"wavelengthCenterOfBand": 420 + 10.5 * i, "FWHMOfBand": 6.5, "GainOfBand": gain, "OffsetOfBand": 0}
        for tag, value in facts.items():
            ElementTree.SubElement(band, tag).text = str(value)
    ElementTree.ElementTree(root).write(f"{stem}-METADATA.XML", encoding="utf-8", xml_declaration=True)
    path = tiff(Path(f"{stem}-SPECTRAL_IMAGE.TIF"), stored, nodata=-32768, **PLACE)
    return Product(path, scaled(stored, gain, -32768))


def desis(folder: Path, stored: np.ndarray | None = None) -> Product:
    """``hsi_doc/specific/bandCharacterisation/band``; other ``band`` elements lie elsewhere in the document."""
    stored = (stored_numbers() if stored is None else stored).astype(np.int16)
    stored[0, 0] = -32768
    stem = folder / "DESIS-HSI-L2A-DT1203190212_025-20191203T021128-V0210"
    root = ElementTree.Element("hsi_doc")
    specific = ElementTree.SubElement(root, "specific")
    ElementTree.SubElement(ElementTree.SubElement(specific, "interiorOrientation"), "band")
    bands = ElementTree.SubElement(specific, "bandCharacterisation")
    for i in range(stored.shape[2]):
        band = ElementTree.SubElement(bands, "band")
        facts = {
            "bandNumber": i + 1,
            "wavelengthCenterOfBand": 401.9 + 2.55 * i,
            "wavelengthWidthOfBand": 3.5,
            "gainOfBand": 0.0001,
            "offsetOfBand": 0,
        }
        for tag, value in facts.items():
            ElementTree.SubElement(band, tag).text = str(value)
    ElementTree.ElementTree(root).write(f"{stem}-METADATA.xml", encoding="utf-8", xml_declaration=True)
    path = tiff(Path(f"{stem}-SPECTRAL_IMAGE.tif"), stored, nodata=-32768, interleave="pixel", compress="lzw", **PLACE)
    return Product(path, scaled(stored, 0.0001, -32768))


# falling, as in the product; 0 where a band was not acquired; the spectrometers overlap from 943 to 977 nm
PRISMA_VNIR = (977.4, 966.0, 940.2, 700.1, 406.9, 0.0)
PRISMA_SWIR = (0.0, 2497.1, 1600.3, 1000.5, 962.2, 943.4)


def prisma(folder: Path, stored: np.ndarray | None = None) -> Product:
    """Two cubes (rows, bands, columns) of uint16 and all else in root attributes; corners are centres of pixels."""
    stored = (stored_numbers(high=65536) if stored is None else stored).astype(np.uint16)
    stored[0, 0], stored[1, 1, 3] = 0, 0
    path = folder / "PRS_L2D_STD_20201107101404_20201107101408_0001.he5"
    height, width, _ = stored.shape
    with h5py.File(path, "w") as file:
        for name, wavelengths, bands in (
            ("Vnir", PRISMA_VNIR, stored[:, :, :6]),
            ("Swir", PRISMA_SWIR, stored[:, :, 6:]),
        ):
            where = f"HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{name.upper()}_Cube"
            file[where] = np.moveaxis(bands, 2, 1)
            file.attrs[f"List_Cw_{name}"] = np.array(wavelengths, np.float32)
            file.attrs[f"List_Fwhm_{name}"] = np.array([11.0 if value else 0 for value in wavelengths], np.float32)
        file.attrs["L2ScaleVnirMin"], file.attrs["L2ScaleVnirMax"] = np.float32(0), np.float32(1.3)
        file.attrs["L2ScaleSwirMin"], file.attrs["L2ScaleSwirMax"] = np.float32(0.1), np.float32(0.9)
        file.attrs["Epsg_Code"] = np.uint64(32633)
        file.attrs["Product_ULcorner_easting"] = np.float64(500_015)
        file.attrs["Product_ULcorner_northing"] = np.float64(3_999_985)
        file.attrs["Product_LRcorner_easting"] = np.float64(500_015 + 30 * (width - 1))
        file.attrs["Product_LRcorner_northing"] = np.float64(3_999_985 - 30 * (height - 1))
    vnir = stored[:, :, :6] / 65535 * np.float32(1.3)
    swir = np.float32(0.1) + stored[:, :, 6:] / 65535 * (np.float32(0.9) - np.float32(0.1))
    joined = np.concatenate([vnir, swir], axis=2)
    wavelengths = np.array(PRISMA_VNIR + PRISMA_SWIR)
    order = [band for band in np.argsort(wavelengths) if wavelengths[band] > 0]
    expected = joined[:, :, order].astype(np.float32)
    expected[0, 0] = np.nan
    return Product(path, expected)


def emit(folder: Path, *, gridded: bool = True, glt_offset: int = 0, chunks: bool = True) -> Product:
    """A swath of 10 x 8 pixels that a turned grid of 13 x 12 looks up; interpolated pointers are negative."""
    swath = np.random.default_rng(2).random((10, 8, 12), np.float32)
    swath[3, 3] = -9999
    swath[:, :, 7] = -0.01
    glt_x, glt_y = emit_lookup((13, 12), swath.shape[:2])
    path = folder / "EMIT_L2A_RFL_001_20230316T045133_2307503_005.nc"
    with h5py.File(path, "w") as file:
        stored = {"chunks": (4, 3, 5), "compression": "gzip"} if chunks else {}
        cube = file.create_dataset("reflectance", data=swath, fillvalue=np.float32(-9999), **stored)
        cube.attrs["_FillValue"] = np.float32([-9999])
        file["sensor_band_parameters/wavelengths"] = np.linspace(381, 2493, 12, dtype=np.float32)
        file["sensor_band_parameters/fwhm"] = np.full(12, 8.5, np.float32)
        file["sensor_band_parameters/good_wavelengths"] = np.array([1] * 7 + [0] + [1] * 4, np.uint8)
        file["location/lat"] = np.zeros(swath.shape[:2])
        if gridded:
            file.create_dataset("location/glt_x", data=glt_x + glt_offset, compression="gzip")
            file["location/glt_y"] = glt_y
        file.attrs["geotransform"] = np.array([-115.9, 0.000542, -0.0, 33.4, -0.0, -0.000542])
        file.attrs["spatial_ref"] = WGS84
    return Product(path, emit_grid(swath, glt_x, glt_y) if gridded else swath)


def emit_lookup(grid: tuple[int, int], swath: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.indices(grid)
    x = np.rint(0.6 * columns - 0.5 * rows + 4).astype(np.int32)
    y = np.rint(0.5 * columns + 0.6 * rows - 1).astype(np.int32)
    inside = (x >= 1) & (x <= swath[1]) & (y >= 1) & (y <= swath[0])
    sign = np.where((rows + columns) % 5 == 0, -1, 1)
    return (np.where(inside, x * sign, 0).astype(np.int32), np.where(inside, y * sign, 0).astype(np.int32))


def emit_grid(swath: np.ndarray, glt_x: np.ndarray, glt_y: np.ndarray) -> np.ndarray:
    """The grid by one look-up at a time."""
    grid = np.full((*glt_x.shape, swath.shape[2]), -9999, np.float32)
    for row, column in np.ndindex(glt_x.shape):
        if glt_x[row, column] != 0:
            grid[row, column] = swath[abs(glt_y[row, column]) - 1, abs(glt_x[row, column]) - 1]
    return grid


def neon(folder: Path, stored: np.ndarray | None = None) -> Product:
    """``SITE/Reflectance`` with (rows, columns, bands) of int16."""
    stored = (stored_numbers() if stored is None else stored).astype(np.int16)
    stored[0, 0] = -9999
    path = folder / "NEON_D02_SERC_DP3_368000_4306000_reflectance.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("SERC/Reflectance")
        group.attrs["Band_Window_1_Nanometers"] = np.array([1340, 1445])
        group.attrs["Band_Window_2_Nanometers"] = np.array([1790, 1955])
        cube = group.create_dataset("Reflectance_Data", data=stored, chunks=(4, 4, 12), compression="gzip")
        cube.attrs["Scale_Factor"], cube.attrs["Data_Ignore_Value"] = 10000.0, -9999.0
        group["Metadata/Spectral_Data/Wavelength"] = np.linspace(383, 2512, stored.shape[2])
        group["Metadata/Spectral_Data/FWHM"] = np.full(stored.shape[2], 5.9)
        place = group.create_group("Metadata/Coordinate_System")
        place["Map_Info"] = np.bytes_(
            "UTM,  1.000,  1.000,  368000.00,  4307000.0,  1.0000000,  1.0000000,  18,  North,  WGS-84,  units=Meters"
        )
        place["EPSG Code"] = np.bytes_("32618")
    return Product(path, scaled(stored, 0.0001, -9999))


def aviris_ng(folder: Path) -> Product:
    """Group ``reflectance`` with (wavelength, northing, easting) of float32."""
    values = np.random.default_rng(3).random((13, 9, 12), np.float32)
    values[0, 0] = -9999
    path = folder / "ang20231022t092801_000_L2A_OE_0b4f48b4_RFL_ORT.nc"
    with h5py.File(path, "w") as file:
        cube = file.create_dataset("reflectance/reflectance", data=np.moveaxis(values, 2, 0))
        cube.attrs["_FillValue"] = np.float32(-9999)
        file["reflectance/wavelength"] = np.linspace(377, 2500, 12, dtype=np.float32)
        file["reflectance/fwhm"] = np.full(12, 5.5, np.float32)
        file["easting"] = 500_015 + 30.0 * np.arange(9)
        file["northing"] = 3_999_985 - 30.0 * np.arange(13)
        file.create_dataset("transverse_mercator", data=b"").attrs["spatial_ref"] = UTM33
    return Product(path, values)


def aviris(folder: Path, instrument: str = "AV3", rotated: bool = False) -> Product:
    """AVIRIS-3 and -5: the layout of AVIRIS-NG, with GDAL's transform; a corner has no data."""
    values = np.random.default_rng(4).random((11, 9, 12), np.float32)
    values[0, 0] = -9999
    path = folder / f"{instrument}20250801t165910_005_L2A_OE_da8b3ef7_RFL_ORT.nc"
    place = NORTH_UP @ rasterio.Affine.rotation(13) if rotated else NORTH_UP
    with h5py.File(path, "w") as file:
        cube = file.create_dataset("reflectance/reflectance", data=np.moveaxis(values, 2, 0), compression="gzip")
        cube.attrs["_FillValue"] = np.float32([-9999])
        cube.attrs["grid_mapping"] = "transverse_mercator"
        file["reflectance/wavelength"] = np.linspace(390, 2500, 12, dtype=np.float32)
        file["reflectance/fwhm"] = np.full(12, 7.5, np.float32)
        file["easting"] = 500_000 + 30.0 * np.arange(9)
        file["northing"] = 4_000_000 - 30.0 * np.arange(11)
        mapping = file.create_dataset("transverse_mercator", data=b"")
        mapping.attrs["spatial_ref"] = mapping.attrs["crs_wkt"] = UTM33
        mapping.attrs["GeoTransform"] = " ".join(map(repr, place.to_gdal()))
    return Product(path, values)


TANAGER_METADATA = """GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="HYP"
\t\tXDim=9
\t\tYDim=13
\t\tUpperLeftPointMtrs=(500000.000000,4000000.000000)
\t\tLowerRightMtrs=(500270.000000,3999610.000000)
\t\tProjection=HE5_GCTP_UTM
\t\tZoneCode=33
\t\tPixelRegistration=HE5_HDFE_CORNER
\t\tGridOrigin=HE5_HDFE_GD_UL
"""


def tanager(folder: Path, *, ortho: bool = True, cube: str = "surface_reflectance") -> Product:
    """(bands, rows, columns) of float32 with wavelengths as attributes; the corner outside the strip has numbers."""
    values = np.random.default_rng(6).random((13, 9, 12), np.float32)
    values[1, 1] = -9999
    group = f"HDFEOS/{'GRIDS' if ortho else 'SWATHS'}/HYP"
    kind = f"{'ortho' if ortho else 'basic'}_{'sr' if cube == 'surface_reflectance' else 'radiance'}"
    path = folder / f"20250423_134021_00_4001_{kind}_hdf5.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(f"{group}/Data Fields/{cube}", data=np.moveaxis(values, 2, 0), chunks=(4, 5, 5))
        data.attrs["_FillValue"] = np.float32(-9999)
        data.attrs["wavelengths"] = np.linspace(376.4, 2499.1, 12)
        data.attrs["fwhm"] = np.full(12, 5.6)
        if cube == "surface_reflectance":
            data.attrs["good_wavelengths"] = np.array([1] * 5 + [0] + [1] * 6)
        void = np.zeros(values.shape[:2], np.uint8)
        void[0, 0] = 1
        file[f"{group}/Data Fields/nodata_pixels"] = void
        file[f"{group}/Data Fields/beta_cloud_mask"] = 1 - void
        if ortho:
            file[group].attrs["epsg_code"] = np.int64(32633)
            file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(TANAGER_METADATA)
    expected = values.copy()
    expected[0, 0] = -9999
    return Product(path, expected)


HYPERION_BANDS = (7, 57, 77, 100)  # 7 is not calibrated, 57 and 77 overlap


def hyperion(folder: Path) -> Product:
    """A GeoTIFF of int16 for each band, 0 for no data, and the text file with the factors."""
    stored = stored_numbers()[:, :, :4].astype(np.int16)
    stored[0, 0] = 0
    stem = "EO1H1950242005001110KZ"
    for position, number in enumerate(HYPERION_BANDS):
        tiff(folder / f"{stem}_B{number:03}_L1T.TIF", stored[:, :, position], **PLACE)
    path = folder / f"{stem}_MTL_L1T.TXT"
    factors = "SCALING_FACTOR_VNIR = 40.0\n    SCALING_FACTOR_SWIR = 80.0"
    path.write_text(f"GROUP = L1\n  GROUP = RADIANCE_SCALING\n    {factors}\n  END_GROUP = RADIANCE_SCALING\nEND\n")
    order = [2, 1, 3]  # calibrated, by rising wavelength
    divisors = np.array([40 if number <= 70 else 80 for number in HYPERION_BANDS])
    expected = (stored / divisors).astype(np.float32)[:, :, order]
    expected[0, 0] = np.nan
    return Product(path, expected)


def wyvern(folder: Path, scale: float | None = 0.0001) -> Product:
    """L2A: uint16 with 65535 for no data; the scale is only in the STAC item, whose wavelengths are micrometres."""
    stored = stored_numbers().astype(np.uint16)
    stored[0, 0] = 65535
    path = folder / "wyvern_dragonette-003_20250319T000402_d5ebab06_l2a.tiff"
    tiff(path, stored, nodata=65535, tiled=True, blockxsize=16, blockysize=16, compress="deflate", **PLACE)
    optical = [
        {"name": f"Band_{i}", "center_wavelength": 0.445 + 0.0385 * i, "full_width_half_max": 0.018} for i in range(12)
    ]
    raster = [{"data_type": "uint16", "nodata": 65535, **({"scale": scale} if scale else {})} for _ in range(12)]
    asset = {"href": f"./{path.name}", "roles": ["data"], "eo:bands": optical, "raster:bands": raster}
    item = {"type": "Feature", "stac_version": "1.0.0", "properties": {"processing:level": "L2A"}}
    path.with_suffix(".json").write_text(json.dumps({**item, "assets": {"Cloud optimized GeoTiff": asset}}))
    return Product(path, scaled(stored, 0.0001, 65535))


def pace(folder: Path, *, packed: bool = False) -> Product:
    """A swath of float32 ``rhos``, or of packed ``Rrs`` with an offset, in three groups."""
    path = folder / f"PACE_OCI.20240701T175112.L2.{'OC_AOP' if packed else 'SFREFL'}.V3_0.nc"
    stored = stored_numbers(low=-9000).astype(np.int16 if packed else np.float32)
    stored = stored if packed else stored / np.float32(10_000)
    fill = -32767
    stored[0, 0] = fill
    with h5py.File(path, "w") as file:
        file.attrs["instrument"] = "OCI"
        cube = file.create_dataset(f"geophysical_data/{'Rrs' if packed else 'rhos'}", data=stored, compression="gzip")
        cube.attrs["_FillValue"] = np.array([fill], stored.dtype)
        if packed:
            cube.attrs["scale_factor"], cube.attrs["add_offset"] = np.float32([2e-6]), np.float32([0.05])
        file["geophysical_data/l2_flags"] = np.zeros(stored.shape[:2], np.int32)
        file["sensor_band_parameters/wavelength_3d"] = np.linspace(351, 719, 12).astype(np.int32)
        if packed:
            file["geophysical_data/wavelength"] = np.linspace(350.4, 718.2, 12, dtype=np.float32)
        for name in ("latitude", "longitude"):
            file[f"navigation_data/{name}"] = np.random.default_rng(8).random(stored.shape[:2], np.float32)
    expected = (stored * np.float32(2e-6) + np.float32(0.05)).astype(np.float32) if packed else stored.copy()
    if packed:
        expected[0, 0] = np.nan
    return Product(path, expected)


def scaled(stored: np.ndarray, gain: float, nodata: float) -> np.ndarray:
    values = (stored * gain).astype(np.float32)
    values[stored == nodata] = np.nan
    return values


PRODUCTS: dict[str, Callable[[Path], Product]] = {
    "enmap": enmap,
    "desis": desis,
    "prisma": prisma,
    "emit": emit,
    "emit-swath": lambda folder: emit(folder, gridded=False),
    "emit-contiguous": lambda folder: emit(folder, chunks=False),
    "neon": neon,
    "aviris": aviris_ng,
    "hyperion": hyperion,
    "pace": pace,
    "tanager": tanager,
    "wyvern": wyvern,
}
