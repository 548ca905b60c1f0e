"""A network as an estimator: ``HybridSNClassifier().fit(cube, labels).predict(cube)``, as in scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from hsi.core.devices import resolve_device
from hsi.core.events import report_to, reporter_for
from hsi.core.files import write_output
from hsi.core.labels import LabelMap
from hsi.core.scene import Scene
from hsi.errors import BundleError, LabelError, UsageError
from hsi.inference.model_file import SavedModel, load_model, match_scene, save_model
from hsi.inference.predict import map_in_memory
from hsi.inference.scene_scale import adapt_scene, warn_of_novel_pixels
from hsi.io.dataarray import class_attributes, is_dataarray, map_like
from hsi.io.geotiff import nodata_value
from hsi.preprocessing.band_matching import BandMatch
from hsi.settings import InputSettings, Settings, load_settings
from hsi.workflows.denoise import denoise_inputs
from hsi.workflows.fit import fit_network
from hsi.workflows.inputs import open_any_labels, open_any_scene, prepare_inputs, split_labels
from hsi.workflows.provenance import StageTimer
from hsi.workflows.resolve import check_names, is_baseline, resolve_settings

if TYPE_CHECKING:
    from hsi.workflows.inputs import LabelsLike, SceneLike

PARAMETERS = {
    "model": "model.name",
    "window": "model.window",
    "reducer": "reducer.name",
    "components": "reducer.components",
    "epochs": "training.epochs",
    "lr": "training.lr",
    "symmetries": "mapping.symmetries",
    "blend": "mapping.blend",
    "spectral": "mapping.spectral",
    "device": "device",
}


class HybridSNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Land cover of every pixel of a cube, by HybridSN (Roy et al. 2020, doi:10.1109/LGRS.2019.2918719) or a variant.

    A sample is a pixel with its window, so ``X`` is a cube ``(H, W, B)`` (an array, a :class:`Scene` or an
    ``xarray.DataArray``) and ``y`` a map of labels ``(H, W)``. :meth:`fit` is ``hsi train``: all labelled pixels train,
    so set those that are for testing to ``background``. :meth:`predict` is ``hsi predict``. What is left open of
    window, blending and the linear classifier is chosen for other ground than the training pixels', as by ``hsi
    train``; :func:`hsi.classify` knows the test pixels and chooses by these.

    Args:
        model: A network of ``hsi models``.
        window: Side of the window around each pixel, odd; None chooses by the scene.
        reducer: ``mnf``, ``pca`` or ``identity``; None is the method's own.
        components: Components to keep; None is the reducer's own number.
        epochs: Passes over the training pixels; None is by the engine.
        lr: Highest learning rate; None is by engine and network.
        symmetries: Whether maps are averaged with that of the scene after a half turn; None is yes for HybridSN.
        blend: Whether probabilities are averaged over similar neighbours; None chooses by the scene.
        spectral: The classifiers that the network is joined with: "discriminant", "logistic", "pool", "filtered" or
            "none"; None chooses by the scene.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        background: The label that means unlabelled, and what :meth:`predict` says where a pixel cannot be used.
        settings: Other settings by the names of ``configs/default.yaml``, such as ``{"training.balance": 0}``.
        random_state: An integer, a ``numpy.random.RandomState``, or None for another result each time.
        progress: True for bars, or a function that is called with stage, done, total and a note.

    Attributes:
        classes_: Labels of the classes ``(C,)``, ascending, in the dtype of ``y``; int64 where that does not hold
            ``background``.
        class_names_: Their names.
        n_features_in_: Bands of the cube that was fitted.
        window_: The window's side.
        settings_: All settings that the training came to.
        history_: Loss and accuracy of each epoch.
        warnings_: What a user should know of the labels and bands.
        bundle_: The model that :meth:`save` writes.
    """

    def __init__(
        self,
        model: str = "hybridsn-bn",
        *,
        window: int | None = None,
        reducer: str | None = None,
        components: int | None = None,
        epochs: int | None = None,
        lr: float | None = None,
        symmetries: bool | None = None,
        blend: bool | None = None,
        spectral: str | None = None,
        device: str = "auto",
        background: int = 0,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        progress: bool | Callable[[str, int, int, str], None] | None = None,
    ) -> None:
        self.model = model
        self.window = window
        self.reducer = reducer
        self.components = components
        self.epochs = epochs
        self.lr = lr
        self.symmetries = symmetries
        self.blend = blend
        self.spectral = spectral
        self.device = device
        self.background = background
        self.settings = settings
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: SceneLike, y: LabelsLike) -> HybridSNClassifier:
        """Train on the labelled pixels of a cube ``(H, W, B)``; ``y`` are labels ``(H, W)``. Returns the estimator.

        Raises :class:`UsageError` for parameters that make no sense, :class:`SceneError` and :class:`LabelError` for
        inputs that cannot be used, and :class:`TrainingError` where training fails; all others are ``ValueError``.
        """
        settings = self._resolved()
        check_names(settings)
        listener = reporter_for(self.progress)
        with report_to(listener):
            scene = open_any_scene(X, InputSettings())
            inputs = prepare_inputs(scene, self._labels(y, scene, X), InputSettings())
            inputs = denoise_inputs(inputs, settings, StageTimer())
            trained = fit_network(inputs, settings, split_labels(inputs, settings), StageTimer())
        dtype = getattr(y, "dtype", np.dtype(np.int64))
        known = dtype.kind in "iu" and np.iinfo(dtype).min <= self.background <= np.iinfo(dtype).max
        self._remember(trained.saved, dtype if known else np.dtype(np.int64))
        self.history_ = trained.trained.history
        self.warnings_ = tuple(listener.warnings)
        return self

    def predict(self, X: SceneLike) -> Any:
        """The class of every pixel of a cube ``(H, W, B)``: ``(H, W)`` of ``classes_``'s dtype.

        ``background`` stands where a pixel cannot be used. A ``DataArray`` gives a ``DataArray`` with its coordinates
        and CRS, and the classes' names in its attributes. Raises ``NotFittedError`` before :meth:`fit`,
        :class:`SceneError` for what is no cube and :class:`BundleError`, a ``ValueError``, for other bands.
        """
        ids = self._layers(X, probabilities=False)["map"]
        valid = ids != nodata_value(self.bundle_.table)
        values = np.where(valid, ids.astype(self.classes_.dtype), self.background)
        values = values.astype(self.classes_.dtype)
        if is_dataarray(X):
            named = class_attributes(self.bundle_.table, self.background)
            return map_like(X, values, "classes", **named)  # type: ignore[arg-type]
        return values

    def predict_proba(self, X: SceneLike) -> Any:
        """Class probabilities ``(H, W, C)`` float32 in the order of ``classes_``, NaN where a pixel cannot be used.

        A ``DataArray`` gives a ``DataArray`` with a last axis ``class``. Raises as :meth:`predict` does.
        """
        bands = self._layers(X, probabilities=True)["probabilities"]
        if not is_dataarray(X):
            return np.moveaxis(bands, 0, 2)
        import xarray as xr

        planes = [map_like(X, plane, "probabilities") for plane in bands]  # type: ignore[arg-type]
        rows_columns = planes[0].dims
        return xr.concat(planes, xr.Variable("class", self.classes_)).transpose(*rows_columns, "class")

    def score(self, X: SceneLike, y: LabelsLike, sample_weight: ArrayLike | None = None) -> float:
        """Overall accuracy on the pixels of ``y`` ``(H, W)`` that are not ``background``, weighted ``(H, W)`` or not.

        Raises as :meth:`predict` does, and :class:`LabelError` for labels that do not fit the cube.
        """
        check_is_fitted(self)
        scene = open_any_scene(X, InputSettings())
        truth = self._labels(y, scene, X)
        right = np.asarray(self.predict(scene)) == truth.values
        if sample_weight is None:
            return float(right[truth.labelled].mean())
        weights = np.asarray(sample_weight, float)
        if weights.shape != right.shape:
            raise LabelError(f"weights are {weights.shape}, the labels {right.shape}: one weight for each pixel")
        return float(np.average(right[truth.labelled], weights=weights[truth.labelled]))

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the model as one safetensors file, which :meth:`load` and ``hsi predict`` read; returns its path.

        Raises :class:`OutputError` where the file exists (unless ``overwrite``) or cannot be written.
        """
        check_is_fitted(self)
        with write_output(Path(path), overwrite) as part:
            save_model(part, self.bundle_)
        return Path(path)

    @classmethod
    def load(cls, path: Path | str, *, device: str = "auto", background: int = 0) -> HybridSNClassifier:
        """A fitted estimator from a file that :meth:`save`, ``hsi train`` or ``hsi classify`` wrote.

        Its parameters are what the training came to. Raises :class:`BundleError` for a file that is no model, and
        :class:`UsageError` where ``background`` is one of its classes.
        """
        bundle = load_model(Path(path))
        if background in bundle.table.ids:
            raise UsageError(f"background={background} is a class of {path}: choose another")
        values = _differences(bundle.settings)
        own = {name: values.pop(dotted) for name, dotted in PARAMETERS.items() if dotted in values}
        own |= {"device": device, "background": background, "random_state": bundle.settings.seed}
        estimator = cls(**own, settings=values or None)
        estimator._remember(bundle, np.dtype(np.int64))
        return estimator

    def _resolved(self) -> Settings:

        given = {dotted: getattr(self, name) for name, dotted in PARAMETERS.items()}
        given = {dotted: value for dotted, value in given.items() if value is not None}
        if self.model == Settings().model.name:  # not chosen: a network for fewer components may take its place
            given.pop("model.name")
        others = dict(self.settings or {})
        twice = sorted(others.keys() & {*given, "seed"})
        if twice:
            raise UsageError(f"{', '.join(twice)}: a parameter of its own, so leave it out of settings")
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        rule = {} if "split.rule" in others else {"split.rule": "all"}
        settings = load_settings(None, {**rule, **others, **given, "seed": int(seed)})
        if is_baseline(settings):
            raise UsageError(f"model='{self.model}' is a baseline and no network: hsi.classify(model=…) maps with it")
        return resolve_settings(settings)

    def _labels(self, y: LabelsLike, scene: Scene, X: SceneLike) -> LabelMap:
        """Labels of a scene; ``background`` is for arrays, since files and label maps have their own."""
        in_file = y is None or isinstance(y, (str, Path, LabelMap))
        options = InputSettings(background=None if in_file else self.background)
        labels = open_any_labels(y, scene, options, X if is_dataarray(X) else None)  # type: ignore[arg-type]
        if self.background in labels.table.ids:
            raise LabelError(f"background={self.background} is a class of these labels: choose another background")
        return labels

    def _remember(self, bundle: SavedModel, dtype: np.dtype[Any]) -> None:
        self.bundle_ = bundle
        self.classes_: NDArray[Any] = np.array(bundle.table.ids, dtype)
        self.class_names_ = bundle.table.names
        self.n_features_in_ = bundle.bands.of
        self.window_ = bundle.model.window
        self.settings_ = bundle.settings

    def _layers(self, X: SceneLike, probabilities: bool) -> Mapping[str, NDArray[Any]]:

        check_is_fitted(self)
        with report_to(reporter_for(self.progress)):
            match = self._matched(open_any_scene(X, InputSettings()))
            return map_in_memory(self.bundle_, match, device=resolve_device(self.device), probabilities=probabilities)

    def _matched(self, scene: Scene) -> BandMatch:

        try:
            scene, _, fill = adapt_scene(self.bundle_, scene, None, remedy="multiply X by {factor}")
            match = match_scene(self.bundle_, scene, device=self.device, fill=fill)
            warn_of_novel_pixels(self.bundle_, match)
            return match
        except BundleError as error:
            if len(scene.bands) == self.n_features_in_:
                raise
            expected = f"{type(self).__name__} is expecting {self.n_features_in_} features as input"
            raise BundleError(f"X has {len(scene.bands)} features, but {expected}: {error}") from None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "bundle_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


def _differences(settings: Settings) -> dict[str, Any]:
    """The settings, but for seed, device and split, that are not the defaults, by their dotted names."""
    changed = {}
    usual = Settings()
    for section in ("denoising", "reducer", "model", "training", "mapping"):
        values, others = getattr(settings, section), getattr(usual, section)
        for name in type(values).model_fields:
            if getattr(values, name) != getattr(others, name):
                changed[f"{section}.{name}"] = getattr(values, name)
    return changed
