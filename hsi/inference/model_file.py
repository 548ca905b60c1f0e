"""The saved model: weights, reducer, bands, classes and settings in one safetensors file. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hsi.core.labels import LARGEST_ID, ClassTable
from hsi.core.scene import Scene
from hsi.errors import BundleError, UsageError
from hsi.inference.novelty import NoveltyDetector
from hsi.models import SpectralEnsemble, WindowNetwork, build_networks
from hsi.preprocessing.band_matching import BandList, BandMatch, match_bands
from hsi.preprocessing.denoisers import Denoiser, denoise_scene, denoiser_state, restore_denoiser
from hsi.preprocessing.denoisers.denoised_scene import WORKING_BYTES
from hsi.preprocessing.reducers import Reducer, restore_reducer
from hsi.report.records import Record
from hsi.settings import Settings, validated
from hsi.version import __version__

FORMAT = 1


@dataclass(frozen=True)
class SavedModel:
    """All that is needed to map another scene.

    ``bands`` are those that the reducer was fitted on; ``familiar`` is where the training pixels lie in component
    space; ``trained_on`` holds SHA-256 sums of the inputs. Scores are divided by ``temperature`` before they become
    probabilities, which changes no class. ``denoiser`` cleans a scene before anything else sees it.
    """

    model: WindowNetwork
    reducer: Reducer
    table: ClassTable
    settings: Settings
    bands: BandList
    familiar: NoveltyDetector
    trained_on: Mapping[str, str]
    temperature: float = 1.0
    denoiser: Denoiser | None = None


def match_scene(
    bundle: SavedModel,
    scene: Scene,
    resample: bool = False,
    *,
    usable: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
    device: str = "cpu",
) -> BandMatch:
    """The scene's bands for the model, see :func:`hsi.preprocessing.band_matching.match_bands`; cleaned as they are
    read if the model cleans bands.

    Pixels that are not ``usable`` ``(H, W)`` have no say in others. Raises :class:`UsageError` where a model that
    cleans bands is given a scene to ``resample``, and what matching raises.
    """
    match = match_bands(bundle.bands, scene, resample)
    if bundle.denoiser is None:
        return match
    if match.matrix is not None:
        raise UsageError(
            f"the model cleans its own bands ({bundle.denoiser.name}), which cannot be made from others: leave "
            "--resample-bands out, or train the model without --denoise"
        )
    cleaned = denoise_scene(match.scene, bundle.denoiser.on(device), usable)
    note = f"{match.note}; {bundle.denoiser.describe()}"
    return replace(match, scene=cleaned, stored=match.scene, note=note, working=WORKING_BYTES)


def save_model(path: Path, bundle: SavedModel) -> None:
    """Write a bundle; an existing file of that name is replaced once the new one is complete."""
    tensors = {f"model.{name}": value.detach().cpu().contiguous() for name, value in bundle.model.state_dict().items()}
    arrays = {f"reducer.{name}": _as_tensor(value) for name, value in bundle.reducer.state().items()}
    arrays |= {f"familiar.{name}": _as_tensor(value) for name, value in bundle.familiar.state().items()}
    if bundle.denoiser:
        arrays |= {f"denoiser.{name}": _as_tensor(value) for name, value in denoiser_state(bundle.denoiser).items()}
    facts = {
        "format": FORMAT,
        "version": __version__,
        "components": bundle.model.components,
        "settings": bundle.settings.model_dump(),
        "classes": {"ids": bundle.table.ids, "names": bundle.table.names, "colours": bundle.table.colours},
        "bands": asdict(bundle.bands),
        "trained_on": dict(bundle.trained_on),
        "temperature": bundle.temperature,
    }
    partial = path.with_name(path.name + ".partial")
    save_file({**tensors, **arrays}, partial, metadata={"hsi": json.dumps(facts)})
    partial.replace(path)


def _as_tensor(values: np.ndarray[Any, Any]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values))


def load_model(path: Path) -> SavedModel:
    """Read a bundle back, the network in ``eval()`` mode on the CPU.

    Raises :class:`BundleError` for a file that is missing, truncated, not a bundle, or of a newer format.
    """
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
    facts = _facts(path, metadata["hsi"])
    try:
        return _assemble(validated(Description, facts), tensors)
    except (KeyError, TypeError, RuntimeError, ValueError, OverflowError) as error:
        raise BundleError(
            f"{path}: weights and description do not fit together: {' '.join(str(error).split())[:300]}"
        ) from None


def _facts(path: Path, text: str) -> dict[str, Any]:
    try:
        facts = json.loads(text)
        version = int(facts["format"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise BundleError(f"{path}: the model's description cannot be read: the file has been changed") from None
    if version > FORMAT:
        raise BundleError(f"{path}: saved in format {version}, this hsi reads up to {FORMAT}: upgrade hsi")
    return dict(facts)


Byte = Annotated[int, Field(ge=0, le=255)]
Id = Annotated[int, Field(ge=0, le=LARGEST_ID)]


class Classes(Record):
    """The class table as it is stored."""

    ids: tuple[Id, ...] = Field(min_length=1)
    names: tuple[str, ...]
    colours: tuple[tuple[Byte, Byte, Byte], ...]

    @model_validator(mode="after")
    def _alike(self) -> Classes:
        if not len(self.ids) == len(self.names) == len(self.colours) or sorted(set(self.ids)) != list(self.ids):
            raise ValueError("the classes are not as many ascending ids as names and colours")
        return self


class Bands(Record):
    """The band list as it is stored."""

    bands: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    of: int
    wavelengths: tuple[float, ...] | None
    fwhm: tuple[float, ...] | None

    @model_validator(mode="after")
    def _alike(self) -> Bands:
        lists = [values for values in (self.wavelengths, self.fwhm) if values is not None]
        if any(len(values) != len(self.bands) for values in lists) or max(self.bands) >= self.of:
            raise ValueError("the bands are more than their file has, or not as many as their wavelengths")
        return self


class Description(Record):
    """What a file tells of its tensors."""

    components: int = Field(ge=1)
    settings: Settings
    classes: Classes
    bands: Bands
    trained_on: dict[str, str]
    temperature: float = 1.0

    @model_validator(mode="before")
    @classmethod
    def _warm(cls, values: Any) -> Any:
        temperature = float(values.get("temperature", 1.0))
        if not 0 < temperature < float("inf"):
            raise ValueError(f"the temperature is {temperature:g}")
        return values


def _assemble(told: Description, tensors: dict[str, Any]) -> SavedModel:
    table = ClassTable(told.classes.ids, told.classes.names, told.classes.colours)
    bands = BandList(**told.bands.model_dump())
    reducer = restore_reducer(told.settings.reducer, _arrays(tensors, "reducer."))
    familiar = NoveltyDetector(**_arrays(tensors, "familiar."))
    if reducer.transform(np.zeros((1, len(bands.bands)), np.float32)).shape != (1, told.components):
        raise ValueError(f"the reducer does not make {told.components} components of {len(bands.bands)} bands")
    if familiar.distance(np.zeros((1, told.components), np.float32)).shape != (1,) or familiar.limits.shape != (3,):
        raise ValueError("the distances of the training pixels are of another number of components")
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    model = _network(told, len(table), weights)
    denoiser = None
    if told.settings.denoising.method:
        denoiser = restore_denoiser(told.settings.denoising, _arrays(tensors, "denoiser."), len(bands.bands))
    return SavedModel(
        model, reducer, table, told.settings, bands, familiar, told.trained_on, told.temperature, denoiser
    )


def _network(told: Description, classes: int, weights: dict[str, Any]) -> WindowNetwork:
    """The network in ``eval()`` mode; it is built without numbers first, so that a description cannot ask for more
    memory than the weights in the file take."""
    import torch

    with torch.device("meta"):
        wanted = {name: value.shape for name, value in _built(told, classes).state_dict().items()}
    if wanted != {name: value.shape for name, value in weights.items()}:
        raise ValueError("the network has other weights than the file")
    model = _built(told, classes)
    model.load_state_dict(weights)
    return model.eval()


def _built(told: Description, classes: int) -> WindowNetwork:
    chosen = told.settings.model
    model = build_networks(
        chosen.name,
        components=told.components,
        windows=chosen.windows or (0,),
        classes=classes,
        width=chosen.width,
        resolution=chosen.resolution,
    )
    return SpectralEnsemble(model) if told.settings.mapping.spectral in ("discriminant", "logistic") else model


def _arrays(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value.numpy() for name, value in tensors.items() if name.startswith(prefix)}
