"""Cubes written block by block as ENVI or GeoTIFF, with the metadata of the scene they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hsi.core.scene import Georeference, Scene
from hsi.errors import OutputError, UsageError
from hsi.io.formats.envi import AXES, inspect_envi, read_bands, read_place
from hsi.io.geotiff import Write, gdal_env, georeference_profile

SUFFIXES = {".hdr": "ENVI", ".tif": "GTiff", ".tiff": "GTiff"}
STRIP = 16  # rows that a GeoTIFF compresses together
GAIN_FIELDS = ("data gain values", "data offset values")
# header fields that describe the file itself, or are wrong for values in physical units
FILE_FIELDS = (
    *("samples", "lines", "bands", "header offset", "file type", "data type", "interleave", "byte order"),
    *("file compression", "reflectance scale factor", *GAIN_FIELDS, "data ignore value"),
)
BAND_FIELDS = ("wavelength", "wavelength units", "fwhm")
PLACE_FIELDS = ("map info", "coordinate system string", "projection info", "geo points", "x start", "y start")


def check_cube_name(path: Path) -> None:
    """Raise :class:`UsageError` unless the suffix is that of a format of cubes."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--out {path}: a cube is ENVI or GeoTIFF: give a name that ends in .hdr or .tif")


def cube_files(path: Path) -> tuple[Path, ...]:
    """The files of a cube that is written to ``path``: for ENVI the header and the data."""
    return (path, path.with_suffix(".img")) if path.suffix.lower() == ".hdr" else (path,)


@contextmanager
def cube_writer(path: Path, scene: Scene, note: str) -> Iterator[Write]:
    """Write a cube of the size, bands and dtype of ``scene``: yields ``write(block, (h, w, B) array)``.

    CRS and transform, wavelengths, FWHM, bad bands and the nodata value are copied, and for an ENVI scene all header
    fields that do not describe the file itself; values in physical units are written as such. ``note`` is added to the
    description. Raises :class:`OutputError` when a file cannot be written, and for a dtype or place that its format
    cannot represent.
    """
    import rasterio
    from rasterio.errors import RasterioError

    _check_format(path, scene)
    data = cube_files(path)[-1]
    extra = data.with_name(data.name + ".aux.xml")
    known = extra.exists()
    try:
        layout = {**_layout(path, scene), **georeference_profile(path, scene.georeference)}
        with gdal_env(), rasterio.open(data, "w", **layout) as raster:
            if path.suffix.lower() != ".hdr":
                _write_tags(raster, scene, note)
            yield lambda block, values: raster.write(np.moveaxis(values, -1, 0), window=block.slices)
    except RasterioError as error:
        raise OutputError(f"{path}: cannot be written ({error})") from error
    if not known:
        extra.unlink(missing_ok=True)  # what GDAL writes repeats the header
    if path.suffix.lower() == ".hdr":
        _complete_header(path, scene, note)


def _check_format(path: Path, scene: Scene) -> None:
    """Raise :class:`OutputError` for what GDAL would write as something else, or not at all."""
    if scene.dtype == np.float16:
        raise OutputError(f"{path}: no cube is float16: save the scene as float32 before")
    if path.suffix.lower() != ".hdr":
        return
    if scene.dtype == np.int8:
        raise OutputError(f"{path}: ENVI has no int8: give a name that ends in .tif")
    place = scene.georeference
    if place is None or (scene.source and scene.format.startswith("ENVI ") and place == _own_place(scene.source)):
        return
    a, b, _, d, e, _ = place.transform
    upright, turned = a > 0 and b == d == 0, np.allclose((a, b), (-e, d), rtol=1e-6, atol=1e-6 * abs(a) + 1e-6 * abs(b))
    if not (upright or turned):
        raise OutputError(f"{path}: ENVI has no place of pixels that are mirrored, sheared or turned and not square: "
                          "give a name that ends in .tif")  # fmt: skip


def _own_place(path: Path) -> Georeference | None:
    return read_place(inspect_envi(path).header)


def _layout(path: Path, scene: Scene) -> dict[str, Any]:
    height, width, bands = scene.shape
    size = {"height": height, "width": width, "count": bands, "dtype": scene.dtype.name, "nodata": _nodata(scene)}
    if path.suffix.lower() == ".hdr":
        interleave = scene.format.removeprefix("ENVI ").lower()
        return {"driver": "ENVI", "interleave": interleave if interleave in AXES else "bsq", **size}
    predictor = 3 if scene.dtype.kind == "f" else 2
    how = {"compress": "deflate", "predictor": predictor, "interleave": "band", "bigtiff": "if_safer"}
    return {"driver": "GTiff", "blockysize": STRIP, **how, **size}


def _nodata(scene: Scene) -> float | None:
    """The nodata value, None where no pixel can have it, such as -9999 in a scene of uint16."""
    from rasterio.dtypes import in_dtype_range

    return scene.nodata if scene.nodata is not None and in_dtype_range(scene.nodata, scene.dtype.name) else None


def _write_tags(raster: Any, scene: Scene, note: str) -> None:
    """Tags in the form that the raster reader parses."""
    raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=note)
    for position in range(len(scene.bands)):
        tags: dict[str, str] = {}
        if scene.wavelengths:
            tags |= {"wavelength": repr(scene.wavelengths[position]), "wavelength_units": "Nanometers"}
            raster.set_band_description(position + 1, f"{scene.wavelengths[position]:g} nm")
        if scene.fwhm:
            tags["fwhm"] = repr(scene.fwhm[position])
        if scene.good:
            tags["bbl"] = str(int(scene.good[position]))
        if tags:
            raster.update_tags(position + 1, **tags)


def _complete_header(path: Path, scene: Scene, note: str) -> None:
    """Add to the header that GDAL wrote the fields that it does not support."""
    from spectral.io import envi

    written: dict[str, Any] = envi.read_envi_header(str(path))
    is_envi = scene.format.startswith("ENVI ")
    known: Mapping[str, Any] = _band_fields(scene)
    own = set(FILE_FIELDS) if scene.scale else set(FILE_FIELDS) - set(GAIN_FIELDS)  # they are for values as stored
    if is_envi and scene.source:
        source = inspect_envi(scene.source)
        place, bands = _own_place(scene.source), read_bands(source.header, source.shape[2])
        if bands["wavelengths"] == scene.wavelengths:
            known = source.fields
        else:  # others were given
            known = {**{key: value for key, value in source.fields.items() if key not in BAND_FIELDS}, **known}
        # a scene that was cropped or placed by another file lies elsewhere; a CRS alone is no place
        own |= set() if place and place == scene.georeference else set(PLACE_FIELDS)
    fields = {**written, **{key: value for key, value in known.items() if key not in own}}
    description = str(known.get("description", scene.name)).strip().rstrip(".")
    fields["description"] = f"{description}. {note}"
    nodata = _nodata(scene)
    if nodata is not None:
        fields["data ignore value"] = repr(nodata)
    envi.write_envi_header(str(path), fields, is_library=False)


def _band_fields(scene: Scene) -> dict[str, Any]:
    """Wavelengths, FWHM and bad bands of a scene as ENVI header fields."""
    fields: dict[str, Any] = {}
    if scene.wavelengths:
        fields |= {"wavelength units": "Nanometers", "wavelength": list(map(repr, scene.wavelengths))}
    if scene.fwhm:
        fields["fwhm"] = list(map(repr, scene.fwhm))
    if scene.good:
        fields["bbl"] = [str(int(good)) for good in scene.good]
    return fields
