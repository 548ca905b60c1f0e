"""Small valid scenes, labels and splits to be made hostile, by the makers that the other tests use."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
import rasterio.shutil
import scipy.io

from tests.io import file_makers, product_makers
from tests.io.file_makers import NORTH_UP, small_cube, small_labels, tiff

Made = Iterator[tuple[Path, str, str]]
PLACE = {"crs": "EPSG:32633", "transform": NORTH_UP}


def folder_in(root: Path, name: str) -> Path:
    """A new folder."""
    (root / name).mkdir()
    return root / name


def itself(path: Path, kind: str) -> tuple[Path, str, str]:
    """A file that is opened and changed."""
    return path, path.name, kind


def matlab(root: Path) -> Made:
    """Version 5, packed and not, with what is no array beside the cube."""
    cube, truth, path = small_cube(), small_labels(), folder_in(root, "packed") / "cube.mat"
    yield itself(file_makers.mat(path, cube=cube, cube_gt=truth, text="x", cell=np.array([1, "a"], object)), "mat")
    path = folder_in(root, "plain") / "cube.mat"
    scipy.io.savemat(path, {"s": {"a": np.arange(3), "b": np.eye(2)}, "cube": cube, "gt": truth.astype(float)})
    yield itself(path, "start")


def matlab_hdf5(root: Path) -> Made:
    """Version 7.3."""
    path = folder_in(root, "mat73") / "cube.mat"
    yield itself(file_makers.mat73(path, cube=small_cube(), cube_gt=small_labels()), "start")
    yield itself(file_makers.mat73(folder_in(root, "real") / "cube.mat", cube=small_cube(float)), "bytes")


def npy(root: Path) -> Made:
    """One array in either order."""
    yield itself(file_makers.npy(folder_in(root, "c") / "cube.npy", small_cube()), "start")
    yield itself(file_makers.npy(folder_in(root, "f") / "cube.npy", np.asfortranarray(small_cube(">f4"))), "bytes")


def npz(root: Path) -> Made:
    """An archive of two arrays, packed and not."""
    yield itself(file_makers.npz(folder_in(root, "z") / "cube.npz", cube=small_cube(), gt=small_labels()), "zip")
    path = folder_in(root, "plain") / "cube.npz"
    np.savez(path, allow_pickle=False, cube=small_cube())
    yield itself(path, "zip")


def envi(root: Path) -> Made:
    """Headers of a cube with all that is read of one, and of a classification."""
    names = {"class names": ["none", "corn", "oats", "wood"], "class lookup": [0, 0, 0, 9, 9, 9, 1, 2, 3, 4, 5, 6]}
    facts = {
        "wavelength": [400, 500, 600, 700, 800], "fwhm": [5] * 5, "bbl": [1, 1, 0, 1, 1], "wavelength units": "nm",
        "data ignore value": 7, "reflectance scale factor": 100, "description": "{a cube}",
        "map info": ["UTM", 1, 1, 500000, 4000000, 30, 30, 33, "North", "WGS-84"],
    }  # fmt: skip
    for interleave in ("bsq", "bil", "bip"):
        path = file_makers.envi(folder_in(root, interleave) / "cube.hdr", small_cube(), interleave, **facts)
        file_makers.envi(path.with_name("cube_gt.hdr"), small_labels()[:, :, None], **names)
        yield itself(path, "text")
    yield path, "cube_gt.hdr", "text"
    yield path, "cube.img", "bytes"


def geotiff(root: Path) -> Made:
    """Strips and tiles, packed in several ways, with tags."""
    layouts: dict[str, dict[str, Any]] = {
        "plain": {},
        "tiled": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "interleave": "pixel"},
        "lzw": {"compress": "lzw", "predictor": 2, "nodata": 7, **PLACE},
        "big": {"BIGTIFF": "YES", "compress": "packbits"},
    }
    for name, layout in layouts.items():
        path = tiff(folder_in(root, name) / "cube.tif", small_cube(), **layout)
        with rasterio.open(path, "r+") as file:
            for band in file.indexes:
                file.update_tags(band, wavelength=str(400 + band), wavelength_units="nm", fwhm="5", bbl="1")
        yield itself(path, "start")
        yield itself(path, "bytes")


def geotiff_tags(root: Path) -> Made:
    """Tags, and the files next to a GeoTIFF: a place, statistics, overviews and a mask."""
    for name, layout in {
        "strips": {"compress": "lzw"},
        "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    }.items():
        path = tiff(folder_in(root, name) / "cube.tif", small_cube(), **layout)
        yield itself(path, "tiff")
    path = tiff(folder_in(root, "big") / "cube.tif", small_cube(), BIGTIFF="YES", compress="deflate", nodata=7, **PLACE)
    yield itself(path, "tiff")
    folder = folder_in(root, "parts")
    path = tiff(folder / "cube.tif", small_cube(shape=(40, 36, 3)))
    (folder / "cube.tfw").write_text("30\n0\n0\n-30\n500015\n3999985\n")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False, TIFF_USE_OVR=True), rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
        file.write_mask(np.full((40, 36), 255, np.uint8))
        file.update_tags(note="x")
    (folder / "cube.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:32633</SRS><PAMRasterBand band='1'/></PAMDataset>")
    for part in sorted(folder.iterdir()):
        yield path, part.name, "tiff" if part.suffix in (".tif", ".ovr", ".msk") else "text"


def hdf5_structure(root: Path) -> Made:
    """Datasets of HDF5, of NetCDF 4 with dimensions and of MATLAB 7.3, and labels."""
    for path, _, _ in (*hdf5(root), *matlab_hdf5(root)):
        yield itself(path, "hdf5")
    path = folder_in(root, "nc") / "cube.nc"
    with h5py.File(path, "w") as file:
        for name, values in {"y": np.arange(11.0), "x": np.arange(7.0), "wavelength": np.linspace(400, 900, 5)}.items():
            file[name] = values
            file[name].make_scale(name)
        cube = file.create_dataset("reflectance", data=small_cube(np.float32))
        for axis, name in enumerate(("y", "x", "wavelength")):
            cube.dims[axis].attach_scale(file[name])
        cube.attrs["_FillValue"], cube.attrs["grid_mapping"] = np.float32(-9999), "spatial_ref"
        file["spatial_ref"] = 0
        file["spatial_ref"].attrs["crs_wkt"] = rasterio.crs.CRS.from_epsg(32633).to_wkt()
    yield itself(path, "hdf5")


def hdf5_labels(root: Path) -> Made:
    """Labels in HDF5 and NetCDF 4 files."""
    for name, kinds in {"truth.h5": ("hdf5", "start", "bytes"), "truth.nc": ("hdf5", "start")}.items():
        path = folder_in(root, name) / name
        with h5py.File(path, "w") as file:
            file.create_dataset("gt", data=small_labels(), chunks=(4, 4), compression="gzip", shuffle=True)
            file["names"] = np.array(["corn", "oats", "wood"], object)
        for kind in kinds:
            yield itself(path, kind)


def virtual_raster(root: Path) -> Made:
    """A raster made of another one, which its text names."""
    folder = folder_in(root, "vrt")
    rasterio.shutil.copy(tiff(folder / "cube.tif", small_cube(), **PLACE), folder / "cube.vrt", driver="VRT")
    text = (folder / "cube.vrt").read_text().replace(f"{folder}/", "")
    (folder / "cube.vrt").write_text(text)
    yield itself(folder / "cube.vrt", "text")


def other_rasters(root: Path) -> Made:
    """ERDAS Imagine, JPEG 2000, and formats of one file that GDAL opens by their content or suffix."""
    kinds = "HFA img, JP2OpenJPEG jp2, PCIDSK pix, NITF ntf, PNG png, BMP bmp, VICAR vic, ISIS3 cub, SGI sgi, GRIB grb2"
    for driver, suffix in map(str.split, kinds.split(", ")):
        folder = folder_in(root, suffix)
        source = tiff(root / f"{suffix}.tif", small_cube(np.uint8, (16, 16, 3)), **PLACE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rasterio.shutil.copy(source, folder / f"cube.{suffix}", driver=driver)
        yield itself(folder / f"cube.{suffix}", "start")
    for driver, name, changed in (("EHdr", "cube.bil", "cube.hdr"), ("ERS", "cube.ers", "cube.ers")):
        folder = folder_in(root, driver)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rasterio.shutil.copy(root / "img.tif", folder / name, driver=driver)
        yield folder / name, changed, "text"


def hdf5(root: Path) -> Made:
    """Files of no known product: packed, with attributes, and with links."""
    path = folder_in(root, "h5") / "cube.h5"
    with h5py.File(path, "w") as file:
        cube = np.moveaxis(small_cube(np.int16), 2, 0)
        file.create_dataset("a/cube", data=cube, chunks=True, compression="gzip").attrs["_FillValue"] = np.int16(7)
        file["a/gt"] = small_labels()
        file["linked"] = h5py.SoftLink("/a/gt")
    yield itself(path, "start")
    yield itself(path, "bytes")


def hdf5_products(root: Path) -> Made:
    """EMIT with and without a grid, PRISMA, NEON and AVIRIS-NG."""
    for name in ("emit", "emit-swath", "emit-contiguous", "prisma", "neon", "aviris"):
        yield itself(product_makers.PRODUCTS[name](folder_in(root, name)).path, "bytes")


def xml_products(root: Path) -> Made:
    """EnMAP and DESIS: what describes their bands."""
    for name in ("enmap", "desis"):
        image = product_makers.PRODUCTS[name](folder_in(root, name)).path
        metadata = next(path for path in image.parent.iterdir() if path.suffix.lower() == ".xml")
        yield image, metadata.name, "text"


def label_rasters(root: Path) -> Made:
    """Class rasters with names and colours, and labels in other formats."""
    from hsi.core.labels import default_table
    from hsi.core.scene import Georeference
    from hsi.io.geotiff import write_class_map

    table, truth = default_table([1, 2, 3]).renamed({1: "corn <b>", 2: "oats"}), small_labels()
    place = Georeference(rasterio.crs.CRS.from_epsg(32633).to_wkt(), tuple(NORTH_UP)[:6])
    path = folder_in(root, "tif") / "truth.tif"
    ids = np.where(truth > 0, truth, 255)
    write_class_map(path, ids, table, georeference=place, nodata_mask=truth == 0)
    yield itself(path, "start")
    yield path, "truth.tif.aux.xml", "text"
    names = {"class names": ["none", "corn", "oats", "wood"], "class lookup": [0, 0, 0, 9, 9, 9, 1, 2, 3, 4, 5, 6]}
    yield itself(file_makers.envi(folder_in(root, "envi") / "truth.hdr", truth[:, :, None], **names), "text")
    pair = {"TR": truth * (truth == 1), "TE": truth * (truth > 1)}
    yield itself(file_makers.mat(folder_in(root, "pair") / "truth.mat", **pair), "mat")
    image = tiff(root / "image.tif", np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)], "u1")[truth])
    rasterio.shutil.copy(image, folder_in(root, "png") / "truth.png", driver="PNG")
    yield itself(root / "png" / "truth.png", "start")
    yield itself(file_makers.npy(folder_in(root, "real") / "truth.npy", truth.astype(float)), "bytes")
    path = folder_in(root, "old") / "truth.mat"
    scipy.io.savemat(path, {"truth": truth.astype(float), "more": np.eye(3)}, format="4")
    yield itself(path, "bytes")


def _features() -> Any:
    import geopandas
    import shapely

    corners = [(NORTH_UP.c + 30 * column, NORTH_UP.f - 30 * row) for row, column in ((1, 1), (5, 2), (2, 5))]
    shapes = [shapely.Point(corners[0]), shapely.Point(corners[1]).buffer(70), shapely.Polygon(corners)]
    return geopandas.GeoDataFrame({"cover": ["corn", "oats", "corn"]}, geometry=shapes, crs="EPSG:32633")


def geopackage(root: Path) -> Made:
    """A layer of polygons and a point."""
    path = folder_in(root, "gpkg") / "labels.gpkg"
    _features().to_file(path, engine="pyogrio")
    yield itself(path, "bytes")


def geopackage_geometry(root: Path) -> Made:
    """Geometries and what describes them."""
    for path, _, _ in geopackage(root):
        yield itself(path, "gpkg")


def geojson(root: Path) -> Made:
    """A collection of features."""
    path = folder_in(root, "geojson") / "labels.geojson"
    _features().to_file(path, engine="pyogrio")
    yield itself(path, "json")
    yield itself(path, "text")


def shapefile(root: Path) -> Made:
    """Shapes, index, attributes, CRS and encoding."""
    folder = folder_in(root, "shp")
    _features()[1:].to_file(folder / "labels.shp", engine="pyogrio")
    for part in sorted(folder.iterdir()):
        kind = "text" if part.suffix in (".prj", ".cpg") else "bytes"
        yield folder / "labels.shp", part.name, kind


def splits(root: Path) -> Made:
    """A raster of codes, a file with TR and TE, and a mask."""
    codes, shape = small_labels(), (11, 7)
    yield itself(tiff(folder_in(root, "tif") / "split.tif", codes, **PLACE), "start")
    train, test = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    train[:4], test[5:] = 1, 2
    yield itself(file_makers.mat(folder_in(root, "mat") / "split.mat", TR=train, TE=test), "mat")
    yield itself(tiff(folder_in(root, "mask") / "mask.tif", codes, compress="deflate"), "start")
