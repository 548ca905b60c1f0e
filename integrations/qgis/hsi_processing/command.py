"""The ``hsi`` command of another environment: where it is, and running it. Needs nothing of QGIS."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

HINT = "set it in Settings > Options > Processing > Providers > hsi"
# of QGIS' own Python, GDAL and PROJ, with which those of another environment do not work
OF_QGIS = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")
CONDA = ("miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba", ".conda")
SECONDS_TO_STOP = 30.0
PROGRESS = re.compile(r"progress: (\d+) % (.*)")


class CommandError(Exception):
    """``hsi`` is not found, or it failed; the text says why."""


class Cancelled(Exception):
    """The command was stopped because the user asked for it."""


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for a process of another environment, whose output is read line by line."""
    variables = {name: value for name, value in environ.items() if name not in OF_QGIS}
    output = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_COLOR": "1", "COLUMNS": "100", "HSI_PROGRESS": "lines"}
    return {**variables, **output}


def executables_in(folder: Path) -> Iterator[Path]:
    """``hsi`` in an environment's folder, on Linux, macOS or Windows; or ``folder``, where it is a file."""
    if folder.is_file():
        yield folder
    for name in ("bin/hsi", "Scripts/hsi.exe", "hsi", "hsi.exe"):
        if (folder / name).is_file():
            yield folder / name


def usual_places(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Where ``hsi`` may be: the search path, the active environment, then usual folders below ``home``."""
    on_path = shutil.which("hsi", path=environ.get("PATH"))
    if on_path:
        yield Path(on_path)
    folders = [Path(environ[name]) for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name)]
    folders += [home / ".local", home / ".venv", home / "venv", home / "hsi" / ".venv", home / "hsi" / "venv"]
    for parent in (home / ".virtualenvs", *(home / name / "envs" for name in CONDA)):
        with suppress(OSError):
            folders += sorted(parent.iterdir())
    for folder in [*folders, *(home / name for name in CONDA)]:
        yield from executables_in(folder)


@lru_cache
def version_of(path: Path) -> str | None:
    """The version of an executable ``hsi``; None where it is another program of that name, or does not start."""
    try:
        done = subprocess.run(
            [str(path), "--version"], env=clean_environment(os.environ), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, creationflags=_flags(),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"hsi, version (\S+)", done.stdout)
    return found[1] if found and done.returncode == 0 else None


def find_command(setting: str, environ: Mapping[str, str] = os.environ, home: Path | None = None) -> Path:
    """The executable ``hsi``: that of the environment in ``setting``, or the first in :func:`usual_places`.

    Raises :class:`CommandError` where there is none.
    """
    if setting.strip():
        given = Path(setting.strip()).expanduser()
        found = next(filter(version_of, executables_in(given)), None)
        if found is None:
            raise CommandError(f"{given}: holds no hsi that starts; {HINT}")
        return found
    found = next(filter(version_of, usual_places(environ, home or Path.home())), None)
    if found is None:
        raise CommandError(f"hsi is not found: install it, and if its environment is then not found, {HINT}")
    return found


def run_command(words: Sequence[str], on_line: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
    """Run a command and pass on what it prints, line by line.

    Raises :class:`CommandError` with its last error where it fails, and :class:`Cancelled` after it was stopped because
    ``cancelled()`` is true: it is asked to end, so that it removes what is unfinished, and killed with all processes
    that it started where it has not ended in :data:`SECONDS_TO_STOP`.
    """
    process = subprocess.Popen(
        list(words), env=clean_environment(os.environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", start_new_session=True, creationflags=_flags(),
    )  # fmt: skip
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    error = ""
    try:
        while True:
            if cancelled():
                stop_process(process)
                _drain(lines, on_line)
                raise Cancelled
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                break
            if line.startswith("error: "):
                error = line[len("error: ") :]
            on_line(line)
        code = process.wait()
    finally:
        if process.poll() is None:
            stop_process(process)
    if code:
        raise CommandError(error or f"hsi ended with exit code {code}")


def stop_process(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, wait for it, and kill what is left of its group."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()  # hsi passes it on to the process that works
    with suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_STOP)
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # the second on macOS, where it has ended
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read_lines(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Queue what a process prints, and None at the end."""
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.put(line.rstrip("\r\n"))
    lines.put(None)


def _drain(lines: queue.Queue[str | None], on_line: Callable[[str], None]) -> None:
    """Pass on what a process printed while it ended."""
    with suppress(queue.Empty):
        while (line := lines.get(timeout=1)) is not None:
            on_line(line)


def _flags() -> int:
    """On Windows no console window, and a group of its own, which can be interrupted."""
    if sys.platform == "win32":
        return subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    return 0
