"""The benchmark scenes by name: facts about each, and how to download one."""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.util
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hsi.core.colours import Colour
from hsi.core.files import Manifest, config_dir, write_output
from hsi.core.labels import ClassTable
from hsi.core.scene import Block
from hsi.errors import ConfigError, OutputError, SceneFileError, UnknownNameError, UsageError
from hsi.io.geotiff import band_writer, read_classes
from hsi.io.reader import first_bytes
from hsi.settings import Settings
from hsi.version import install_hint

Array = NDArray[Any]
Progress = Callable[[int, int, str], None]
ATTEMPTS = 3
TIMEOUT_SECONDS = 30


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PublicFile(_Facts):
    """One array of a scene: the URL of its file, and its variable.

    ``sha256`` is that of the array's bytes in C order where it is known, ``packaged`` the ``.npy`` file of an installed
    package that holds the same array.
    """

    url: str
    variable: str
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    packaged: str | None = None

    @property
    def file_name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]


class SplitFile(_Facts):
    """A file of a published split: URLs of the same bytes, the first that answers is used, and their SHA-256.

    ``variable`` is the array of a MATLAB file; other files are rasters.
    """

    urls: tuple[str, ...] = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    variable: str | None = None

    @property
    def file_name(self) -> str:
        """The last part of the URLs."""
        return self.urls[0].rpartition("/")[2]


class PublishedSplit(_Facts):
    """A split that others published as rasters of class ids, with its numbers of ``pixels`` for training and test.

    Without a ``test`` file all other pixels of the ground truth test. ``ids`` are the scene's class ids by those of the
    files, where they differ. ``mended`` pixels have another class in the files than in the ground truth, whose class
    they get; others may have a class in the files alone.
    """

    title: str
    citation: str
    train: SplitFile
    test: SplitFile | None = None
    ids: dict[int, int] | None = None
    pixels: tuple[int, int]
    mended: int = 0

    @property
    def files(self) -> tuple[SplitFile, ...]:
        """The files to download."""
        return (self.train, self.test) if self.test else (self.train,)


class SceneClass(_Facts):
    """A class of the ground truth: its id, name, colour (``#rrggbb``) and number of pixels."""

    id: int
    name: str
    colour: str = Field(pattern="^#[0-9a-f]{6}$")
    pixels: int

    @property
    def rgb(self) -> Colour:
        """The colour as red, green and blue from 0 to 255."""
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue


class SceneFacts(_Facts):
    """Facts about a benchmark scene. ``shape`` is (H, W, B); wavelengths and FWHM are in nm, one per band."""

    name: str
    title: str
    sensor: str
    place: str
    date: datetime.date | None = None
    shape: tuple[int, int, int]
    dtype: str | None = None
    cube: PublicFile
    ground_truth: PublicFile
    citation: str
    background_pixels: int
    classes: tuple[SceneClass, ...]
    wavelengths: tuple[float, ...] | None = None
    fwhm: tuple[float, ...] | None = None
    splits: dict[str, PublishedSplit] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_consistency(self) -> SceneFacts:
        height, width, bands = self.shape
        if sum(self.counts.values()) + self.background_pixels != height * width:
            raise ValueError(f"the counts of pixels do not add up to {height} x {width}")
        for values in (self.wavelengths, self.fwhm):
            if values is not None and len(values) != bands:
                raise ValueError(f"found {len(values)} wavelengths or widths for {bands} bands")
        return self

    @property
    def table(self) -> ClassTable:
        """Ids, names and colours of the classes."""
        ids, names, colours = zip(*sorted((one.id, one.name, one.rgb) for one in self.classes), strict=True)
        return ClassTable(ids, names, colours)

    @property
    def counts(self) -> dict[int, int]:
        """Pixels per class id, without the background."""
        return {one.id: one.pixels for one in self.classes}

    @property
    def files(self) -> tuple[PublicFile, PublicFile]:
        """The cube and the ground truth."""
        return self.cube, self.ground_truth


def scene_names() -> tuple[str, ...]:
    """The benchmark scenes that have a configuration, sorted."""
    return tuple(sorted(path.stem for path in (config_dir() / "scenes").glob("*.yaml")))


def scene_facts(name: str) -> SceneFacts:
    """The facts about a benchmark scene.

    Raises :class:`UnknownNameError` for a name without a configuration, :class:`ConfigError` for a broken one.
    """
    if name not in scene_names():
        raise UnknownNameError("scene", name, scene_names())
    return _load_facts(config_dir() / "scenes" / f"{name}.yaml")


@functools.cache
def _load_facts(path: Path) -> SceneFacts:
    try:
        return SceneFacts(name=path.stem, **yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in error.errors())
        raise ConfigError(f"{path}: {'; '.join(wrong)}") from error
    except (TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a mapping of facts ({error})") from error


def recognise_scene(shape: tuple[int, int], labels: Mapping[int, int] | Array) -> SceneFacts | None:
    """The benchmark scene whose ground truth has this (H, W) and exactly these pixels per class, or None.

    ``labels`` are pixels per class id or the ground truth itself; id 0 is the background. File names are not used.
    """
    if not isinstance(labels, Mapping):
        labels = _counts(labels)
    counts = {i: n for i, n in labels.items() if i != 0 and n > 0}
    scenes = map(scene_facts, scene_names())
    return next((facts for facts in scenes if tuple(shape) == facts.shape[:2] and counts == facts.counts), None)


def fetch_scene(
    name: str,
    folder: Path,
    progress: Progress | None = None,
    source: Literal["auto", "package", "download"] = "auto",
    overwrite: bool = False,
    base_url: str | None = None,
) -> Path:
    """Write ``<folder>/<name>.mat`` with the cube and the ground truth under their public variable names.

    The arrays come from an installed package that contains them or else from the network: from their public URLs, or
    from the folder ``base_url`` that holds the same files. ``progress(done, total, file)`` counts kilobytes. A file
    that holds this scene already is not replaced unless ``overwrite``, one that this function did not write never.

    Raises :class:`UnknownNameError`, :class:`SceneFileError` when the scene cannot be downloaded or has other content
    than expected, and :class:`OutputError` when another file has its name or it cannot be written.
    """
    facts = scene_facts(name)
    if source == "package" and base_url:
        raise UsageError("a base URL has no meaning when the scene is taken from an installed package")
    path = Path(folder) / f"{name}.mat"
    if path.exists() and not overwrite:
        try:
            for file in facts.files:
                _read_array(path, file, facts)
        except SceneFileError as error:
            raise OutputError(f"{error}; it was left as it is: move it, or fetch into another folder") from error
        return path
    Manifest.of_file(path, "to").check([path.name], overwrite)
    arrays = None if source == "download" or base_url else _from_package(facts)
    if arrays is None:
        if source == "package":
            raise SceneFileError(f"{facts.title}: no installed package contains it: {_advice(facts)}")
        arrays = _download(facts, base_url, progress)
    with write_output(path, overwrite, "to") as part:
        import scipy.io

        scipy.io.savemat(part, arrays, do_compression=True)
    return path


@dataclass(frozen=True)
class FetchedSplit:
    """A published split in the file ``path``; ``notes`` are what was done to the authors' files."""

    path: Path
    facts: PublishedSplit
    notes: tuple[str, ...]


def fetch_split(
    name: str,
    split: str,
    folder: Path,
    progress: Progress | None = None,
    overwrite: bool = False,
    base_url: str | None = None,
) -> FetchedSplit:
    """Write ``<folder>/<name>_<split>.tif``, a published split of a scene that is in ``folder`` (:func:`fetch_scene`).

    The first band has 0 (not used), 1 (training) and 3 (test), the second the class ids of these pixels, in the scene's
    numbers: ``--split given:FILE`` reads both. The authors' files come from their public URLs or from the folder
    ``base_url``. A file that holds this split already is not replaced unless ``overwrite``.

    Raises :class:`UnknownNameError`, :class:`SceneFileError` when the scene is missing or a file cannot be downloaded
    or differs from the authors', and :class:`OutputError` when another file has the name or it cannot be written.
    """
    facts = scene_facts(name)
    if split not in facts.splits:
        raise UnknownNameError(f"split of {facts.title}", split, facts.splits)
    published, path = facts.splits[split], Path(folder) / f"{name}_{split}.tif"
    truth = _read_array(Path(folder) / f"{name}.mat", facts.ground_truth, facts)
    manifest = Manifest.of_file(path, "to")
    if manifest.owns(path.name) and not overwrite:
        return FetchedSplit(path, published, ())
    manifest.check([path.name], overwrite)
    with tempfile.TemporaryDirectory(prefix="hsi-") as place:
        arrays = [_download_ids(file, published, Path(place), facts, base_url, progress) for file in published.files]
    train = arrays[0]
    test = np.where(train == 0, truth, 0) if len(arrays) == 1 else arrays[1]
    classes, notes = _mend(train + test, truth, published, facts, path.name)
    codes = np.where(train > 0, 1, np.where(test > 0, 3, 0))
    found = int(np.count_nonzero(codes == 1)), int(np.count_nonzero(codes == 3))
    if found != published.pixels or np.any((train > 0) & (test > 0)):
        raise SceneFileError(f"{path.name}: {found} pixels for training and test, expected {published.pixels}")
    with write_output(path, overwrite, "to") as part:
        bands = np.stack([codes, classes]).astype(np.uint8)
        with band_writer(part, bands.shape, bands.dtype, georeference=None, descriptions=("split", "class")) as write:
            write(Block(0, 0, *codes.shape), bands)
    return FetchedSplit(path, published, notes)


def _download_ids(
    file: SplitFile,
    split: PublishedSplit,
    folder: Path,
    facts: SceneFacts,
    base_url: str | None,
    progress: Progress | None,
) -> Array:
    """The scene's class ids ``(H, W)`` in a file of a published split, 0 where it has none."""
    names = " and ".join(one.file_name for one in split.files)
    advice = f"check the network, or give --mirror the URL of a folder with {names}"
    urls = (f"{base_url.rstrip('/')}/{file.file_name}",) if base_url else file.urls
    for url in urls:
        try:
            path = _retrieve(url, folder, advice, progress)
            break
        except SceneFileError:
            if url == urls[-1]:
                raise
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != file.sha256:
        raise SceneFileError(f"{url}: not the file of {split.title}: SHA-256 {sha256}, expected {file.sha256}")
    stored = read_classes(path) if file.variable is None else _read_variable(path, file.variable, url)
    ids = np.zeros(facts.shape[:2], np.int64)
    for theirs, ours in (split.ids or {i: i for i in facts.counts}).items():
        ids[stored == theirs] = ours
    return ids


def _mend(
    classes: Array, truth: Array, split: PublishedSplit, facts: SceneFacts, where: str
) -> tuple[Array, tuple[str, ...]]:
    """The classes with those of the ground truth where they differ, and notes of that."""
    names = dict(zip(facts.table.ids, facts.table.names, strict=True))
    differ, notes = (classes > 0) & (truth > 0) & (classes != truth), []
    if np.count_nonzero(differ) != split.mended:
        count = np.count_nonzero(differ)
        raise SceneFileError(f"{where}: {count} pixels have another class in the ground truth, expected {split.mended}")
    for theirs, ours in sorted({*zip(classes[differ].tolist(), truth[differ].tolist(), strict=True)}):
        count = np.count_nonzero(differ & (classes == theirs) & (truth == ours))
        notes.append(
            f"mended: {count} pixels of {names[ours]} ({ours}) are {names[theirs]} ({theirs}) in the authors' file"
        )
    return np.where(differ, truth, classes), tuple(notes)


def locate_split(settings: Settings, sources: Iterable[Path | None]) -> Settings:
    """The settings with the file of a published split where the rule is the name of one, such as ``hong``.

    It is the file that :func:`fetch_split` wrote next to one of the ``sources``, a scene or its labels. Raises
    :class:`UsageError` without sources, :class:`SceneFileError` with the command that writes the file where it is
    missing.
    """
    name = settings.split.rule or ""
    scenes = [scene for scene in scene_names() if name in scene_facts(scene).splits]
    if not scenes:
        return settings
    paths = [path for path in sources if path]
    if not paths:
        raise UsageError(f"the split '{name}' is a file next to the scene's, and this scene has none: give given:FILE")
    stems = {path.stem for path in paths}
    likely = [scene for scene in scenes if scene in stems] or scenes
    folders = dict.fromkeys(path.parent for path in paths)
    places = [folder / f"{scene}_{name}.tif" for folder in folders for scene in likely]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        fetch = f"hsi fetch {likely[0]} --split {name} --to {shlex.quote(str(places[0].parent))}"
        raise SceneFileError(f"{places[0]}: no such file: '{fetch}' writes it")
    split = settings.split.model_copy(update={"rule": "given", "given": str(found)})
    return settings.model_copy(update={"split": split})


def published_splits() -> tuple[str, ...]:
    """The names of the published splits of all scenes, sorted."""
    return tuple(sorted({name for scene in scene_names() for name in scene_facts(scene).splits}))


def _from_package(facts: SceneFacts) -> dict[str, Array] | None:
    """The arrays from an installed package, which is located but not imported; None when it is missing."""
    arrays = {}
    for file in facts.files:
        if file.packaged is None:
            return None
        package, _, inside = file.packaged.partition("/")
        spec = importlib.util.find_spec(package)
        places = spec.submodule_search_locations if spec else None
        path = next((p for p in (Path(place) / inside for place in places or ()) if p.is_file()), None)
        if path is None:
            return None
        arrays[file.variable] = _check_array(file.packaged, np.load(path, allow_pickle=False), file, facts)
    return arrays


def _download(facts: SceneFacts, base_url: str | None, progress: Progress | None) -> dict[str, Array]:
    with tempfile.TemporaryDirectory(prefix="hsi-") as folder:
        arrays = {}
        for file in facts.files:
            url = f"{base_url.rstrip('/')}/{file.file_name}" if base_url else file.url
            path = _retrieve(url, Path(folder), _advice(facts), progress)
            arrays[file.variable] = _read_array(path, file, facts, url)
        return arrays


def _retrieve(url: str, folder: Path, advice: str, progress: Progress | None) -> Path:
    """Download one file, trying again when the network fails; the error ends with ``advice``."""
    import pooch
    from requests import RequestException

    name = url.rpartition("/")[2]
    bar = _Bar(name, progress) if progress else False
    store = pooch.create(
        path=folder, base_url="", registry={name: None}, urls={name: url}, retry_if_failed=ATTEMPTS - 1
    )
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("CRITICAL")
    try:
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT_SECONDS, chunk_size=2**16)
        return Path(store.fetch(name, downloader=downloader))
    except (RequestException, OSError, ValueError) as error:
        response = getattr(error, "response", None)
        reason = f"HTTP {response.status_code}" if response is not None else str(error).rpartition(": ")[2].strip("')")
        raise SceneFileError(f"{url}: cannot be downloaded ({reason}): {advice}") from error
    finally:
        logger.setLevel(level)


class _Bar:
    """A progress bar as pooch requires it, which calls ``progress(kilobytes, total kilobytes, file)``."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.progress = name, progress
        self.total, self.done = 0, 0

    def update(self, count: int) -> None:
        """Count downloaded bytes."""
        self.done += count
        total = max(self.total, 1)
        self.progress(min(self.done, total) // 1024, total // 1024, self.name)

    def reset(self) -> None:
        """Start from nothing."""
        self.done = 0

    def close(self) -> None:
        """Nothing to close."""


def _advice(facts: SceneFacts) -> str:
    files = f"{facts.cube.file_name} and {facts.ground_truth.file_name}"
    by_hand = f"download {files} with a browser and give both to 'hsi classify'"
    if facts.cube.packaged:
        return f"install a package that contains it ({install_hint('samples')}), or {by_hand}"
    return f"check the network, or {by_hand}"


def _read_array(path: Path, file: PublicFile, facts: SceneFacts, where: str | None = None) -> Array:
    """The checked array of ``file`` from a MATLAB file, which messages call ``where``."""
    return _check_array(where or path, _read_variable(path, file.variable, where or path), file, facts)


def _read_variable(path: Path, variable: str, where: Path | str) -> Array:
    """An array of a MATLAB file, which messages call ``where``."""
    import scipy.io

    try:
        content = scipy.io.loadmat(path, variable_names=[variable])
    except Exception as error:  # loadmat raises many kinds on damaged files
        start = first_bytes(path)
        raise SceneFileError(f"{where}: not a readable MATLAB file, it begins with {start!r}") from error
    if variable not in content:
        names = ", ".join(entry[0] for entry in scipy.io.whosmat(path)) or "none"
        raise SceneFileError(f"{where}: no variable '{variable}', found: {names}")
    return np.asarray(content[variable])


def _check_array(where: Path | str, array: Array, file: PublicFile, facts: SceneFacts) -> Array:
    """The array; raises :class:`SceneFileError` when it is not that of the scene."""
    problem = _mismatch(array, file, facts)
    if problem:
        raise SceneFileError(f"{where}: not {facts.title}: '{file.variable}' has {problem}")
    return array


def _mismatch(array: Array, file: PublicFile, facts: SceneFacts) -> str | None:
    """How an array differs from the scene's, in shape, dtype, pixels per class or SHA-256; None when it does not."""
    is_truth = file is facts.ground_truth
    shape = facts.shape[:2] if is_truth else facts.shape
    if array.shape != shape:
        return f"shape {array.shape}, expected {shape}"
    if array.dtype.kind not in "iuf":
        return f"dtype {array.dtype}, expected numbers"
    if is_truth and _counts(array) != facts.counts:
        return f"{_counts(array)} pixels per class, expected {facts.counts}"
    if not is_truth and facts.dtype and array.dtype != np.dtype(facts.dtype):
        return f"dtype {array.dtype}, expected {facts.dtype}"
    sha256 = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"SHA-256 {sha256}, expected {file.sha256}" if file.sha256 not in (None, sha256) else None


def _counts(labels: Array) -> dict[int, int]:
    ids, pixels = np.unique(labels, return_counts=True)
    return {int(i): int(n) for i, n in zip(ids, pixels, strict=True) if i != 0}
