"""What a run records about itself: its date, the time and memory of its stages, and the hashes of its inputs."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hsi.core.events import debug
from hsi.core.files import HASHED_AT_ONCE as HASHED_AT_ONCE
from hsi.core.files import hash_files as hash_files


def date_now() -> str:
    """Date and time in UTC with seconds, in ISO 8601: ``2026-11-29T06:12:03+00:00``."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class StageTimer:
    """Seconds by stage, in the order they were run, and ``cpu_seconds``, those of all threads of this process: they
    measure the work where others use the machine, too."""

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


def hash_inputs(*sources: Path | None, classes: Path | None = None) -> dict[str, str]:
    """SHA-256 of every file that holds these scenes and labels, and of a class file, by its path; what lies behind a
    network has none."""
    from hsi.io import files_of
    from hsi.io.formats.gdal import is_remote

    local = [source for source in sources if source is not None and not is_remote(source)]
    files = [path for source in local for path in files_of(source)]
    return hash_files([*files, classes] if classes else files)


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's other count starts with the peak of the process that this one was forked from
        kilobytes = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(kilobytes[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
