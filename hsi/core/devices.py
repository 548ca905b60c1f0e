"""Devices to compute on, their precision, and the memory that the C library retains."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hsi.core.memory import glibc
from hsi.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """``auto`` (CUDA, then MPS, then CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` as a device of this machine.

    Another accelerator that PyTorch finds, such as ``xpu``, is accepted by its name. Raises :class:`DeviceError` for a
    device that is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is not None and name == accelerator.type:
        return torch.device(name)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise DeviceError(f"unknown device '{name}': use auto, cpu, cuda, cuda:1 or mps")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(f"device '{name}' asked for, but {count} CUDA devices are usable here: use --device cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device 'mps' asked for, but Apple's Metal is not available here: use --device cpu")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device has no memory left for an array; for CPUs torch raises a plain ``RuntimeError``."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release_memory(device: torch.device) -> None:
    """Return the cached memory of a device, so that other arrays can be allocated."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def read_generator(device: torch.device) -> torch.Tensor:
    """The state of a device's random generator."""
    if device.type == "cpu":
        return torch.get_rng_state()
    module: Any = torch.get_device_module(device)
    state: torch.Tensor = module.get_rng_state(*_index_of(device))
    return state


def set_generator(device: torch.device, state: torch.Tensor) -> None:
    """Let a device's random generator continue from a state of :func:`read_generator`."""
    if device.type == "cpu":
        torch.set_rng_state(state)
        return
    module: Any = torch.get_device_module(device)
    module.set_rng_state(state, *_index_of(device))


def _index_of(device: torch.device) -> tuple[torch.device, ...]:
    return () if device.type == "mps" else (device,)  # Metal has one device, and its functions no such argument


@contextmanager
def restore_generators(device: torch.device) -> Iterator[None]:
    """The random generators of the CPU and of a device are afterwards as they were before the block."""
    states = {one: read_generator(one) for one in {torch.device("cpu"), device}}
    try:
        yield
    finally:
        for one, state in states.items():
            set_generator(one, state)


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Within the block torch uses only deterministic algorithms, if ``wanted``.

    On a CPU they are deterministic anyway. On CUDA this costs speed, and an operation without such an algorithm raises
    RuntimeError. Call it before the first computation on CUDA, which reads ``CUBLAS_WORKSPACE_CONFIG``.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    cudnn_before = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        cudnn.deterministic, cudnn.benchmark = cudnn_before


def bfloat16_pays(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 natively; where it is emulated, it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def bfloat16_suits(device: torch.device, model: nn.Module, engine: str) -> bool:
    """Whether a network trains faster in bfloat16 on a device, and safely.

    On a CPU, depthwise layers on patches are up to 2.3 times slower in it, and PyTorch 2.13's backward of padded 3-D
    layers over few bands overruns its memory where the CPU has AMX (with 35 channels, a kernel of 3 x 1 x 1 and a depth
    of 3 or 4).
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


def list_devices() -> dict[str, str]:
    """The devices of this machine and what each computes in, for people; the last is what ``auto`` stands for."""
    cpu = torch.device("cpu")
    number = "bfloat16" if bfloat16_pays(cpu) else "no bfloat16, so training is in float32"
    devices = {describe_device(cpu): f"{torch.backends.cpu.get_cpu_capability()}, {number}"}
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(i)
            number = "bfloat16" if bfloat16_pays(torch.device("cuda", i)) else "float32"
            devices[f"cuda:{i}"] = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, {number}"
    else:
        built = "this torch is built without it" if torch.version.cuda is None else "no GPU is usable"
        devices["cuda"] = f"not here: {built}"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple's Metal"
    return {**devices, "--device auto": f"is {resolve_device('auto')}"}


TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of glibc's mallopt(3)
USUAL_TRIM, USUAL_MAPS = 64 << 20, 65_536  # the limit of glibc's own adjustment, and its default


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """Within the block freed memory stays with the process; it is returned at the end.

    By default glibc requests memory from the system for every large array and returns it when the array is freed; since
    the system clears each page, this takes up to a third of a training step on a CPU. No effect with other C libraries.
    """
    library = glibc()
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
