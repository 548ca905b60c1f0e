"""What the readers of data products and rasters share: scaling to reflectance, wavelengths, reading by window."""

from __future__ import annotations

import math
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.events import info, warning
from hsi.core.georeference import explain_no_place, georeference_of
from hsi.core.scene import Block, Georeference, Scene
from hsi.errors import LabelError, SceneError, SceneFileError
from hsi.io.geotiff import RASTER_DRIVERS, gdal_env, open_by
from hsi.io.reader import (
    COPY,
    READERS,
    Array,
    ArrayInfo,
    LabelContent,
    Reader,
    convert_errors,
    first_bytes,
    list_files,
    to_plane,
    wrong_format,
)

# the length of one unit in nanometres; MICRO SIGN and GREEK SMALL LETTER MU both occur
UNITS = {
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1.0),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "micrometer", "micrometre"), 1e3),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e6),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e7),
    **dict.fromkeys(("m", "meter", "metre"), 1e9),
    **dict.fromkeys(("angstrom", "\u00e5ngstr\u00f6m"), 0.1),
}
# the wavelength in nanometres of one wave per unit of length
WAVENUMBERS = {
    **dict.fromkeys(("cm-1", "cm^-1", "cm**-1", "1/cm", "cm\u207b\u00b9", "wavenumber", "reciprocal centimeter"), 1e7),
    **dict.fromkeys(("m-1", "m^-1", "m**-1", "1/m"), 1e9),
}
NO_LENGTHS = ("mixed", "index", "indice", "band", "band number", "channel", "hz", "mhz", "ghz", "thz", "ev")
PLAUSIBLE = ((0.3, 20.0, 1e3), (200.0, 20_000.0, 1.0), (2e-7, 2e-5, 1e9))  # micrometres, nanometres, metres
SHORTEST, LONGEST = 100.0, 1e5  # nanometres
VIRTUAL = "VRT"
DRIVERS = {
    b"II*\x00": "GTiff",
    b"MM\x00*": "GTiff",
    b"II+\x00": "GTiff",
    b"MM\x00+": "GTiff",
    b"EHFA_HEADER_TAG": "HFA",
    b"HEAD74": "LAN",
    b"HEADER": "LAN",
    b"\x00\x00\x00\x0cjP  ": "JP2OpenJPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"GRIB": "GRIB",
    b"NITF0": "NITF",
    b"NSIF0": "NITF",
    b"PCIDSK  ": "PCIDSK",
    b"<VRTDataset": VIRTUAL,
}
# tiles that were never written and constant areas shrink far more than deflate alone
SPARSE_RATIO = 100_000
LARGEST_TEXT = 2**20
REFERRING = (b"/vsi", b"translated")  # the type of an ER Mapper file that GDAL opens with any driver
# where the pixels of uncompressed formats start, or how their header says it
PIXEL_STARTS: dict[str, int | bytes] = {
    **dict.fromkeys(("EHdr", "ERS", "ISCE", "PAux", "ROI_PAC", "RRASTER", "RST", "SAGA"), 0),
    "LAN": 128,
    "PNM": 9,
    "ISIS2": rb"\^QUBE\s*=\s*(\d{1,9})",
    "ISIS3": rb"StartByte\s*=\s*(\d{1,12})",
    "PDS": rb"\^(?:IMAGE|QUBE|SPECTRAL_QUBE)\s*=\s*(\d{1,9})",
    "VICAR": rb"LBLSIZE\s*=\s*(\d{1,9})",
}
LONGEST_END = 4096
PCIDSK_BLOCK = 512
MOST_BLOCKS = 100_000
SAMPLED_ROWS = 16  # to see whether a band holds alpha
ALPHA_SHARE = 0.9  # of its values are 0 or the largest; the others are soft edges


def is_spectral_unit(unit: str | None) -> bool:
    """Whether a unit is one of wavenumbers, or of wavelengths and not of places."""
    name = _known_unit(unit)
    return name in WAVENUMBERS or UNITS.get(name, math.inf) <= UNITS["um"]


def to_nanometres(
    centres: Sequence[float], widths: Sequence[float] = (), unit: str | None = None, width_unit: str | None = None
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Wavelengths and FWHM of bands in nanometres; None for each that is missing or no length (GHz, an index).

    Wavenumbers are converted. Where the unit is unknown, or makes waves that no sensor of land measures, the magnitude
    of the ``centres`` decides: 0.3 to 20 are micrometres and 200 to 20,000 nanometres. Integers that count the bands
    are no wavelengths in any unit. The widths have the unit of the centres unless they have a ``width_unit``.
    """
    name, known = _known_unit(unit), [value for value in centres if value > 0]
    if not known:
        scale = UNITS.get(name) if name == _known_unit(width_unit or unit) else None
        return None, tuple(value * scale for value in widths) or None if scale else None
    if len(centres) > 2 and list(centres) in [list(range(first, first + len(centres))) for first in (0, 1)]:
        return None, None
    if name in WAVENUMBERS:
        one = WAVENUMBERS[name]
        lengths = tuple(one / value if value else 0.0 for value in centres)
        spread = zip(centres, widths, strict=True) if widths else ()
        return lengths, tuple(one * width / value**2 if value else 0.0 for value, width in spread) or None
    scale = UNITS.get(name)
    if name not in NO_LENGTHS and (scale is None or not SHORTEST <= max(known) * scale < LONGEST):
        scale = _scale_by_magnitude(known)
    if scale is None:
        return None, None
    of_widths = UNITS.get(_known_unit(width_unit), scale)
    return tuple(value * scale for value in centres), tuple(value * of_widths for value in widths) or None


def _scale_by_magnitude(centres: Sequence[float]) -> float | None:
    """The length of one unit in nanometres; None where wavelengths of bands are never such numbers."""
    counted = all(float(value).is_integer() for value in centres) and max(centres) <= PLAUSIBLE[0][1]
    fitting = (scale for low, high, scale in PLAUSIBLE if low <= min(centres) and max(centres) <= high)
    return None if counted and len(centres) > 2 else next(fitting, None)


def _known_unit(unit: str | None) -> str:
    """The unit as it is listed here: ``nm`` of ``Wavelength (nm)``, ``micrometer`` of ``Micrometers``; else itself."""
    text = (unit or "").strip().lower()
    names = [text, re.sub(r"[(\[].*", "", text), *re.findall(r"[(\[]([^)\]]*)[)\]]", text)]
    names = [form for name in names for form in (name.strip(), name.strip().removesuffix("s"))]
    return next((name for name in names if name in UNITS or name in WAVENUMBERS or name in NO_LENGTHS), text)


def parse_wavelengths(
    path: Path, bands: int, wavelengths: Sequence[str], fwhm: Sequence[str], unit: str | None
) -> dict[str, tuple[float, ...] | None]:
    """``wavelengths`` and ``fwhm`` of a scene in nanometres, None where the file has none.

    Raises :class:`SceneError` when a list is not as long as the bands or holds what is not a positive number.
    """
    centres = _parse_numbers(path, "wavelength", wavelengths, bands)
    widths = _parse_numbers(path, "fwhm", fwhm, bands)
    converted = to_nanometres(centres, widths, unit)
    if centres and converted[0] is None:
        report_unused(centres, unit)
    return dict(zip(("wavelengths", "fwhm"), converted, strict=True))


def report_unused(centres: Sequence[float], unit: str | None) -> None:
    """Report numbers that are called wavelengths and are none."""
    span = f"{min(centres):g} to {max(centres):g}"
    info("wavelengths", f"not used: {span}, unit {unit or 'not given'}, count the bands or are no lengths")


def parse_good_bands(path: Path, multipliers: Sequence[str], bands: int) -> tuple[bool, ...] | None:
    """Bad-band multipliers (0: bad, 1: good) as truth values; None where the file has none.

    Raises :class:`SceneError` when the list is not as long as the bands or holds what is not a number.
    """
    return tuple(value != 0 for value in _parse_numbers(path, "bbl", multipliers, bands)) or None


def _parse_numbers(path: Path, key: str, texts: Sequence[str], bands: int) -> list[float]:
    if not texts:
        return []
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise SceneError(f"{path}: '{key}' holds what is not a number ({error}); correct or delete it") from error
    if len(values) != bands:
        raise SceneError(f"{path}: '{key}' lists {len(values)} values for {bands} bands; correct or delete it")
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise SceneError(f"{path}: '{key}' holds a negative or infinite value; correct or delete it")
    return values


class ProductReader(Reader):
    """A product with one cube, recognised by its content, whatever the file is called."""

    is_product = True

    def accepts(self, path: Path) -> bool:
        """Only what it recognises: others use the same suffixes."""
        return self.recognises(path)

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one cube."""
        scene = self.open_product(path)
        return (ArrayInfo("", scene.shape, scene.dtype.name),)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The cube, read by window."""
        return self.open_product(path)

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """Raise :class:`LabelError`: a product has no labels."""
        raise LabelError(f"{path}: is {self.title}, which holds no labels; give another file of labels")

    @abstractmethod
    def open_product(self, path: Path) -> Scene:
        """The product's cube as a scene."""


def find_product(path: Path) -> Path:
    """The file to open for ``path``: of a folder that holds one product its image, else the path itself.

    Raises :class:`SceneFileError` when a folder holds several products.
    """
    readers = [reader for _, reader in READERS.items() if reader.is_product]
    entries = [entry for entry in list_files(path).values() if entry.suffix.lower() != ".xml"]
    products = [entry for entry in entries if any(reader.recognises(entry) for reader in readers)]
    if len(products) > 1:
        names = ", ".join(entry.name for entry in products[:5])
        raise SceneFileError(f"{path}: holds {len(products)} products: {names}; name one of them")
    return products[0] if products else path


def grid_of_centres(
    crs: str | None, shape: tuple[int, int], first: tuple[float, float], last: tuple[float, float]
) -> Georeference:
    """The place of a grid ``shape`` (H, W) from the centres (x, y) of its first and last pixel."""
    (height, width), (x, y) = shape, first
    step_x, step_y = (last[0] - x) / (width - 1), (last[1] - y) / (height - 1)
    return Georeference(crs, (step_x, 0.0, x - step_x / 2, 0.0, step_y, y - step_y / 2))


def scale_scene(scene: Scene, gains: Sequence[float], offsets: Sequence[float]) -> Scene:
    """The scene in physical units, ``stored * gain + offset`` as float32, one gain and offset per band of the file, or
    one for all.

    The nodata value is detected before scaling and becomes NaN; a nodata value of 0 counts only in pixels that hold
    it in every band. A scene whose gains are all 1 and offsets all 0 is returned unchanged. Raises
    :class:`SceneFileError` for a gain or offset that is not finite, or a gain of 0.
    """
    gain, offset = np.asarray(gains, np.float64), np.asarray(offsets, np.float64)
    if not (np.all(np.isfinite(gain)) and np.all(np.isfinite(offset)) and np.all(gain != 0)):
        raise SceneFileError(
            f"{scene.source}: its scale factors or offsets are zero or not finite, expected numbers such as 0.0001; "
            "correct them or download the file again"
        )
    if np.all(gain == 1) and np.all(offset == 0):
        return scene
    factor, shift = gain.astype(np.float32), offset.astype(np.float32)

    before = scene.to_units

    def to_units(stored: NDArray[Any], nodata: float | None) -> NDArray[np.float32]:
        values = stored.astype(np.float32) if before is None else before(stored, nodata)
        values *= factor
        values += shift
        if nodata is not None and before is None:
            void = np.isnan(stored) if math.isnan(nodata) else stored == nodata
            values[void.all(axis=2) if nodata == 0 else void] = np.nan
        if offset.any():
            values[~stored.any(axis=2)] = np.nan  # zero in all bands is no data
        return values

    stored = scene if scene.stored is None else scene.stored
    gains = [float(gain[band if gain.size > 1 else 0]) for band in scene.bands]
    return replace(
        scene,
        fetch=lambda block: to_units(stored.fetch(block), stored.nodata),
        dtype=np.dtype(np.float32),
        nodata=None if scene.nodata is None else math.nan,
        scale=tuple(np.multiply(gains, scene.scale or 1).tolist()),
        stored=stored,
        to_units=to_units,
    )


def raster_driver(path: Path) -> str | None:
    """The GDAL driver for the file's first bytes, so that a file cannot ask for any other one."""
    start = first_bytes(path)
    return next((driver for magic, driver in DRIVERS.items() if start.startswith(magic)), None)


def identify_driver(path: Path) -> str | None:
    """The GDAL driver of a file by its first bytes, or the one of :data:`RASTER_DRIVERS` that opens it; else None.

    Files that name others in GDAL's virtual file systems, or leave it to GDAL how to open them, are not opened.
    """
    from rasterio.errors import RasterioError

    if driver := raster_driver(path):
        return driver
    if any(word in first_bytes(path, LARGEST_TEXT).lower() for word in REFERRING):
        return None
    try:
        with open_by(path, RASTER_DRIVERS) as dataset:
            return str(dataset.driver)
    except (RasterioError, ValueError):  # messages of GDAL that quote other bytes than text
        return None


@contextmanager
def open_raster(path: Path) -> Iterator[Any]:
    """The file as a rasterio dataset; raises :class:`SceneFileError` unless it is a raster and lies in one folder."""
    driver = identify_driver(path)
    if driver is None:
        raise wrong_format(path, "a raster", "a TIFF, BigTIFF, JPEG 2000, ERDAS, PNG, NITF, PCIDSK or VRT signature")
    with open_dataset(path, str(path), driver, "a GDAL raster") as dataset:
        if driver != VIRTUAL:  # its sources have been checked
            _check_files(path, dataset)
        yield dataset


def _check_files(path: Path, dataset: Any) -> None:
    """Raise :class:`SceneFileError` for a raster that names files elsewhere, or whose pixels are not all stored."""
    files = [Path(name) for name in dataset.files]
    folders = (path.parent.resolve(), path.resolve().parent)
    for file in files:
        if not any(file.resolve().is_relative_to(folder) for folder in folders) and file != path:
            raise SceneFileError(
                f"{path}: names the file '{str(file)[:80]}', which lies outside its folder: put all its files into one "
                "folder, or make a GeoTIFF of it"
            )
    if dataset.driver == "PNG" and not _ends_with(path, b"IEND"):
        raise SceneFileError(f"{path}: is cut off: its end is missing; {COPY}")
    missing = _missing_pixels(path, dataset, [file for file in files if file.is_file()])
    if missing:
        raise SceneFileError(f"{path}: is cut off: {missing:,} bytes of its pixels are missing; {COPY}")


def _ends_with(path: Path, mark: bytes) -> bool:
    """Whether a mark is near the end of a file."""
    with path.open("rb") as file:
        file.seek(-min(LONGEST_END, path.stat().st_size), os.SEEK_END)
        return mark in file.read()


def _missing_pixels(path: Path, dataset: Any, files: Sequence[Path]) -> int:
    """Bytes of pixels that PCIDSK and uncompressed files lack, which GDAL reads as zeros."""
    driver, tags = dataset.driver, dataset.tags(1, ns="IMAGE_STRUCTURE") | dataset.tags(ns="IMAGE_STRUCTURE")
    if driver == "PCIDSK":
        blocks = first_bytes(path, 32)[16:].strip()
        return max(0, int(blocks) * PCIDSK_BLOCK - path.stat().st_size) if blocks.isdigit() else 0
    if driver not in PIXEL_STARTS or {"NBITS", "COMPRESSION"} & {*tags}:
        return 0
    start, pattern = first_bytes(path, LARGEST_TEXT), PIXEL_STARTS[driver]
    match = re.search(pattern, start) if isinstance(pattern, bytes) else None
    offset = int(match[1]) if match else 0 if isinstance(pattern, bytes) else pattern
    if driver in ("ISIS2", "PDS"):  # counted in records, from 1
        record = re.search(rb"RECORD_BYTES\s*=\s*(\d{1,9})", start)
        offset = (offset - 1) * int(record[1]) if match and record else 0
    sizes = [file.stat().st_size for file in files]
    pixel = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    size: int = dataset.height * dataset.width * pixel
    return max(0, offset + size - max(sizes, default=0))


@contextmanager
def open_dataset(path: Path, name: str, driver: str, title: str, least: int = 1) -> Iterator[Any]:
    """``name`` (the file, or a part of it) as a rasterio dataset of at ``least`` that many bands.

    Only ``driver`` is tried. Raises :class:`SceneFileError` that names ``path``.
    """
    import rasterio
    from rasterio.errors import RasterioError

    with rasterio.Env() as environment:
        if driver not in environment.drivers():
            raise SceneFileError(f"{path}: GDAL was built without its {driver} driver; convert the file to GeoTIFF")
    with convert_errors(path, title), gdal_env(), rasterio.open(name, driver=driver) as dataset:
        if dataset.count < least:
            raise SceneFileError(f"{path}: holds no band, expected a raster; name one of its parts")
        try:
            yield dataset
        except RasterioError as error:
            missing = _missing_bytes(path, dataset)
            if not missing:
                raise
            raise SceneFileError(f"{path}: is cut off: at least {missing:,} bytes are missing; {COPY}") from error


def _missing_bytes(path: Path, dataset: Any) -> int:
    """How far the tiles or strips of a GeoTIFF reach beyond the end of its file."""
    if dataset.driver != "GTiff" or not path.is_file():
        return 0
    last, (rows, columns) = 0, dataset.block_shapes[0]
    across, down = -(-dataset.width // columns), -(-dataset.height // rows)
    for band in dataset.indexes if dataset.interleaving.value == "BAND" else (1,):
        for place in range(min(across * down, MOST_BLOCKS)):
            block = f"{place % across}_{place // across}"
            offset, size = (dataset.get_tag_item(f"BLOCK_{what}_{block}", "TIFF", band) for what in ("OFFSET", "SIZE"))
            last = max(last, int(offset or 0) + int(size or 0))
    return max(0, last - path.stat().st_size)


# opens one raster for as long as a block is read
Opener = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class RasterBands:
    """Which bands of a raster hold data, from 1, and what hides pixels: an ``alpha`` band, or the masks of bands.

    The mask of ``masked`` bands is an internal mask, a ``.msk`` file or one of the driver's, other than nodata values.
    ``mistaken`` is a band that is marked as alpha and is not, where there is no alpha band.
    """

    data: tuple[int, ...]
    alpha: int | None = None
    masked: tuple[int, ...] = ()
    mistaken: int | None = None

    @property
    def hiding(self) -> str:
        """What hides pixels, for a message; empty where nothing does."""
        named = [f"alpha band {self.alpha}"] if self.alpha else []
        return " and ".join([*named, *(["mask"] if self.masked else [])])

    def hidden(self, dataset: Any, window: Any = None) -> NDArray[np.bool_] | None:
        """The hidden pixels ``(h, w)`` of a window of the open raster; None where nothing hides pixels."""
        planes = [dataset.read(self.alpha, window=window)] if self.alpha else []
        planes += [dataset.read_masks(band, window=window) for band in self.masked]
        return np.any([plane == 0 for plane in planes], axis=0) if planes else None


def bands_of(dataset: Any) -> RasterBands:
    """The bands of an open raster by their purpose.

    An alpha band is named by its colour interpretation. GDAL's GeoTIFFs name the second of many bands where the last
    one is meant, and the fourth of any four bands of uint8, so that the values decide: nearly all are 0 or the largest.
    """
    from rasterio.enums import ColorInterp, MaskFlags

    named = [band for band, use in zip(dataset.indexes, dataset.colorinterp, strict=True) if use == ColorInterp.alpha]
    candidates = dict.fromkeys([*named, dataset.count] if named and dataset.count > 1 else [])
    alpha = next((band for band in candidates if _is_opaque_or_clear(dataset, band)), None)
    data = tuple(band for band in dataset.indexes if band != alpha)
    of_bands = dataset.mask_flag_enums  # asked once: rasterio makes the list of all bands each time
    flags = [of_bands[band - 1] for band in data]
    # the mask of an alpha band is that band, and nodata values are compared band by band
    own = [
        band
        for band, flag in zip(data, flags, strict=True)
        if not {MaskFlags.all_valid, MaskFlags.alpha} & {*flag} and flag != [MaskFlags.nodata]
    ]
    masked = tuple(own[:1] if own and MaskFlags.per_dataset in flags[0] else own)
    return RasterBands(data, alpha, masked, named[0] if named and alpha is None and dataset.count > 1 else None)


def _is_opaque_or_clear(dataset: Any, band: int) -> bool:
    """Whether the values of a band are those of an alpha band, judged by some of its rows."""
    rows = np.unique(np.linspace(0, dataset.height - 1, SAMPLED_ROWS).astype(int)).tolist()
    values = np.stack([dataset.read(band, window=((row, row + 1), (0, dataset.width))) for row in rows])
    return bool(np.mean((values == 0) | (values == values.max())) > ALPHA_SHARE)


def raster_scene(path: Path, opener: Opener, form: str, variable: str | None = None, scaled: bool = True) -> Scene:
    """The raster as a scene with wavelengths, nodata value and georeference, read by window.

    The file is opened for each window. Bands have the smallest dtype that holds them all, or are in physical units
    where the raster has GDAL's scale and offset and ``scaled`` is True. Pixels that an alpha band or a mask hides are 0
    in all bands, which is no data. Where bands have different nodata values, values are float and no data is NaN.
    """
    with opener() as dataset:
        bands = bands_of(dataset)
        if bands.mistaken:
            warning(f"{path}: band {bands.mistaken} is marked as alpha and holds other values: it is used as a band")
        stored, height, width = common_dtype(dataset, bands), dataset.height, dataset.width
        facts = _band_facts(path, dataset, bands.data)
        facts |= {"georeference": georeference_of(dataset), "unplaced": explain_no_place(dataset)}
        own = [dataset.nodatavals[band - 1] for band in bands.data]
        gains, offsets = ([values[band - 1] for band in bands.data] for values in (dataset.scales, dataset.offsets))
    one = len({repr(value) for value in own}) == 1
    limits = np.array([np.nan if value is None else value for value in own])
    limits = limits.astype(stored) if stored.kind == "f" else limits  # the float32 of -9999.9 is another number
    dtype = stored if one else np.result_type(stored, np.float32)

    def fetch(block: Block) -> Array:
        from rasterio.windows import Window

        window = Window(block.column, block.row, block.width, block.height)  # type: ignore[call-arg, unused-ignore]
        with opener() as dataset:
            cube: Array = np.moveaxis(dataset.read(bands.data, window=window, out_dtype=stored), 0, -1)
            hidden = bands.hidden(dataset, window)
        if not one:
            void = cube == limits
            void &= (limits != 0) | void.all(axis=2, keepdims=True)  # single zeros are common in absorption bands
            cube = np.where(void, np.asarray(np.nan, dtype), cube.astype(dtype))
        if hidden is not None:
            cube[hidden] = 0
        return cube

    nodata = float("nan") if not one else None if own[0] is None else float(own[0])
    scene = Scene(
        path.stem, path, height, width, tuple(range(len(bands.data))), dtype, fetch,
        variable=variable, format=form, nodata=nodata, hiding=bands.hiding, **facts,
    )  # fmt: skip
    return scale_scene(scene, gains, offsets) if scaled else scene


def raster_labels(dataset: Any, **facts: Any) -> LabelContent:
    """The only data band of a raster as labels, with its nodata value, its georeference and what hides its pixels."""
    bands = bands_of(dataset)
    values = to_plane(np.moveaxis(dataset.read(bands.data), 0, -1))
    nodata = dataset.nodatavals[bands.data[0] - 1]
    place = georeference_of(dataset)
    return LabelContent(
        values, nodata=None if nodata is None else float(nodata), georeference=place, hidden=bands.hidden(dataset),
        **facts,
    )  # fmt: skip


def common_dtype(dataset: Any, bands: RasterBands | None = None) -> np.dtype[Any]:
    """The smallest dtype that holds every band of data."""
    indexes = (bands or bands_of(dataset)).data
    return np.result_type(*{np.dtype(dataset.dtypes[band - 1]) for band in indexes})


def _band_facts(path: Path, dataset: Any, bands: Sequence[int]) -> dict[str, Any]:
    """Wavelengths, FWHM and bad bands from GDAL's IMAGERY domain, each band's tags, or the ENVI domain's lists."""
    plain = [{key.lower(): value for key, value in dataset.tags(band).items()} for band in bands]
    lists = {
        key.lower(): [part.strip() for part in value.strip().strip("{}").split(",")]  # ENVI's {a, b}
        for key, value in dataset.tags(ns="ENVI").items()
    }
    good = parse_good_bands(path, _collect(plain, "bbl") or lists.get("bbl", []), len(bands))
    imagery = [dataset.tags(band, ns="IMAGERY") for band in bands]
    centres, widths, unit = _collect(imagery, "CENTRAL_WAVELENGTH_UM"), _collect(imagery, "FWHM_UM"), "um"
    for key in ("wavelength", "wavelengths", "central_wavelength", "center_wavelength"):
        if not centres:
            centres, widths = _collect(plain, key), _collect(plain, "fwhm")
            units = {tags.get("wavelength_units", tags.get("wavelength_unit", "")) for tags in plain}
            unit = units.pop() if len(units) == 1 else "mixed"
        if not centres:
            centres, widths = lists.get(key, []), lists.get("fwhm", [])
            unit = " ".join(lists.get("wavelength_units", []))
    if not centres:
        return {"good": good}
    return {"good": good, **parse_wavelengths(path, len(bands), centres, widths, unit)}


def _collect(tags: list[dict[str, str]], key: str) -> list[str]:
    """One tag of every band, nothing unless every band has it."""
    return [entry[key] for entry in tags] if all(key in entry for entry in tags) else []
