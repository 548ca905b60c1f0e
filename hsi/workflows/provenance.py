"""What a run writes down about itself: timings, versions, inputs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hsi.core.events import debug, progress
from hsi.version import __version__

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "rasterio",
    "spectral",
    "safetensors",
    "pydantic",
    "h5py",
    "geopandas",
)


HASHED_AT_ONCE = 2**22  # bytes


class StageTimer:
    """Seconds by stage, in the order they were run, and ``cpu_seconds``, those of all threads of this process: they
    tell the work where others use the machine, too."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block and add it to the stage of that name."""
        started, busy = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            took, worked = time.perf_counter() - started, time.process_time() - busy
            self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
            self.cpu_seconds[name] = round(self.cpu_seconds.get(name, 0.0) + worked, 3)
        debug("stage", f"{name}: {took:.2f} s, peak memory so far {peak_memory() / 10**9:.2f} GB")


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that decide a result."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "hsi": __version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int]:
    """The processor, how many of its cores this process may use, and the threads that it computes with."""
    torch = sys.modules.get("torch")  # what never needed it computes as the environment says
    threads_set = os.environ.get("OMP_NUM_THREADS", "")
    threads = torch.get_num_threads() if torch else int(threads_set) if threads_set.isdecimal() else usable_cores()
    return {"processor": _processor(), "cores": usable_cores(), "threads": threads}


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hash_files(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its path, with a progress bar; the same file is read once."""
    files = list(dict.fromkeys(paths))
    total, done, sums = sum(path.stat().st_size for path in files), 0, {}
    with progress("hash", "MB") as advance:
        for path in files:
            found = hashlib.sha256()
            with path.open("rb") as file:
                while part := file.read(HASHED_AT_ONCE):
                    found.update(part)
                    done += len(part)
                    advance(done // 10**6, total // 10**6, path.name)
            sums[str(path)] = found.hexdigest()
    return sums


def hash_inputs(*sources: Path | None) -> dict[str, str]:
    """SHA-256 of every file that holds these scenes and labels, by its path."""
    from hsi.io import files_of

    return hash_files(path for source in sources if source is not None for path in files_of(source))


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's other count starts with the peak of the process that this one was forked from
        kilobytes = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(kilobytes[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
