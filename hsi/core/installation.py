"""What is installed, what this machine has, and what is missing for which feature: ``hsi doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hsi.core.events import progress
from hsi.core.files import cache_folder, config_dir
from hsi.core.memory import free_memory
from hsi.version import DISTRIBUTION, __version__, install_hint

GOOD, LACKING, BROKEN = "ok", "missing", "broken"  # hsi works unless something is broken
PACKAGES = (
    *("torch", "numpy", "scipy", "scikit-learn", "rasterio", "spectral", "safetensors", "pydantic", "h5py"),
    "geopandas",
)
RASTER_DRIVERS = {
    "GTiff": "GeoTIFF scenes and all maps",
    "COG": "--cog",
    "ENVI": "ENVI rasters as --georef, --mask and labels",
    "HDF5": "HDF5 products that hsi has no reader of its own for",
    "netCDF": "netCDF scenes that hsi has no reader of its own for",
    "VRT": "virtual mosaics",
}
VECTOR_DRIVERS = {"GPKG": "GeoPackage labels", "ESRI Shapefile": "Shapefile labels", "GeoJSON": "GeoJSON labels"}
NEEDED_DRIVERS = ("GTiff",)
# the use of every extra in setup.cfg; empty for those that add no feature
EXTRAS = {
    "vector": "labels from GeoPackage, Shapefile and GeoJSON",
    "xarray": "xarray.DataArray in and out of the Python interface",
    "zarr": "Zarr stores as scenes and labels",
    "denoise": "'hsi denoise' and --denoise",
    "cluster": "--workers and --scheduler",
    "export": "'hsi export --format onnx'",
    "label": "'hsi label'",
    "mlflow": "--track mlflow",
    "tensorboard": "--track tensorboard",
    "samples": "'hsi fetch indian_pines' without a download",
    **dict.fromkeys(("all", "dev", "docs"), ""),
}


@dataclass(frozen=True)
class Finding:
    """The result of a check: ``state`` is ok, missing (a feature is not available) or broken (hsi does not work)."""

    section: str
    name: str
    state: str
    text: str


def check_installation() -> list[Finding]:
    """Check packages, formats, devices, memory, folders and extras. A check that fails is a finding, too."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        *(check_packages, check_configs, check_drivers, check_devices, check_machine, check_folders, check_extras),
    )
    findings: list[Finding] = []
    with progress("doctor", "checks") as advance:
        for done, check in enumerate(checks):
            advance(done, len(checks))
            try:
                findings += check()
            except Exception as error:
                name = check.__name__.removeprefix("check_")
                text = f"could not be checked: {type(error).__name__}: {error}"
                findings.append(Finding(name, name, BROKEN, text))
    return findings


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that decide a result."""
    installed = {name: version_of(name) for name in PACKAGES}
    own = {"python": platform.python_version(), "platform": platform.platform(), "hsi": __version__}
    return own | {name: version for name, version in installed.items() if version is not None}


def machine() -> dict[str, str | int]:
    """The processor, how many of its cores this process may use, and the threads that it computes with."""
    torch = sys.modules.get("torch")  # without it the environment decides
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


def requirements() -> dict[str, list[str]]:
    """Names of the packages that hsi needs, by extra; those that it always needs are under the empty name."""
    packages: dict[str, list[str]] = {"": []}
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        package, _, marker = line.partition(";")
        name = re.split(r"[\s<>=!~\[(]", package.strip())[0]
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        packages.setdefault(extra.group(1) if extra else "", []).append(name)
    return packages


def version_of(package: str) -> str | None:
    """The installed version; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages() -> Iterator[Finding]:
    """Versions of Python, hsi and the packages that it needs."""
    yield Finding("versions", "python", GOOD, f"{platform.python_version()} on {platform.platform()}")
    needed = {name: version_of(name) for name in requirements()[""]}
    listed = ", ".join(f"{name} {version}" for name, version in needed.items() if version)
    yield Finding("versions", f"hsi {__version__}", GOOD, f"with {listed}")
    for name in (name for name, version in needed.items() if version is None):
        yield Finding("versions", name, BROKEN, f"is not installed: pip install {name}")


def check_configs() -> Iterator[Finding]:
    """The configurations that come with the package."""
    yield Finding("versions", "configurations", GOOD, str(config_dir()))


def check_drivers() -> Iterator[Finding]:
    """GDAL's formats."""
    import rasterio

    with rasterio.Env() as environment:
        known = environment.drivers()
    yield Finding("formats", "GDAL", GOOD, str(rasterio.__gdal_version__))
    yield from _drivers(RASTER_DRIVERS, known)
    try:
        import pyogrio
    except ImportError:
        return  # reported with the extras
    yield from _drivers(VECTOR_DRIVERS, pyogrio.list_drivers())


def _drivers(wanted: Mapping[str, str], known: Collection[str]) -> Iterator[Finding]:
    for name, use in wanted.items():
        lacking = BROKEN if name in NEEDED_DRIVERS else LACKING
        yield Finding("formats", name, GOOD if name in known else lacking, use)


def check_devices() -> Iterator[Finding]:
    """What networks can run on."""
    from hsi.core.devices import list_devices

    for name, text in list_devices().items():
        yield Finding("devices", name, GOOD, text)


def check_machine() -> Iterator[Finding]:
    """Processor, threads and memory."""
    import psutil

    here = machine()
    memory = f"{free_memory() / 1e9:.1f} GB free of {psutil.virtual_memory().total / 1e9:.1f} GB"
    threads = f"{here['threads']} threads on {here['cores']} usable cores; OMP_NUM_THREADS changes it"
    for name, text in {"processor": str(here["processor"]), "threads": threads, "memory": memory}.items():
        yield Finding("machine", name, GOOD, text)


def check_folders() -> Iterator[Finding]:
    """Whether the cache and temporary files can be written."""
    uses = {cache_folder(): "lists for completion", Path(tempfile.gettempdir()): "temporary files"}
    for folder, use in uses.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield Finding("folders", str(folder), LACKING, f"cannot be written ({error.strerror}): no place for {use}")
        else:
            yield Finding("folders", str(folder), GOOD, f"can be written: {use}")


def check_extras() -> Iterator[Finding]:
    """Which extras are installed."""
    for extra, packages in requirements().items():
        if not extra or not EXTRAS[extra]:
            continue
        lacking = [name for name in packages if version_of(name) is None]
        needs = f" needs {', '.join(lacking)}: {install_hint(extra)}" if lacking else ""
        yield Finding("extras", extra, LACKING if lacking else GOOD, f"{EXTRAS[extra]}{needs}")
