"""Saved models: weights, reducer, bands, classes and settings in one safetensors file, without pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from hsi.accuracy.rejection import ValidationConfidence
from hsi.core.files import find_model, write_atomically
from hsi.core.labels import LARGEST_ID, ClassTable
from hsi.core.scene import Georeference, Scene
from hsi.errors import BundleError, UsageError
from hsi.fill import NO_FILL, Fill
from hsi.inference.novelty import NoveltyDetector
from hsi.inference.training_pixels import TrainingPixels
from hsi.models import SpectralPool, SupportVectors, WindowNetwork, build_networks
from hsi.preprocessing.band_matching import BandList, BandMatch, match_bands
from hsi.preprocessing.denoisers import Denoiser, denoise_scene, denoiser_state, restore_denoiser
from hsi.preprocessing.denoisers.denoised_scene import WORKING_BYTES
from hsi.preprocessing.reducers import JoinedReducer, Reducer, restore_reducer
from hsi.report.records import Record
from hsi.settings import Settings, validated
from hsi.version import __version__

FORMAT = 1


@dataclass(frozen=True)
class SavedModel:
    """A trained network with everything needed to map another scene.

    ``bands`` are those that the reducer was fitted on; ``novelty`` measures the distance to the training pixels;
    ``trained_on`` are SHA-256 sums of the inputs. Scores are divided by ``temperature`` before the softmax, which
    changes no class. ``denoiser`` is applied to a scene first. ``training`` are the pixels that trained or validated
    it, of each of its scenes; ``levels`` ``(3, B)`` the percentiles 2, 50 and 98 of the bands in the training scene;
    files of earlier versions have neither. ``fill`` are values of that scene that mean "no data" and that its file does
    not declare. ``validation`` is the confidence of the validation pixels, None without any.
    """

    model: WindowNetwork
    reducer: Reducer
    table: ClassTable
    settings: Settings
    bands: BandList
    novelty: NoveltyDetector
    trained_on: Mapping[str, str]
    temperature: float = 1.0
    denoiser: Denoiser | None = None
    training: tuple[TrainingPixels, ...] = ()
    levels: np.ndarray[Any, np.dtype[np.float64]] | None = None
    fill: Fill = NO_FILL
    validation: ValidationConfidence | None = None


def match_scene(
    saved: SavedModel,
    scene: Scene,
    resample: bool = False,
    *,
    usable: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
    device: str = "cpu",
    fill: Fill = NO_FILL,
) -> BandMatch:
    """The scene's bands for the model, see :func:`hsi.preprocessing.band_matching.match_bands`; denoised as they are
    read if the model has a denoiser.

    ``fill`` means "no data". Pixels that are not ``usable`` ``(H, W)`` do not affect others. Raises :class:`UsageError`
    to ``resample`` bands for a model with a denoiser, and what matching raises.
    """
    match = match_bands(saved.bands, scene, resample)
    match = replace(match, scene=match.scene.exclude_fill(fill))
    if saved.denoiser is None:
        return match
    if match.matrix is not None:
        raise UsageError(
            f"the model denoises its own bands ({saved.denoiser.name}), which cannot be resampled from others: leave "
            "--resample-bands out, or train the model without --denoise"
        )
    denoised = denoise_scene(match.scene, saved.denoiser.on(device), usable)
    note = f"{match.note}; {saved.denoiser.describe()}"
    return replace(match, scene=denoised, stored=match.scene, note=note, working=WORKING_BYTES)


def save_model(path: Path, saved: SavedModel) -> None:
    """Write a model file, atomically."""
    tensors = {f"model.{name}": value.detach().cpu().contiguous() for name, value in saved.model.state_dict().items()}
    arrays = {f"reducer.{name}": value for name, value in saved.reducer.state().items()}
    arrays |= {f"familiar.{name}": value for name, value in saved.novelty.state().items()}
    for number, one in enumerate(saved.training):
        prefix = _training_prefix(number)
        arrays |= {f"{prefix}runs": one.runs, f"{prefix}spectra": one.spectra}
    if saved.validation:
        arrays |= {"validation.right": saved.validation.right, "validation.wrong": saved.validation.wrong}
    if saved.denoiser:
        arrays |= {f"denoiser.{name}": value for name, value in denoiser_state(saved.denoiser).items()}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()}
    facts = {
        "format": FORMAT,
        "version": __version__,
        "components": saved.model.components,
        "settings": saved.settings.model_dump(),
        "classes": {"ids": saved.table.ids, "names": saved.table.names, "colours": saved.table.colours},
        "bands": asdict(saved.bands),
        "trained_on": dict(saved.trained_on),
        "temperature": saved.temperature,
        "levels": None if saved.levels is None else saved.levels.tolist(),
        "fill": asdict(saved.fill),
    }
    places = [
        {"shape": one.shape, "georeference": asdict(one.georeference) if one.georeference else None}
        for one in saved.training
    ]
    if places:
        facts["training"] = places[0]
    if places[1:]:
        facts["more_training"] = places[1:]
    content = to_safetensors(tensors, metadata={"hsi": json.dumps(facts)})
    with write_atomically(path) as part:
        part.write_bytes(content)  # the library's own function makes files that no one else can read


def is_model_file(path: Path) -> bool:
    """Whether a file, or the model in a folder, begins as safetensors do: with the length of a header in JSON."""
    try:
        path = find_model(path)
        with path.open("rb") as file:
            start = file.read(9)
        return start[8:] == b"{" and 0 < int.from_bytes(start[:8], "little") < path.stat().st_size
    except OSError:
        return False


def load_model(path: Path) -> SavedModel:
    """Read a model file, or the one in a folder, the network in ``eval()`` mode on the CPU.

    Raises :class:`BundleError` for a file that is missing, truncated, not a model file, or of a newer format.
    """
    path = find_model(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError:
        raise BundleError(f"{path}: no such model file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{path}: not a complete safetensors file: {error}") from None
    if "hsi" not in metadata:
        raise BundleError(f"{path}: a safetensors file, but not one saved by hsi: train one with 'hsi classify'")
    try:
        facts = dict(json.loads(metadata["hsi"]))
        version = int(facts["format"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise BundleError(f"{path}: the model's description cannot be read: the file has been changed") from None
    if version > FORMAT:
        raise BundleError(f"{path}: saved in format {version}, this hsi reads up to {FORMAT}: upgrade hsi")
    try:
        return _assemble(validated(Description, facts), tensors)
    except (KeyError, TypeError, RuntimeError, ValueError, OverflowError) as error:
        raise BundleError(
            f"{path}: weights and description do not fit together: {' '.join(str(error).split())[:300]}"
        ) from None


Byte = Annotated[int, Field(ge=0, le=255)]
Id = Annotated[int, Field(ge=0, le=LARGEST_ID)]


class Classes(Record):
    """The class table in the file."""

    ids: tuple[Id, ...] = Field(min_length=1)
    names: tuple[str, ...]
    colours: tuple[tuple[Byte, Byte, Byte], ...]

    @model_validator(mode="after")
    def _consistent(self) -> Classes:
        if not len(self.ids) == len(self.names) == len(self.colours) or sorted(set(self.ids)) != list(self.ids):
            raise ValueError("the classes are not as many ascending ids as names and colours")
        return self


class Bands(Record):
    """The band list in the file."""

    bands: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    of: int
    wavelengths: tuple[float, ...] | None
    fwhm: tuple[float, ...] | None

    @model_validator(mode="after")
    def _consistent(self) -> Bands:
        lists = [values for values in (self.wavelengths, self.fwhm) if values is not None]
        if any(len(values) != len(self.bands) for values in lists) or max(self.bands) >= self.of:
            raise ValueError("the bands are more than their file has, or not as many as their wavelengths")
        return self


class Place(Record):
    """The place of the scene that the model was trained on."""

    crs: str | None
    transform: tuple[float, float, float, float, float, float]


class TrainingScene(Record):
    """Rows, columns and place of the scene that the model was trained on."""

    shape: tuple[int, int]
    georeference: Place | None


class FillValues(Record):
    """Undeclared values that mean "no data" in the file."""

    values: tuple[float, ...] = ()
    flat: tuple[float, ...] = ()


class Description(Record):
    """The metadata of the file."""

    components: int = Field(ge=1)
    settings: Settings
    classes: Classes
    bands: Bands
    trained_on: dict[str, str]
    temperature: float = 1.0
    training: TrainingScene | None = None
    more_training: tuple[TrainingScene, ...] = ()  # of the other scenes, where there are several
    levels: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]] | None = None
    fill: FillValues = FillValues()

    @model_validator(mode="before")
    @classmethod
    def _warm(cls, values: Any) -> Any:
        temperature = float(values.get("temperature", 1.0))
        if not 0 < temperature < float("inf"):
            raise ValueError(f"the temperature is {temperature:g}")
        return values


def _assemble(description: Description, tensors: dict[str, torch.Tensor]) -> SavedModel:
    settings, classes, bands = description.settings, description.classes, BandList(**description.bands.model_dump())
    components, size = description.components, len(bands.bands)
    reducer = restore_reducer(settings.reducer, _arrays(tensors, "reducer."))
    novelty = NoveltyDetector(**_arrays(tensors, "familiar."))
    if reducer.transform(np.zeros((1, size), np.float32)).shape != (1, components):
        raise ValueError(f"the reducer does not make {components} components of {size} bands")
    own = reducer.main.components if isinstance(reducer, JoinedReducer) else components
    if novelty.root.shape != (own, own) or novelty.means.shape[1:] != (own,) or novelty.limits.shape != (3,):
        raise ValueError("the distances of the training pixels are of another number of components")
    denoiser = None
    if settings.denoising.method:
        denoiser = restore_denoiser(settings.denoising, _arrays(tensors, "denoiser."), size)
    validation = _arrays(tensors, "validation.")
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    return SavedModel(
        model=_load_network(description, weights),
        reducer=reducer,
        table=ClassTable(classes.ids, classes.names, classes.colours),
        settings=settings,
        bands=bands,
        novelty=novelty,
        trained_on=description.trained_on,
        temperature=description.temperature,
        denoiser=denoiser,
        levels=None if description.levels is None else np.asarray(description.levels, np.float64).reshape(3, size),
        fill=Fill(**description.fill.model_dump()),
        training=tuple(
            _training(scene, _arrays(tensors, _training_prefix(number)), size)
            for number, scene in enumerate((description.training, *description.more_training))
            if scene
        ),
        validation=ValidationConfidence(**validation) if validation else None,
    )


def _training_prefix(number: int) -> str:
    """What the names of the arrays of a training scene begin with; files of one scene have no number."""
    return f"training_{number}." if number else "training."


def _training(scene: TrainingScene, arrays: Mapping[str, Any], bands: int) -> TrainingPixels:
    runs, spectra = arrays["runs"], arrays["spectra"]
    if runs.dtype != np.int64 or spectra.dtype != np.float32 or spectra.ndim != 2 or spectra.shape[1] != bands:
        raise ValueError("the training pixels are of another number of bands")
    place = scene.georeference
    return TrainingPixels(scene.shape, Georeference(place.crs, place.transform) if place else None, runs, spectra)


def _load_network(description: Description, weights: dict[str, torch.Tensor]) -> WindowNetwork:
    """The network in ``eval()`` mode; it is built without memory first, so that a description cannot request more
    memory than the weights in the file take."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in _build_network(description, weights).state_dict().items()}
    if shapes != {name: value.shape for name, value in weights.items()}:
        raise ValueError("the network has other weights than the file")
    model = _build_network(description, weights)
    model.load_state_dict(weights)
    return model.eval()


def _build_network(description: Description, weights: Mapping[str, torch.Tensor]) -> WindowNetwork:
    chosen, spectral = description.settings.model, description.settings.mapping.spectral
    if spectral in (None, "none"):
        size = (0, 0, 0)
    else:
        vectors, pairs = weights["machine.vectors"].shape, weights["machine.intercepts"].shape
        size = (vectors[0], vectors[1], pairs[0])
    model = build_networks(
        chosen.name,
        components=description.components - (size[1] if spectral == "pool" else 0),
        windows=chosen.windows or (0,),
        classes=len(description.classes.ids),
        width=chosen.width,
        resolution=chosen.resolution,
    )
    if spectral in (None, "none"):
        return model
    return SpectralPool(model, SupportVectors(size, model.classes), filtered=spectral == "filtered")


def _arrays(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, Any]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value.numpy() for name, value in tensors.items() if name.startswith(prefix)}
