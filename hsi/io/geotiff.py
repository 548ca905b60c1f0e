"""Maps as GeoTIFF, with what a GIS needs to show them: georeference, colours, class names and nodata value."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import Colour, hex_colour
from hsi.core.files import write_atomically
from hsi.core.georeference import georeference_of, has_no_place
from hsi.core.labels import ClassTable, printable_name
from hsi.core.scene import Block, Georeference
from hsi.errors import LabelError, OutputError, SceneError, SceneFileError

TILE = 256
NAMES_TAG = "CLASS_NAMES"  # metadata item: a JSON object of names by class id
LONGEST_NAMES = 1 << 24  # characters
# name, type and usage of the columns of GDAL's raster attribute tables
RAT_COLUMNS = (("Value", 0, 5), ("Class_name", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
Write = Callable[[Block, NDArray[Any]], None]
# GDAL's formats of one file, or of files next to it; the others run programs, query services or unpack databases
RASTER_DRIVERS = (
    *("AAIGrid", "BIGGIF", "BMP", "BSB", "BT", "BYN", "CEOS", "DOQ1", "DOQ2", "DTED", "EHdr", "ELAS", "ERS", "GFF"),
    *("GIF", "GRASSASCIIGrid", "GRIB", "GS7BG", "GSAG", "GSBG", "GSC", "GTX", "GTiff", "GXF", "HF2", "HFA", "IRIS"),
    *("ISCE", "ISG", "ISIS2", "ISIS3", "JDEM", "JP2OpenJPEG", "JPEG", "KRO", "LAN", "LCP", "NITF", "NTv2"),
    *("NWT_GRC", "NWT_GRD", "PAux", "PCIDSK", "PCRaster", "PDS", "PNG", "PNM", "RMF", "ROI_PAC", "RRASTER", "RST"),
    *("SAGA", "SGI", "SIGDEM", "SRTMHGT", "TGA", "Terragen", "USGSDEM", "VICAR", "WEBP", "XPM", "XYZ", "ZMap"),
)
OTHER_DRIVERS = ("ENVI", "VRT", "netCDF", "HDF5", "HDF5Image")  # whose files have readers of their own


@contextmanager
def gdal_env() -> Iterator[None]:
    """Suppresses rasterio's warning about files without georeference, which are valid here."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def open_by(path: Path, drivers: Sequence[str]) -> Iterator[Any]:
    """A file as a rasterio dataset by the first of GDAL's ``drivers`` that opens it; those that GDAL lacks are skipped.

    Raises rasterio's errors.
    """
    import rasterio
    from rasterio._path import _parse_path
    from rasterio.io import DatasetReader

    with rasterio.Env() as environment, gdal_env():
        known = [driver for driver in drivers if driver in environment.drivers()]
        with DatasetReader(_parse_path(str(path)), driver=known) as dataset:  # rasterio.open takes one driver only
            yield dataset


def _auxiliary_xml(table: ClassTable, nodata: int) -> str:
    """GDAL's "persistent auxiliary metadata": https://gdal.org/en/stable/drivers/raster/gtiff.html"""
    root = Element("PAMDataset")
    band = SubElement(root, "PAMRasterBand", band="1")
    names = dict(zip(table.ids, map(printable_name, table.names), strict=True))
    categories = SubElement(band, "CategoryNames")
    for i in range(table.ids[-1] + 1):  # GDAL looks names up by their position
        SubElement(categories, "Category").text = names.get(i, "no data" if i == nodata else "")
    attributes = SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(RAT_COLUMNS):
        field = SubElement(attributes, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", str(kind)), ("Usage", str(usage))):
            SubElement(field, tag).text = text
    for index, (i, colour) in enumerate(zip(table.ids, table.colours, strict=True)):
        row = SubElement(attributes, "Row", index=str(index))
        for cell in (i, names[i], *colour):
            SubElement(row, "F").text = str(cell)
    return _serialise(root)


def _qgis_style(table: ClassTable) -> str:
    """A QGIS 3 layer style: one colour and label per class."""
    root = Element("qgis", version="3.22.0", styleCategories="Symbology")
    facts = {"type": "paletted", "band": "1", "opacity": "1", "alphaBand": "-1", "nodataColor": ""}
    renderer = SubElement(SubElement(root, "pipe"), "rasterrenderer", facts)
    SubElement(renderer, "rasterTransparency")
    palette = SubElement(renderer, "colorPalette")
    for i, name, colour in zip(table.ids, table.names, table.colours, strict=True):
        entry = {"value": str(i), "label": printable_name(name), "color": hex_colour(colour), "alpha": "255"}
        SubElement(palette, "paletteEntry", entry)
    SubElement(root, "blendMode").text = "0"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + _serialise(root)


def _serialise(root: Element) -> str:
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def names_in_tags(tags: Mapping[str, str]) -> dict[int, str]:
    """Names by class id from the metadata of a map; empty where there are none or another program changed them."""
    text = tags.get(NAMES_TAG, "")
    try:
        names = json.loads(text) if len(text) <= LONGEST_NAMES else {}
        return {int(i): name for i, name in names.items() if isinstance(name, str) and name}
    except (ValueError, AttributeError, RecursionError):
        return {}


def class_dtype(table: ClassTable) -> np.dtype[Any]:
    """uint8 when every id of the table is at most 254, else uint16."""
    return np.dtype(np.uint8 if table.ids[-1] <= 254 else np.uint16)


def nodata_value(table: ClassTable) -> int:
    """The nodata value of a class map: 0, or the largest number of the dtype when 0 is a class."""
    return int(np.iinfo(class_dtype(table)).max) if 0 in table.ids else 0


def side_files(path: Path) -> tuple[Path, Path]:
    """The files of class names and of QGIS's style that belong to a class map."""
    return path.with_name(path.name + ".aux.xml"), path.with_suffix(".qml")


@contextmanager
def class_map_writer(
    path: Path, shape: tuple[int, int], table: ClassTable, *, georeference: Georeference | None, description: str = ""
) -> Iterator[Write]:
    """Write class ids block by block as a paletted GeoTIFF of ``shape`` (H, W), with side files of class names.

    Yields ``write(block, ids)``; pixels without data hold :func:`nodata_value`. The map has no georeference when
    ``georeference`` is None. ``<path>.aux.xml`` has GDAL's category names and raster attribute table, the ``.qml`` file
    QGIS's style; the metadata item :data:`NAMES_TAG` of the GeoTIFF has the names, too, for copies without side files.
    The file gets its name when the context ends without error.

    Raises :class:`LabelError` for an id outside the table, :class:`OutputError` when a file cannot be written.
    """
    path = Path(path)
    nodata = nodata_value(table)
    palette = {0: (0, 0, 0, 0)} | {i: (*colour, 255) for i, colour in zip(table.ids, table.colours, strict=True)}
    palette[nodata] = (0, 0, 0, 0)
    known = [*table.ids, nodata]
    with _new_raster(path, (1, *shape), class_dtype(table), georeference, nodata, [description]) as raster:
        raster.write_colormap(1, palette)
        tag = {i: printable_name(name) for i, name in zip(table.ids, table.names, strict=True)}
        raster.update_tags(**{NAMES_TAG: json.dumps(tag, ensure_ascii=False)})

        def write(block: Block, ids: NDArray[Any]) -> None:
            unknown = np.setdiff1d(ids, known)
            if unknown.size:
                raise LabelError(
                    f"{path}: class ids {unknown[:5].tolist()} are not in the class table {list(table.ids)}"
                )
            raster.write(ids.astype(class_dtype(table)), 1, window=block.slices)

        yield write
    texts = (_auxiliary_xml(table, nodata), _qgis_style(table))
    for side_file, text in zip(side_files(path), texts, strict=True):
        with write_atomically(side_file) as part:
            part.write_text(text, encoding="utf-8")


def write_class_map(
    path: Path,
    ids: NDArray[np.integer[Any]],
    table: ClassTable,
    *,
    georeference: Georeference | None,
    nodata_mask: NDArray[np.bool_] | None,
    description: str = "",
) -> None:
    """Write class ids ``(H, W)``; see :func:`class_map_writer`. Pixels of ``nodata_mask`` have no data."""
    values = ids if nodata_mask is None else np.where(nodata_mask, nodata_value(table), ids)
    height, width = ids.shape
    with class_map_writer(path, (height, width), table, georeference=georeference, description=description) as write:
        write(Block(0, 0, height, width), values)


@contextmanager
def band_writer(
    path: Path,
    shape: tuple[int, int, int],
    dtype: Any,
    *,
    georeference: Georeference | None,
    nodata: float | None = None,
    descriptions: Sequence[str] = (),
) -> Iterator[Write]:
    """Write bands ``shape`` (C, H, W) of float32 or uint8 block by block: yields ``write(block, (C, h, w) array)``.

    Raises :class:`OutputError` for another dtype and when the file cannot be written.
    """
    path, dtype = Path(path), np.dtype(dtype)
    if dtype not in (np.float32, np.uint8):
        raise OutputError(f"{path}: bands are float32 or uint8, found {dtype}")
    with _new_raster(path, shape, dtype, georeference, nodata, descriptions) as raster:
        yield lambda block, values: raster.write(values, window=block.slices)


def write_band(
    path: Path,
    array: NDArray[Any],
    *,
    georeference: Georeference | None,
    nodata: float | None = None,
    description: str = "",
) -> None:
    """Write a float32 or uint8 array ``(H, W)`` as a GeoTIFF of one band.

    Raises :class:`OutputError` for another dtype or number of axes and when the file cannot be written.
    """
    if array.ndim != 2:
        raise OutputError(f"{path}: a band is 2-D and float32 or uint8, found {array.ndim}-D {array.dtype}")
    place: dict[str, Any] = {"georeference": georeference, "nodata": nodata, "descriptions": [description]}
    with band_writer(path, (1, *array.shape), array.dtype, **place) as write:
        write(Block(0, 0, *array.shape), array[None])


def make_cog(path: Path) -> None:
    """Replace a GeoTIFF by a cloud-optimised one (tiles, overviews by the most frequent or mean value).

    Raises :class:`OutputError` when GDAL cannot.
    """
    import rasterio
    import rasterio.shutil
    from rasterio.errors import RasterioError

    with gdal_env(), rasterio.open(path) as raster:
        resampling = "mode" if raster.dtypes[0].startswith("uint") else "average"
    options = {"compress": "deflate", "overview_resampling": resampling, "bigtiff": "if_safer"}
    with write_atomically(path) as part:
        try:
            with gdal_env():
                rasterio.shutil.copy(path, part, driver="COG", **options)
        except RasterioError as error:
            raise OutputError(f"{path}: cannot be made a cloud-optimised GeoTIFF ({error})") from error
        part.with_name(part.name + ".aux.xml").unlink(missing_ok=True)


def read_classes(path: Path, block: Block | None = None) -> NDArray[Any]:
    """The class ids ``(H, W)`` of a map that :func:`class_map_writer` wrote, or those of a block of it ``(h, w)``.

    Raises :class:`SceneFileError` for a file that is missing, damaged or no GeoTIFF.
    """
    with _open_raster(path, "GTiff") as raster:
        ids: NDArray[Any] = raster.read(1, window=block.slices if block else None)
    return ids


def read_georeference(path: Path, shape: tuple[int, int] | None = None) -> Georeference:
    """The CRS and transform of any raster that GDAL reads, which must be ``shape`` (H, W) pixels large if given.

    Raises :class:`SceneFileError` when it cannot be opened, :class:`SceneError` when it has no transform or another
    size.
    """
    with _open_raster(path) as raster:
        (height, width), georeference = raster.shape, georeference_of(raster)
    if georeference is None:
        raise SceneError(f"{path}: has no transform from pixels to map coordinates, so it cannot place the map")
    if shape is not None and (height, width) != tuple(shape):
        raise SceneError(
            f"{path}: is {height} x {width} pixels, the scene is {shape[0]} x {shape[1]} (rows x columns); "
            "the reference must be a raster of the same grid"
        )
    return georeference


@contextmanager
def _open_raster(path: Path, driver: str | None = None) -> Iterator[Any]:
    """A raster to read; raises :class:`SceneFileError` when it cannot be opened."""
    from rasterio.errors import RasterioError

    try:
        with open_by(path, (driver,) if driver else RASTER_DRIVERS + OTHER_DRIVERS) as raster:
            yield raster
    except (RasterioError, UnicodeDecodeError) as error:  # GDAL's messages may quote bytes of a damaged file
        raise SceneFileError(f"{path}: cannot be read as a raster ({error})") from error


@contextmanager
def _new_raster(
    path: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    georeference: Georeference | None,
    nodata: float | None,
    descriptions: Sequence[str],
) -> Iterator[Any]:
    """A new rasterio dataset ``shape`` (bands, H, W) under a temporary name, renamed at the end without error."""
    import rasterio
    from rasterio.errors import RasterioError

    bands, height, width = shape
    size = {"height": height, "width": width, "count": bands, "dtype": dtype.name, "nodata": nodata}
    tiles = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "bigtiff": "if_safer"}
    layout = {**size, **tiles, "compress": "deflate", "predictor": 3 if dtype.kind == "f" else 1}
    layout |= georeference_profile(path, georeference)
    with write_atomically(path) as part:
        try:
            with gdal_env(), rasterio.open(part, "w", driver="GTiff", **layout) as raster:
                for band, description in enumerate(descriptions, start=1):
                    if description:
                        raster.set_band_description(band, description)
                yield raster
        except RasterioError as error:
            reason = str(error).replace(str(part), path.name)
            raise OutputError(f"{path}: cannot be written ({reason})") from error


def georeference_profile(path: Path, georeference: Georeference | None) -> dict[str, Any]:
    """CRS and transform as arguments of rasterio; empty without georeference, which an identity transform is not."""
    import rasterio
    from affine import Affine
    from rasterio.errors import CRSError

    if georeference is None or has_no_place(Affine(*georeference.transform)):
        return {}
    profile: dict[str, Any] = {"transform": Affine(*georeference.transform)}
    if georeference.crs is not None:
        try:
            profile["crs"] = rasterio.crs.CRS.from_user_input(georeference.crs)
        except CRSError as error:
            raise OutputError(f"{path}: the CRS is not understood ({error})") from error
    return profile


def raster_colours(path: Path) -> dict[int, Colour]:
    """The colours by value of a raster's palette; empty where it has no palette or GDAL cannot read it.

    Black is left out, because a palette also has it for values without a colour.
    """
    try:
        with _open_raster(path) as raster:
            return {value: colour for value, colour in read_palette(raster).items() if any(colour)}
    except SceneFileError:
        return {}


def read_palette(raster: Any) -> dict[int, Colour]:
    """The colours by value of the first band of a rasterio dataset; empty without a palette."""
    try:
        palette = raster.colormap(1)
    except ValueError:
        return {}
    return {int(value): (int(red), int(green), int(blue)) for value, (red, green, blue, _) in palette.items()}
