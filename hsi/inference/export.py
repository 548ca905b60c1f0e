"""Saved models as ONNX and TorchScript files, checked against the network that they were made from.

The graph is traced. Of PyTorch's two ONNX exporters this is the one that traces: the other takes from half a minute to
several minutes for the same graph, and TorchScript needs the trace anyway.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hsi.errors import HsiError, UsageError
from hsi.inference.deployed import Deployed

Format = Literal["onnx", "torchscript"]
Scores = Callable[[NDArray[np.float32]], NDArray[np.float32]]
METADATA = "hsi"
TOLERANCE = 1e-4  # of a probability, between the file and the network
OPSET = 17
SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt"}


class ExportError(HsiError, RuntimeError):
    """A file that does not compute what the network does."""


def export(deployed: Deployed, path: Path, form: Format, facts: Mapping[str, Any]) -> float:
    """Write a file and compare it with the network on input of another size: the largest difference of probabilities.

    Raises :class:`ExportError` when that is no rounding, :class:`UsageError` where a package is missing.
    """
    if form == "onnx":
        need_onnx()
    with _quiet():
        if form == "onnx":
            _write_onnx(deployed, path, facts)
        else:
            traced = torch.jit.trace(deployed, (deployed.example(),), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, str(path), _extra_files={f"{METADATA}.json": json.dumps(facts)})
    other = deployed.example(5, 7)
    with torch.no_grad():
        expected = deployed(other).numpy()
    difference = float(np.abs(run_file(path, form)(other.numpy()) - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(f"the exported network differs from the saved one by {difference:.2g} in a probability")
    return difference


def need_onnx() -> None:
    """Raise :class:`UsageError` where ONNX files can be neither written nor run."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UsageError(f"ONNX needs onnx and onnxruntime: pip install 'hsi[export]' ({error})") from error


def _write_onnx(deployed: Deployed, path: Path, facts: Mapping[str, Any]) -> None:
    import onnx

    if deployed.shape == "patch":
        axes = {"input": {0: "patches"}, "probabilities": {0: "patches"}}
    else:
        axes = {"input": {2: "h", 3: "w"}, "probabilities": {2: "rows", 3: "columns"}}
    torch.onnx.export(
        deployed, (deployed.example(),), str(path), dynamo=False, opset_version=OPSET,
        input_names=["input"], output_names=["probabilities"], dynamic_axes=axes,
    )  # fmt: skip
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA: json.dumps(facts)})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def quantise(path: Path, out: Path) -> None:
    """An ONNX file with 8-bit weights; activations become 8-bit as they come (dynamic quantisation).

    Convolutions and dense layers; the reduction, which works in float64, stays as it is.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    double = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.DOUBLE}
    kept = [node.name for node in model.graph.node if node.op_type == "MatMul" and double & set(node.input)]
    with _quiet():
        quantize_dynamic(
            path, out, op_types_to_quantize=["Conv", "MatMul", "Gemm"], weight_type=QuantType.QUInt8,
            nodes_to_exclude=kept,
        )  # fmt: skip
    written = onnx.load(out)
    onnx.helper.set_model_props(written, {one.key: one.value for one in model.metadata_props})
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
    """Without what the libraries warn of: that tracing is old, and that it takes sizes for constants, which are."""
    import logging

    root = logging.getLogger()
    before = root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root.setLevel(logging.ERROR)  # the quantiser logs to the root
        try:
            yield
        finally:
            root.setLevel(before)
