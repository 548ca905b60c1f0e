"""Devices to compute on, and the memory that the C library keeps."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hsi.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """``auto`` (CUDA, then MPS, then CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` as a device of this machine.

    Raises :class:`DeviceError` for a device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise DeviceError(f"unknown device '{name}': use auto, cpu, cuda, cuda:1 or mps")
    device = torch.device(name)
    if device.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= found:
            raise DeviceError(f"device '{name}' asked for, but {found} CUDA devices are usable here: use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' asked for, but Apple's Metal is not available here: use --device cpu")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has no memory left for an array; torch has no type of it for CPUs."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release_memory(device: torch.device) -> None:
    """Give what torch holds on to of a device's memory back, so that smaller arrays find room."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """While it lasts torch uses only algorithms that give the same numbers every time, where that is ``wanted``.

    On a CPU those that it uses are so anyway. On CUDA this costs speed, and an operation that has no such algorithm
    raises RuntimeError. Call it before the first computation on CUDA, which reads ``CUBLAS_WORKSPACE_CONFIG``.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    kept = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        cudnn.deterministic, cudnn.benchmark = kept


def bfloat16_pays(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 natively; elsewhere it is emulated and slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def bfloat16_suits(device: torch.device, model: nn.Module, engine: str) -> bool:
    """Whether a network trains faster in bfloat16 there, and safely.

    On a CPU, depthwise layers on patches are up to 2.3 times slower in it, and PyTorch 2.13's backward of padded 3-D
    layers over few bands overruns its memory where the CPU has AMX (seen with 35 channels, a kernel of 3 x 1 x 1 and a
    depth of 3 or 4).
    """
    if device.type != "cpu" or not bfloat16_pays(device):
        return bfloat16_pays(device)
    layers = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Conv3d))]
    overruns = any(isinstance(layer, nn.Conv3d) and layer.padding[0] for layer in layers)
    depthwise = engine == "patch" and any(1 < layer.groups == layer.in_channels for layer in layers)
    return not (overruns or depthwise)


def describe_device(device: torch.device) -> str:
    """Name of the device for the report, with the number of threads on a CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return str(device)


TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of glibc's mallopt(3)
USUAL_TRIM, USUAL_MAPS = 64 << 20, 65_536  # where glibc's own adjustment ends, and its default


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """While it lasts, memory that is freed stays with the process; it is given back at the end.

    By default glibc asks the system for every large array anew and gives it back when it is freed; that the system
    clears each page again takes up to a third of the time of a training step on a CPU. Does nothing under another C
    library.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        library.mallopt(MMAP_MAX, USUAL_MAPS)
        library.mallopt(TRIM_THRESHOLD, USUAL_TRIM)
        library.malloc_trim(0)


def return_memory() -> None:
    """Give what is free now back to the system, so that holes between what is in use do not add up."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
