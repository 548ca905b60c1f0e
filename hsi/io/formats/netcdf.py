"""NetCDF and HDF5 files that are no known product: their arrays as GDAL lists them, one selected by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hsi.core.scene import Scene
from hsi.errors import SceneFileError
from hsi.io.formats._hdf5 import check_arrays, is_hdf5
from hsi.io.formats._product import common_dtype, open_dataset, raster_labels, raster_scene
from hsi.io.reader import ArrayInfo, LabelContent, Reader, array_kind, first_bytes, register_reader, wrong_format

TITLE = "a NetCDF or HDF5 file"
CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
MOST_ARRAYS = 500


@register_reader("subdatasets")
class SubdatasetReader(Reader):
    """An array of three axes is a cube whose first axis is the bands, as GDAL reads it; its name is its path."""

    title = "NetCDF and HDF5"
    suffixes = (".nc", ".nc4", ".h5", ".hdf5", ".he5")

    def recognises(self, path: Path) -> bool:
        """Whether it starts as HDF5 or classic NetCDF does; ``.mat`` files are MATLAB's."""
        return path.suffix.lower() != ".mat" and (is_hdf5(path) or first_bytes(path, 4) in CLASSIC)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """Every array that GDAL lists, not loaded; raises :class:`SceneFileError` for one that declares too much."""
        import h5py

        if first_bytes(path, 4) in CLASSIC:
            raise SceneFileError(
                f"{path}: is a NetCDF file of the classic format, which is not read: 'nccopy -k nc4 {path.name} "
                "new.nc' converts it"
            )
        if not h5py.is_hdf5(path):
            raise wrong_format(path, TITLE, "an HDF5 signature")
        check_arrays(path)
        arrays = []
        for name in _names(path):
            with _array(path, name) as dataset:
                bands = () if dataset.count == 1 else (dataset.count,)
                kind = array_kind(common_dtype(dataset))
                arrays.append(ArrayInfo(name, (dataset.height, dataset.width, *bands), kind))
        return tuple(arrays)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The named array as a scene, with the georeference that GDAL derives."""
        form = f"{_driver(path)} (bands first)"
        return raster_scene(path, lambda: _array(path, array.name), form, array.name or None)

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The named array as labels."""
        with _array(path, array.name) as dataset:
            return raster_labels(dataset)


def _driver(path: Path) -> str:
    return "netCDF" if path.suffix.lower() in (".nc", ".nc4") else "HDF5"


def _names(path: Path) -> list[str]:
    """The names of the arrays; one empty name where GDAL opens the file as a single raster.

    Raises :class:`SceneFileError` where this GDAL lacks the driver or the file is damaged.
    """
    import rasterio

    driver = _driver(path)
    with rasterio.Env() as environment:
        if driver not in environment.drivers():
            raise SceneFileError(f"{path}: GDAL was built without its {driver} driver; convert the file to GeoTIFF")
    with open_dataset(path, str(path), driver, TITLE, least=0) as dataset:
        parts = [name.split(str(path), 1)[-1].lstrip('":/') for name in dataset.subdatasets]
        return parts[:MOST_ARRAYS] or ([""] if dataset.count else [])


@contextmanager
def _array(path: Path, name: str) -> Iterator[Any]:
    """One array as a rasterio dataset, its rows in stored order unless it has coordinates."""
    import rasterio

    driver = _driver(path)
    if driver == "netCDF":
        part = f'NETCDF:"{path}":/{name}' if name else str(path)
    else:
        driver, part = ("HDF5Image", f'HDF5:"{path}"://{name}') if name else (driver, str(path))
    with open_dataset(path, part, driver, TITLE) as dataset:
        reversed_rows = driver == "netCDF" and dataset.transform.is_identity
        if not reversed_rows:
            yield dataset
    if reversed_rows:  # GDAL takes rows without coordinates to be stored bottom up
        with rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"), open_dataset(path, part, driver, TITLE) as dataset:
            yield dataset
