"""GeoTIFF and every other raster that GDAL reads, virtual rasters and remote files included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from hsi.core.events import info, warning
from hsi.core.georeference import georeference_of
from hsi.core.scene import Georeference, Scene
from hsi.errors import HsiError, LabelError, SceneFileError
from hsi.io.formats._checks import parse_xml
from hsi.io.formats._envi_header import headers_of, is_envi_header, is_esri_header, read_envi_header
from hsi.io.formats._product import (
    SPARSE_RATIO,
    VIRTUAL,
    Opener,
    bands_of,
    common_dtype,
    identify_driver,
    open_dataset,
    open_raster,
    parse_good_bands,
    parse_wavelengths,
    raster_driver,
    raster_labels,
    raster_scene,
)
from hsi.io.geotiff import gdal_env, names_in_tags, read_palette
from hsi.io.reader import (
    ArrayInfo,
    LabelContent,
    Reader,
    array_kind,
    check_declared_size,
    convert_errors,
    first_bytes,
    list_files,
    register_reader,
)

FORMATS = {"GTiff": "GeoTIFF", "HFA": "ERDAS Imagine", "LAN": "ERDAS LAN", "JP2OpenJPEG": "JPEG 2000"}
FORMATS |= {"EHdr": "ESRI BIL, BIP or BSQ", "ERS": "ER Mapper", "RST": "Idrisi", "PAux": "PCI raw"}
OF_ONE_FILE = ("GTiff", "JP2OpenJPEG", "LAN", VIRTUAL)
ESRI_DATA = (".bil", ".bip", ".bsq", ".flt", ".img", ".raw", ".dat", ".dem", "")
PREFIXES = ("/vsicurl/", "/vsis3/", "/vsigs/", "/vsiaz/")
WEB = ("http:/", "https:/")  # as paths, which lose a slash
SIGNATURE = re.compile(r"\?[^\s']*")
REMOTE_TITLE = "a GeoTIFF or JPEG 2000 behind a network"
ALLOWED_BANDS = (None, "VRTSourcedRasterBand")  # others run programs over their sources or read raw bytes of any file
SOURCE_ELEMENTS = ("SourceFilename", "SourceDataset")
REMEDY = "gdal_translate makes a GeoTIFF of it"
MOST_LEVELS = 2  # of virtual rasters of virtual rasters
LARGEST_SIDE_FILE = 2**20
PAGE = re.compile(r"\((\d+P x \d+L x \d+B)\)")
MOST_COLOURS, LOSSY = 64, "LOSSY"
NAME_USAGE, VALUE_USAGE = ("2",), ("0", "5")


@register_reader("gdal")
class RasterReader(Reader):
    """Bands are read together, a window at a time; the file is opened for each window."""

    title = "GeoTIFF and other GDAL rasters"
    suffixes = (".tif", ".tiff", ".jp2", ".lan", ".vrt")

    def recognises(self, path: Path) -> bool:
        """Whether it starts as rasters of :data:`DRIVERS` do, or belongs to a header of ESRI's."""
        if raster_driver(path) is not None or is_esri_header(path):
            return True
        return path.suffix.lower() in ESRI_DATA and any(is_esri_header(header) for header in headers_of(path))

    def identifies(self, path: Path) -> bool:
        """Whether one of GDAL's other formats opens it."""
        return identify_driver(path) is not None

    def files(self, path: Path) -> tuple[Path, ...]:
        """The file, an ENVI header and a mask of its name, the sources of a virtual raster, and what GDAL reads next to
        the file where a format has several files."""
        path = _data_of(path)
        files = [path, *filter(is_envi_header, headers_of(path)), *filter(Path.is_file, [Path(f"{path}.msk")])]
        if raster_driver(path) == VIRTUAL:
            files += _list_sources(path)
        elif raster_driver(path) not in OF_ONE_FILE:
            with open_raster(path) as dataset:
                files += [file for file in map(Path, dataset.files) if file.is_file()]
        return tuple(dict.fromkeys(files))

    def arrays(self, path: Path) -> tuple[ArrayInfo, ...]:
        """The one raster; raises :class:`SceneFileError` when the file is too small for the size that it declares."""
        path = _data_of(path)
        files = self.files(path)
        with _opener(path)() as dataset:
            bands = bands_of(dataset)
            dtype = common_dtype(dataset, bands)
            array = ArrayInfo("", (dataset.height, dataset.width, len(bands.data)), array_kind(dtype))
            stored = sum(file.stat().st_size for file in files)
            check_declared_size(path, array, stored, dtype.itemsize, SPARSE_RATIO)
            return (array,)

    def open(self, path: Path, array: ArrayInfo) -> Scene:
        """The raster with wavelengths, bad bands, nodata value and georeference, scaled if it has a scale.

        Wavelengths, their widths and bad bands that it lacks come from an ENVI header of its name.
        """
        data = _data_of(path)
        driver = str(identify_driver(data))
        scene = raster_scene(data, _opener(data), FORMATS.get(driver, driver))
        return _add_envi_bands(replace(scene, source=path))

    def read_labels(self, path: Path, array: ArrayInfo) -> LabelContent:
        """The raster's band as labels, with its palette, its category names and its nodata value."""
        path = _data_of(path)
        with _opener(path)() as dataset:
            _require_lossless(path, dataset)
            names = _category_names(path) or names_in_tags(dataset.tags())
            return raster_labels(dataset, names=names, colours=read_palette(dataset))

    def read_classes(self, path: Path, array: ArrayInfo) -> LabelContent:
        """Names and colours by class id, without pixels."""
        path = _data_of(path)
        with _opener(path)() as dataset:
            names = _category_names(path) or names_in_tags(dataset.tags())
            nodata = dataset.nodatavals[0]
            facts: dict[str, Any] = {"names": names, "colours": read_palette(dataset), "nodata": nodata}
            return LabelContent(np.zeros((0, 0), np.uint8), **facts)

    def read_place(self, path: Path, array: ArrayInfo) -> Georeference | None:
        """The raster's place, without its pixels."""
        with _opener(_data_of(path))() as dataset:
            return georeference_of(dataset)

    def read_colours(self, path: Path, array: ArrayInfo) -> tuple[LabelContent, str] | None:
        """Labels of an image of three bands of uint8 that are more than 0 and 1.

        Black is 0, the other colours are numbered from 1 in the order of their red, green and blue. Raises
        :class:`LabelError` for more colours than a legend has.
        """
        if array.shape[2:] != (3,) or array.kind != "uint8":
            return None
        path = _data_of(path)
        with _opener(path)() as dataset:
            _require_lossless(path, dataset)
            bands = bands_of(dataset)
            red, green, blue = dataset.read(bands.data).astype(np.uint32)
            hidden, place = bands.hidden(dataset), georeference_of(dataset)
        codes = red << 16 | green << 8 | blue
        if hidden is not None:
            codes[hidden] = 0
        found, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        if not (np.maximum(np.maximum(red, green), blue) > 1).any():
            return None
        ids = np.arange(len(found)) + int(found[0] != 0)
        if np.count_nonzero(ids) > MOST_COLOURS:
            raise LabelError(
                f"{path}: has {len(found):,} colours, and at most {MOST_COLOURS} can be classes: it is a photograph, "
                "or its edges are blended; save class ids as grey values or with a palette"
            )
        values = ids[inverse].reshape(codes.shape).astype(np.uint8)
        named = dict(zip(ids.tolist(), found.tolist(), strict=True))
        colours = {i: (code >> 16, code >> 8 & 255, code & 255) for i, code in named.items() if i}
        parts = zip(named.items(), counts.tolist(), strict=True)
        legend = [f"#{code:06x} is {i or '0 (unlabelled)'} ({count:,} pixels)" for (i, code), count in parts]
        return LabelContent(values, colours=colours, georeference=place), f"classes by colour: {', '.join(legend)}"


def _require_lossless(path: Path, dataset: Any) -> None:
    """Raise :class:`LabelError` for labels whose compression changes their values."""
    tags = dataset.tags(ns="IMAGE_STRUCTURE")
    if (
        dataset.driver == "JPEG"
        or "JPEG" in tags.get("COMPRESSION", "")
        or tags.get("COMPRESSION_REVERSIBILITY") == LOSSY
    ):
        raise LabelError(
            f"{path}: is compressed with loss, which changes colours and ids along all edges, so that they are no "
            "classes; give the original, or save it as PNG or GeoTIFF where it was drawn"
        )


def _data_of(path: Path) -> Path:
    """The data file of a header of ESRI's, else the path itself; raises :class:`SceneFileError` without one."""
    if not is_esri_header(path):
        return path
    names = list_files(path.parent)
    data = next((names[name] for name in (f"{path.stem}{end}".lower() for end in ESRI_DATA) if name in names), None)
    if data is None:
        raise SceneFileError(f"{path}: is a header of ESRI's without its data: {path.stem}.bil, .bip, .bsq or .flt")
    return data


def _add_envi_bands(scene: Scene) -> Scene:
    """The scene with wavelengths, widths and bad bands of an ENVI header of its name, where it has none."""
    path, bands = scene.source, len(scene.bands)
    header = next(filter(is_envi_header, headers_of(path) if path else ()), None)
    if header is None or scene.wavelengths is not None:
        return scene
    try:
        fields = read_envi_header(header)
        centres, widths = fields.texts("wavelength"), fields.texts("fwhm")
        facts = parse_wavelengths(header, bands, centres, widths, fields.text("wavelength units") or None)
        good = parse_good_bands(header, fields.texts("bbl"), bands)
    except HsiError as error:
        warning(f"{error}: no wavelengths are taken from it")
        return scene
    if facts["wavelengths"]:
        info("wavelengths", f"from {header.name}")
    return replace(scene, good=scene.good or good, wavelengths=facts["wavelengths"], fwhm=facts["fwhm"])


def is_remote(path: Path) -> bool:
    """Whether a path is one of GDAL's names for remote files, such as ``/vsis3/bucket/scene.tif``, or a web address."""
    return path.as_posix().startswith((*PREFIXES, *WEB))


def remote_name(path: Path) -> str:
    """The name or web address itself; a path has lost one of the two slashes of ``/vsicurl/https://…``."""
    return re.sub(r"^((?:/vsicurl/)?[a-z]+):/+", r"\1://", path.as_posix())


def web_address(path: Path) -> str:
    """The web address that a path is, such as ``https://host/scene.tif``; empty for any other path."""
    return remote_name(path) if path.as_posix().startswith(WEB) else ""


def address_of(scene: Scene) -> str:
    """What opens a scene again, for a record: its STAC Item, file or web address; else its name."""
    path = scene.item.path if scene.item and not scene.tiles else scene.source
    return scene.name if path is None else remote_name(path) if is_remote(path) else str(path)


def open_remote(path: Path, address: str | None = None) -> Scene:
    """A raster behind a network as a scene that is read by window; messages name ``path``, which may lack a signature
    that the ``address`` has.

    GDAL takes access keys and regions from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_NO_SIGN_REQUEST``, …). Raises
    :class:`SceneFileError` when it cannot be reached or is no GeoTIFF or JPEG 2000.
    """
    return raster_scene(path, _remote_opener(path, address), "remote raster")


def read_remote_labels(path: Path, address: str | None = None) -> LabelContent:
    """The only band of a raster behind a network, as :func:`open_remote` opens it.

    Raises :class:`SceneFileError` for a raster of several bands, too.
    """
    with _remote_opener(path, address)() as dataset:
        if len(bands_of(dataset).data) != 1:
            raise SceneFileError(f"{path}: has {dataset.count} bands, expected one")
        return raster_labels(dataset)


def _remote_opener(path: Path, address: str | None = None) -> Opener:
    # these are read by window, and name no other files as a virtual raster does
    name = address or remote_name(path)
    driver = "JP2OpenJPEG" if Path(name.partition("?")[0]).suffix.lower() == ".jp2" else "GTiff"
    name = f"/vsicurl/{name}" if name.startswith(("http:", "https:")) else name

    @contextmanager
    def opened() -> Iterator[Any]:
        try:
            with open_dataset(path, name, driver, REMOTE_TITLE) as dataset:
                yield dataset
        except SceneFileError as error:
            raise SceneFileError(SIGNATURE.sub("", str(error))) from None  # GDAL quotes the name with its signature

    return opened


def _opener(path: Path) -> Opener:
    """Opens the file; of a virtual raster a copy in memory in which what its sources mark as no data is no data."""
    if raster_driver(path) != VIRTUAL:
        pages = _join_pages(path) if raster_driver(path) == "GTiff" else None
        if pages:
            return lambda: open_dataset(path, pages, VIRTUAL, "the pages of a TIFF")
        return lambda: open_raster(path)
    inner = list[Any]()
    text = _mark_no_data(path, inner)
    if text is None:
        return lambda: open_raster(path)

    @contextmanager
    def opened(files: list[Any] = inner) -> Iterator[Any]:  # the files in memory last as long as this function
        with open_dataset(path, text, VIRTUAL, "a virtual raster") as dataset:
            yield dataset

    return opened


def _mark_no_data(path: Path, inner: list[Any]) -> str | None:
    """The text of a virtual raster in which what its sources mark as no data is no data; None where it already is.

    Sources that are virtual rasters themselves are replaced by such texts as files in memory, added to ``inner``.
    """
    from rasterio.io import MemoryFile

    root, changed = parse_xml(path, "a virtual raster"), False
    names: dict[Path, str] = {}
    marks: dict[str, dict[int, tuple[bool, float | None]]] = {}
    for named in (element for name in SOURCE_ELEMENTS for element in root.iter(name)):
        source = _resolve_source(path, named)
        if source not in names:
            names[source] = str(source)
            if raster_driver(source) == VIRTUAL and (text := _mark_no_data(source, inner)):
                inner.append(MemoryFile(text.encode(), ext=".vrt"))
                names[source], changed = inner[-1].name, True
            marks[names[source]] = _read_marks(path, names[source], raster_driver(source))
        named.text, named.attrib["relativeToVRT"] = names[source], "0"
    for band in root.findall("VRTRasterBand"):
        nodata = list[float]()
        for part in band:
            file, number = part.findtext("SourceFilename"), part.findtext("SourceBand", "1")
            if part.tag not in ("SimpleSource", "ComplexSource") or file is None or not number.isdecimal():
                continue
            is_marked, value = marks[file].get(int(number[:9]), (False, None))
            if is_marked and part.find("NODATA") is None and part.find("UseMaskBand") is None:
                part.tag, changed = "ComplexSource", True  # a simple one copies what its file marks as no data
                SubElement(part, "UseMaskBand").text = "true"
            nodata += [] if value is None else [value]
        if band.find("NoDataValue") is None and nodata:
            SubElement(band, "NoDataValue").text, changed = repr(next(filter(None, nodata), 0)), True
    return ElementTree.tostring(root, encoding="unicode") if changed else None


def _join_pages(path: Path) -> str | None:
    """A virtual raster whose bands are the pages of a TIFF, of which GDAL reads the first; None for one page.

    Programs that know no bands write one page for each. Where pages differ in size, the first is read with a warning.
    """
    from rasterio.dtypes import _gdal_typename

    with open_raster(path) as dataset:
        sizes = [PAGE.search(text) for key, text in dataset.tags(ns="SUBDATASETS").items() if key.endswith("_DESC")]
        if not sizes:
            return None
        if {size[1] if size else "" for size in sizes} != {f"{dataset.width}P x {dataset.height}L x 1B"}:
            warning(f"{path}: holds {len(sizes)} images of several sizes or bands, of which the first is read")
            return None
        root = Element("VRTDataset", rasterXSize=str(dataset.width), rasterYSize=str(dataset.height))
        if dataset.crs:
            SubElement(root, "SRS").text = dataset.crs.to_wkt()
        if not dataset.transform.is_identity:
            SubElement(root, "GeoTransform").text = ", ".join(map(repr, dataset.transform.to_gdal()))
        for number, name in enumerate(dataset.subdatasets, 1):
            band = SubElement(root, "VRTRasterBand", dataType=_gdal_typename(dataset.dtypes[0]), band=str(number))
            if dataset.nodata is not None:
                SubElement(band, "NoDataValue").text = repr(dataset.nodata)
            SubElement(SubElement(band, "SimpleSource"), "SourceFilename").text = name
    return ElementTree.tostring(root, encoding="unicode")


def _read_marks(path: Path, name: str, driver: str | None) -> dict[int, tuple[bool, float | None]]:
    """Whether each band of a source of a virtual raster has a mask or a nodata value, and this value."""
    import rasterio
    from rasterio.enums import MaskFlags

    # as in :func:`_list_sources`
    with convert_errors(path, "a virtual raster"), gdal_env(), rasterio.open(name, driver=driver or "ENVI") as dataset:
        flags = (MaskFlags.all_valid not in band for band in dataset.mask_flag_enums)
        return dict(enumerate(zip(flags, dataset.nodatavals, strict=True), 1))


def _list_sources(path: Path, outer: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """The files that a virtual raster, itself a source of the ``outer`` ones, is made of: rasters in its folder or
    below, and what those are made of that are virtual.

    Raises :class:`SceneFileError` for one that is made of anything else, or in another way than by laying pixels of
    rasters side by side and over each other, and for one within too many others, such as within itself.
    """
    if len(outer) > MOST_LEVELS:
        raise SceneFileError(f"{path}: is a virtual raster of itself, or within more than {MOST_LEVELS}; {REMEDY}")
    root = parse_xml(path, "a virtual raster")
    for element in (root, *root.iter("VRTRasterBand")):
        if element.get("subClass") not in ALLOWED_BANDS:
            raise SceneFileError(f"{path}: is a virtual raster of the kind {element.get('subClass')}; {REMEDY}")
    named = [element for name in SOURCE_ELEMENTS for element in root.iter(name)]
    sources = dict.fromkeys(_resolve_source(path, element) for element in named)
    for source in sources:
        headers = (source.with_suffix(".hdr"), source.with_name(f"{source.name}.hdr"))
        is_envi = any(first_bytes(header).startswith(b"ENVI") for header in headers)
        if raster_driver(source) is None and not is_envi:
            raise SceneFileError(
                f"{path}: is a virtual raster of '{source.name}', which is missing or no raster; {REMEDY}"
            )
        if not is_envi and raster_driver(source) not in OF_ONE_FILE:
            with open_raster(source):  # refused where it names files elsewhere
                pass
    virtual = [source for source in sources if raster_driver(source) == VIRTUAL]
    return (*sources, *(file for source in virtual for file in _list_sources(source, (*outer, path))))


def _resolve_source(path: Path, element: ElementTree.Element) -> Path:
    """The file that an element names; raises :class:`SceneFileError` unless it lies in the folder or below."""
    text = element.text or ""
    folder = path.parent.resolve()
    try:
        source = (folder / text if element.get("relativeToVRT") == "1" else Path(text)).resolve()
        inside = bool(text) and source.is_relative_to(folder)
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise SceneFileError(
            f"{path}: is a virtual raster of '{text[:80]}', which lies outside its folder: put it into a folder that "
            f"holds all of its rasters, or {REMEDY}"
        )
    return source


def _category_names(path: Path) -> dict[int, str]:
    """Names by class id of a raster's first band, from GDAL's side file.

    The side file is optional, so one that is large, damaged or declares entities is ignored.
    """
    side_file = path.with_name(path.name + ".aux.xml")
    if not side_file.is_file():
        return {}
    try:
        band = parse_xml(side_file, "a side file", LARGEST_SIDE_FILE).find("PAMRasterBand[@band='1']")
    except SceneFileError:
        return {}
    if band is None:
        return {}
    names = [(entry.text or "").strip() for entry in band.findall("CategoryNames/Category")]
    return {i: name for i, name in enumerate(names) if name} or _attribute_table(band)


def _attribute_table(band: ElementTree.Element) -> dict[int, str]:
    """Names from a raster attribute table, whose columns are identified by their usage (0 and 5: value, 2: name)."""
    usages = [(field.findtext("Usage") or "").strip() for field in band.findall("GDALRasterAttributeTable/FieldDefn")]
    names = [column for column, usage in enumerate(usages) if usage in NAME_USAGE]
    values = [column for column, usage in enumerate(usages) if usage in VALUE_USAGE]
    name_by_id: dict[int, str] = {}
    for row in band.findall("GDALRasterAttributeTable/Row"):
        cells = [(cell.text or "").strip() for cell in row.findall("F")]
        if names and values and len(cells) == len(usages) and cells[values[-1]].isdecimal():
            name_by_id[int(cells[values[-1]][:9])] = cells[names[0]]
    return name_by_id
