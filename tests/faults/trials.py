"""One hostile file after another in a process that may hang, die or take all memory without ending the run."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsi.errors import HsiError
from tests.faults.fuzz_targets import TARGETS, Seed, Target

READ, REFUSED = "read", "refused"
FINDINGS = ("crash", "hang", "memory", "died", "outside")
OUTCOMES = (READ, REFUSED, *FINDINGS)
SECONDS = 20  # for a file of some kilobytes; the slowest valid one takes less than one
GROWTH = 600 * 2**20  # bytes that a file of some kilobytes may make a process grow by, for a moment
ADDRESSES = 3 * 2**30  # bytes of address space on top of what the process has
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
NETWORK = ("socket.connect", "socket.getaddrinfo")
TORCH_CACHE = str(Path(tempfile.gettempdir()) / "torchinductor_")  # that torch makes when its optimisers are imported


@dataclass(frozen=True)
class Trial:
    """How reading a hostile file ended: one of :data:`OUTCOMES`, and in words why."""

    outcome: str
    why: str = ""
    seconds: float = 0.0
    growth: int = 0

    @property
    def is_finding(self) -> bool:
        """Whether it should not have ended so."""
        return self.outcome in FINDINGS


class Watch:
    """An audit hook that notes what Python code writes, starts, unpickles or connects to while it is ``on``."""

    def __init__(self) -> None:
        self.on, self.allowed, self.seen = False, "", list[str]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in FORBIDDEN or event in NETWORK:
            self.seen.append(f"{event} {arguments!r}"[:200])
        elif event in CHANGES or (event == "open" and _writes(*arguments)):
            if not str(Path(os.fsdecode(arguments[0])).absolute()).startswith((self.allowed, TORCH_CACHE)):
                self.seen.append(f"{event} {arguments[0]!r}")
        elif event == "open" and str(arguments[0]).endswith("passwd"):
            self.seen.append(f"reads {arguments[0]!r}")


def _writes(path: object, mode: object, flags: int) -> bool:
    # h5py, numpy and others open by number, and a file opened for reading is of no concern
    return isinstance(path, (str, bytes, os.PathLike)) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


class Trials:
    """Reads hostile files in forks of this process, which has no threads; a new one follows one that ended.

    ``folder`` is scratch space. Use as a context manager.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child, self._requests, self._answers = 0, -1, -1
        self._count = 0

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def run(self, target: Target, seed: Seed) -> Trial:
        """Read one file, within the limits of time and memory."""
        if not self._child:
            self._start()
        self._count += 1
        inside = self.folder / f"t{self._count}" / "a" / "b" / "c"
        started = time.monotonic()
        seed.write(inside)
        answer = self._ask({"target": target.name, "inside": str(inside), "opened": seed.opened})
        _remove(self.folder / f"t{self._count}")
        return Trial(**{"seconds": time.monotonic() - started, **answer})

    def _ask(self, request: dict[str, str]) -> dict[str, Any]:
        os.write(self._requests, json.dumps(request).encode() + b"\n")
        ready, _, _ = select.select([self._answers], [], [], SECONDS)
        if not ready:
            self._end()
            return {"outcome": "hang", "why": f"no end after {SECONDS} s"}
        answer = b""
        while not answer.endswith(b"\n"):
            part = os.read(self._answers, 65536)
            if not part:
                return {"outcome": "died", "why": self._reap()}
            answer += part
        return dict(json.loads(answer))

    def _reap(self) -> str:
        _, status = os.waitpid(self._child, 0)
        code = os.waitstatus_to_exitcode(status)
        self._close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _end(self) -> None:
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            self._reap()

    def _close(self) -> None:
        os.close(self._requests)
        os.close(self._answers)
        self._child = 0

    def _start(self) -> None:
        requests, to_child = os.pipe()
        from_child, answers = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(requests)
            os.close(answers)
            self._requests, self._answers = to_child, from_child
            return
        os.close(to_child)
        os.close(from_child)
        try:
            _serve(requests, answers)
        finally:
            os._exit(0)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _serve(requests: int, answers: int) -> None:
    """Answer requests until there is none; runs in the fork."""
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESSES, size + ADDRESSES))
    _quiet()
    watch = Watch()
    with os.fdopen(requests, encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            answer = _attempt(request["target"], Path(request["inside"]), request["opened"], watch)
            os.write(answers, json.dumps(answer).encode() + b"\n")


def _quiet() -> None:
    """Libraries print what they think of damaged files."""
    import warnings

    warnings.simplefilter("ignore")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _attempt(name: str, inside: Path, opened: str, watch: Watch) -> dict[str, Any]:
    top = inside.parents[2]
    before, resident = _tree(top), _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    with watched(watch, inside / "out"):
        outcome, why = _outcome(name, inside / opened)
    growth = _status("VmHWM") - resident
    outside = watch.seen + _changes(before, _tree(top), inside / "out")
    if outside:
        outcome, why = "outside", "; ".join(outside[:3])
    elif growth > GROWTH and outcome in (READ, REFUSED):
        outcome, why = "memory", f"grew by {growth / 2**20:,.0f} MiB; {why}"
    return {"outcome": outcome, "why": why[:600], "growth": growth}


def _outcome(name: str, path: Path) -> tuple[str, str]:
    try:
        TARGETS[name].read(path)
    except HsiError as error:
        return ("memory" if _lacked_memory(error) else REFUSED), _one_line(error)
    except BaseException as error:
        return ("memory" if _lacked_memory(error) else "crash"), f"{_one_line(error)} at {_place(error)}"
    return READ, ""


@contextmanager
def watched(watch: Watch, allowed: Path) -> Iterator[None]:
    """Note what is written outside of ``allowed`` in a block."""
    watch.allowed, watch.seen, watch.on = str(allowed), [], True
    try:
        yield
    finally:
        watch.on = False


def _lacked_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that memory was asked for which there was not."""
    while error is not None:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _place(error: BaseException) -> str:
    """The innermost line of this project that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/hsi/" in frame.filename or "/pipelines/" in frame.filename]
    own = [frame for frame in own if "/site-packages/" not in frame.filename] or list(frames)
    return f"{Path(own[-1].filename).name}:{own[-1].lineno} ({frames[-1].name})"


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _tree(top: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in top.rglob("*"):
        status = path.lstat()
        found[str(path)] = (0, 0) if path.is_dir() else (status.st_size, status.st_mtime_ns)
    return found


def _changes(before: dict[str, Any], after: dict[str, Any], allowed: Path) -> list[str]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"changed {name}" for name in names if not name.startswith(str(allowed))]
