"""Files of every format, written by the libraries that others write them with, for readers to read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
import scipy.io
import spectral.io.envi

NORTH_UP = rasterio.Affine(30, 0, 500_000, 0, -30, 4_000_000)
UTM = {"crs": "EPSG:32633", "transform": NORTH_UP}
MAP_INFO = ["UTM", "1", "1", "500000", "4000000", "30", "30", "33", "North", "WGS-84"]  # the same in ENVI's form


def small_cube(dtype: Any = np.uint16, shape: tuple[int, int, int] = (11, 7, 5)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 120, shape).astype(dtype)


def small_labels(dtype: Any = np.uint8, shape: tuple[int, int] = (11, 7)) -> np.ndarray:
    values = np.random.default_rng(1).integers(0, 4, shape).astype(dtype)
    values.flat[:4] = [0, 1, 2, 3]
    return values


def mat(path: Path, **variables: Any) -> Path:
    scipy.io.savemat(path, variables, do_compression=True)
    return path


def mat73(path: Path, **variables: np.ndarray) -> Path:
    """As MATLAB writes it: axes in reverse, behind a user block that names the version."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            file.create_dataset(name, data=values.T, chunks=True, compression="gzip")
            file[name].attrs["MATLAB_class"] = np.bytes_("double" if values.dtype == "f8" else values.dtype.name)
        file.create_group("#refs#").create_dataset("a", data=np.zeros((3, 4, 5)))
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def envi(
    path: Path, cube: np.ndarray, interleave: str = "bsq", byte_order: int = 0, offset: int = 0, **fields: Any
) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts = {"dtype": cube.dtype, "interleave": interleave, "byteorder": byte_order, "metadata": fields}
        spectral.io.envi.save_image(str(path), cube, force=True, **facts)
    if offset:
        data = path.with_suffix(".img")
        data.write_bytes(b"\x07" * offset + data.read_bytes())
        edit(path, "header offset = 0", f"header offset = {offset}")
    return path


def edit(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    raw = path.read_bytes()
    assert old in raw and len(old) == len(new)
    path.write_bytes(raw.replace(old, new))
    return path


def tiff(path: Path, cube: np.ndarray, **profile: Any) -> Path:
    """``(H, W)`` or ``(H, W, B)``."""
    cube = cube if cube.ndim == 3 else cube[:, :, None]
    height, width, bands = cube.shape
    size = {"height": height, "width": width, "count": bands, "dtype": cube.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **size, **profile) as file:
            file.write(np.moveaxis(cube, -1, 0))
    return path


def npy(path: Path, cube: np.ndarray) -> Path:
    np.save(path, cube)
    return path


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)
    return path


CUBE_MAKERS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "mat": lambda folder, cube: mat(folder / "cube.mat", cube=cube),
    "mat73": lambda folder, cube: mat73(folder / "cube73.mat", cube=cube),
    "npy": lambda folder, cube: npy(folder / "cube.npy", cube),
    "npy-fortran": lambda folder, cube: npy(folder / "fortran.npy", np.asfortranarray(cube)),
    "npz": lambda folder, cube: npz(folder / "cube.npz", cube=cube),
    "envi-bsq": lambda folder, cube: envi(folder / "bsq.hdr", cube, "bsq"),
    "envi-bil-big": lambda folder, cube: envi(folder / "bil.hdr", cube, "bil", byte_order=1),
    "envi-bip-offset": lambda folder, cube: envi(folder / "bip.hdr", cube, "bip", offset=13),
    "tiff": lambda folder, cube: tiff(folder / "cube.tif", cube),
    "tiff-tiled": lambda folder, cube: tiff(
        folder / "tiled.tif", cube, tiled=True, blockxsize=16, blockysize=16, compress="deflate", interleave="pixel"
    ),
}
