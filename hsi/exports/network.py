"""Export of a saved model to ONNX and TorchScript."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsi.errors import HsiError, UsageError
from hsi.inference.model_file import SavedModel
from hsi.preprocessing.reducers import Reducer
from hsi.version import __version__, install_hint

Shape = Literal["patch", "tile"]
Values = Literal["bands", "components"]


class Reduction(nn.Module):
    """A fitted linear reducer as a layer: ``(N, B, h, w)`` float32 bands to ``(N, K, h, w)`` components.

    Computed in float64, as by the reducer: components are small differences of large numbers. The components of a pixel
    with a NaN or an infinity, or of zeros only, are zero, as outside of a scene.
    """

    mean: Tensor
    weights: Tensor

    def __init__(self, reducer: Reducer) -> None:
        super().__init__()
        state = reducer.state()
        if "weights" not in state and "scale" not in state:
            raise UsageError(f"the {reducer.name} reducer is no matrix and cannot be exported: use --values components")
        weights = state["weights"] if "weights" in state else 1 / state["scale"]  # (B, K), or (B,)
        if "spectra" in state:
            square = weights if weights.ndim == 2 else np.diag(weights)
            weights = np.hstack([square, state["spectra"]])
        self.register_buffer("mean", torch.from_numpy(np.ascontiguousarray(state["mean"])))
        self.register_buffer("weights", torch.from_numpy(np.ascontiguousarray(weights)))

    def forward(self, bands: Tensor) -> Tensor:
        """``(N, B, h, w) -> (N, K, h, w)``."""
        ground = torch.isfinite(bands).all(dim=1, keepdim=True) & (bands != 0).any(dim=1, keepdim=True)
        pixels = torch.where(ground, bands, torch.zeros(())).permute(0, 2, 3, 1)  # (N, h, w, B)
        centred = pixels.to(torch.float64) - self.mean
        components = centred @ self.weights if self.weights.ndim == 2 else centred * self.weights
        return components.to(torch.float32).permute(0, 3, 1, 2) * ground.to(torch.float32)


class ExportedNetwork(nn.Module):
    """Class probabilities of pixels: the reduction, unless ``values`` are components, the network, its temperature.

    ``patch``: ``(N, C, window, window) -> (N, classes)``; ``tile``: ``(1, C, h, w) -> (1, classes, h - window + 1,
    w - window + 1)``. Without averages over symmetries and without blending.

    Raises :class:`UsageError` for tiles of a network without a shared trunk.
    """

    def __init__(self, saved: SavedModel, shape: Shape, values: Values) -> None:
        super().__init__()
        if shape == "tile" and not saved.model.shares_trunk:
            name = saved.settings.model.name
            raise UsageError(f"{name} pads or strides, so the windows of a tile share nothing: use --input patch")
        self.saved, self.shape, self.values = saved, shape, values
        self.network, self.temperature = saved.model, saved.temperature
        self.reduction = Reduction(saved.reducer) if values == "bands" else nn.Identity()
        self.folds = values == "bands"
        self.channels = len(saved.reducer.state()["mean"]) if values == "bands" else saved.model.components
        self.eval()

    def describe(self) -> dict[str, Any]:
        """The metadata that a program needs to use the file: see :func:`describe_export`."""
        return describe_export(self.saved, self.shape, self.values)

    def properties(self) -> dict[str, str]:
        """Further metadata of an ONNX file, for one program."""
        return {}

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs along axis 1."""
        return self.saved.table.names

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """The axes of input and output that have any length, by their numbers."""
        if self.shape == "patch":
            return {"input": {0: "patches"}, "probabilities": {0: "patches"}}
        return {"input": {2: "h", 3: "w"}, "probabilities": {2: "rows", 3: "columns"}}

    def forward(self, values: Tensor) -> Tensor:
        """Probabilities of the classes, which are axis 1."""
        components = self.reduction(values)
        network = self.network
        scores = network(components) if self.shape == "patch" else network.head_map(network.trunk(components))
        return torch.softmax(scores / self.temperature, dim=1)

    def example(self, rows: int = 3, columns: int = 4) -> Tensor:
        """Random input: ``rows`` patches, or a tile of ``rows x columns`` pixels."""
        generator = torch.Generator().manual_seed(rows)
        window = self.network.window
        size = (rows, window, window) if self.shape == "patch" else (1, rows + window - 1, columns + window - 1)
        components = torch.randn(size[0], self.network.components, *size[1:], generator=generator)
        if not isinstance(self.reduction, Reduction):
            return components
        weights, pixels = self.reduction.weights.float(), components.permute(0, 2, 3, 1)
        spread = pixels @ torch.linalg.pinv(weights) if weights.ndim == 2 else pixels / weights
        return (spread + self.reduction.mean.float()).permute(0, 3, 1, 2).contiguous()


def describe_export(saved: SavedModel, shape: Shape, values: Values) -> dict[str, Any]:
    """The metadata that a program needs to use the file: its input, window, bands and classes."""
    table, window = saved.table, saved.model.window
    count = len(saved.reducer.state()["mean"]) if values == "bands" else saved.model.components
    sides = {"patch": f"N x {count} x {window} x {window}", "tile": f"1 x {count} x h x w"}
    outputs = {"patch": f"N x {len(table)}", "tile": f"1 x {len(table)} x (h - {window - 1}) x (w - {window - 1})"}
    levels = {}
    if saved.levels is not None and values == "bands":
        levels = {"range": dict(zip(("low", "median", "high"), saved.levels.tolist(), strict=True))}
    reduction = {name: array.tolist() for name, array in saved.reducer.state().items()}
    return {
        "hsi": __version__,
        "model": saved.settings.model.name,
        "input": {"name": "input", "type": "float32", "shape": sides[shape], "values": values, **levels},
        "output": {
            "name": "probabilities",
            "type": "float32",
            "shape": outputs[shape],
            "of": "the pixel in the middle",
        },
        "window": window,
        "outside": "0 in all channels, around the scene and where there is no ground",
        "bands": asdict(saved.bands),
        "classes": {"ids": table.ids, "names": table.names, "colours": table.colours},
        "temperature": saved.temperature,
        "reducer": {"name": saved.reducer.name, **(reduction if values == "components" else {})},
    }


Format = Literal["onnx", "torchscript", "deepness", "folder"]
Scores = Callable[[NDArray[np.float32]], NDArray[np.float32]]
METADATA = "hsi"
TOLERANCE = 1e-4  # of a probability, between the file and the network
OPSET = 17
SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "deepness": ".onnx"}


class ExportError(HsiError, RuntimeError):
    """An exported file with other results than its network."""


def export_network(
    exported: ExportedNetwork,
    path: Path,
    form: Format,
    facts: Mapping[str, Any],
    properties: Mapping[str, str] | None = None,
) -> float:
    """Write a file, compare it with the network on other input, and return the largest difference.

    ``facts`` are its metadata "hsi", ``properties`` further metadata of an ONNX file.

    Raises :class:`ExportError` when it is more than rounding, :class:`UsageError` where a package is missing.
    """
    if form != "torchscript":
        need_onnx()
    with _quiet():
        if form != "torchscript":
            _write_onnx(exported, path, {METADATA: json.dumps(facts), **(properties or {})})
        else:
            traced = torch.jit.trace(exported, (exported.example(),), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, str(path), _extra_files={f"{METADATA}.json": json.dumps(facts)})
    other = exported.example(5, 7)
    with torch.no_grad():
        expected = exported(other).numpy()
    difference = float(np.abs(run_file(path, form)(other.numpy()) - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"the exported network differs from the saved one by {difference:.2g} in a probability")
    return difference


def need_onnx() -> None:
    """Raise :class:`UsageError` where the packages for ONNX files are missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UsageError(f"ONNX needs onnx and onnxruntime: {install_hint('export')} ({error})") from error


def _write_onnx(exported: ExportedNetwork, path: Path, properties: Mapping[str, str]) -> None:
    import onnx

    torch.onnx.export(
        exported, (exported.example(),), str(path), dynamo=False, opset_version=OPSET,
        input_names=["input"], output_names=["probabilities"], dynamic_axes=exported.axes,
    )  # fmt: skip
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def quantise(path: Path, out: Path) -> None:
    """Write an ONNX file with 8-bit weights and dynamic quantisation of activations.

    Convolutions and dense layers are quantised, the reduction, in float64, is not.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    double = {array.name for array in model.graph.initializer if array.data_type == onnx.TensorProto.DOUBLE}
    excluded = [node.name for node in model.graph.node if node.op_type == "MatMul" and double & set(node.input)]
    with _quiet():
        quantize_dynamic(
            path, out, op_types_to_quantize=["Conv", "MatMul", "Gemm"], weight_type=QuantType.QUInt8,
            nodes_to_exclude=excluded,
        )  # fmt: skip
    written = onnx.load(out)
    onnx.helper.set_model_props(written, {entry.key: entry.value for entry in model.metadata_props})
    onnx.save(written, out)


def run_file(path: Path, form: Format) -> Scores:
    """An exported file as a function from input to probabilities, on the CPU."""
    if form == "torchscript":
        with _quiet():
            loaded = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]

        def run_traced(values: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.no_grad():
                return np.asarray(loaded(torch.from_numpy(values)).numpy())

        return run_traced
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda values: np.asarray(session.run(None, {"input": values})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings of the libraries: that tracing is deprecated, and that it treats sizes as constants."""
    root = logging.getLogger()
    before = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)  # the quantiser logs to the root
        try:
            yield
        finally:
            root.setLevel(before)
