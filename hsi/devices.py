"""Which device to compute on, and whether bfloat16 pays there."""

from __future__ import annotations

import re

import torch

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


def bfloat16_pays(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 natively; elsewhere it is emulated and slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def describe_device(device: torch.device) -> str:
    """Name of the device for the report, with the number of threads on a CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return str(device)
