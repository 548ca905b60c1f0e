"""``hsi doctor``: what this installation has, what it can do here, and what is missing for which feature."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from hsi.version import DISTRIBUTION, install_hint
from hsi.workflows.provenance import machine, usable_cores, versions

from .cli_support.completion import cache_folder
from .cli_support.help import Command
from .cli_support.terminal import progress, say_wrapped

GOOD, LACKING, BROKEN = "ok", "missing", "broken"  # only what is broken keeps hsi from working
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
EXTRAS = {
    "vector": "labels from GeoPackage, Shapefile and GeoJSON",
    "xarray": "xarray.DataArray in and out of the Python interface",
    "denoise": "'hsi denoise' and --denoise",
    "cluster": "--workers and --scheduler",
    "export": "'hsi export --format onnx'",
    "samples": "'hsi fetch indian_pines' without a download",
}
NOT_FEATURES = ("all", "dev", "docs")
EPILOG = """\b
Examples:
  hsi doctor
  hsi doctor --json
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: ``state`` is ok, missing (something is not possible) or broken (hsi is not)."""

    section: str
    name: str
    state: str
    told: str


@click.command("doctor", cls=Command, epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(as_json: bool) -> None:
    """Say which versions, formats, devices, memory and extras there are, and what to install for what is missing.

    It ends with 1 only where hsi could not work.
    """
    checks = (check_packages, check_configs, check_drivers, check_devices, check_machine, check_folders, check_extras)
    findings: list[Finding] = []
    with progress("doctor", "checks") as advance:
        for done, check in enumerate(checks):
            advance(done, len(checks))
            findings += attempt(check)
    broken = [finding for finding in findings if finding.state == BROKEN]
    if as_json:
        told = {"works": not broken, "versions": versions(), "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(told, indent=2))
    else:
        show_findings(findings)
    if broken:
        raise click.exceptions.Exit(1)


def attempt(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What a check finds; one that fails itself is a finding, too."""
    try:
        return list(check())
    except Exception as error:
        name = check.__name__.removeprefix("check_")
        return [Finding(name, name, BROKEN, f"could not be looked at: {type(error).__name__}: {error}")]


def show_findings(findings: list[Finding]) -> None:
    """A line for each finding, those that are not well marked by their state."""
    for i, finding in enumerate(findings):
        first = i == 0 or findings[i - 1].section != finding.section
        marked = "" if finding.state == GOOD else f"{finding.state}: "
        say_wrapped(finding.section if first else "", f"{marked}{finding.name}: {finding.told}")
    broken = sum(finding.state == BROKEN for finding in findings)
    lacking = sum(finding.state == LACKING for finding in findings)
    if broken:
        say_wrapped("verdict", f"hsi cannot work here: {broken} things are broken, see above")
    else:
        say_wrapped(
            "verdict", f"hsi works here{f'; {lacking} things are missing for some features' if lacking else ''}"
        )


def requirements() -> dict[str, list[str]]:
    """Names of the packages that hsi needs, by extra; those it cannot do without are under the empty name."""
    found: dict[str, list[str]] = {"": []}
    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        package, _, marker = line.partition(";")
        name = re.split(r"[\s<>=!~\[(]", package.strip())[0]
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        found.setdefault(extra.group(1) if extra else "", []).append(name)
    return found


def version_of(package: str) -> str | None:
    """The installed version; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages() -> Iterator[Finding]:
    """Versions, and what cannot be done without."""
    found = versions()
    yield Finding("versions", "python", GOOD, f"{found['python']} on {found['platform']}")
    needed = {name: version_of(name) for name in requirements()[""]}
    listed = ", ".join(f"{name} {version}" for name, version in needed.items() if version)
    yield Finding("versions", f"hsi {found['hsi']}", GOOD, f"with {listed}")
    for name in (name for name, version in needed.items() if version is None):
        yield Finding("versions", name, BROKEN, f"is not installed: pip install {name}")


def check_configs() -> Iterator[Finding]:
    """The configurations that come with the package."""
    from hsi.core.files import config_dir

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
        return  # the extra says so
    yield from _drivers(VECTOR_DRIVERS, pyogrio.list_drivers())


def _drivers(wanted: dict[str, str], known: Any) -> Iterator[Finding]:
    for name, use in wanted.items():
        lacking = BROKEN if name in NEEDED_DRIVERS else LACKING
        yield Finding("formats", name, GOOD if name in known else lacking, use)


def check_devices() -> Iterator[Finding]:
    """What networks can run on."""
    import torch

    from hsi.core.devices import bfloat16_pays, describe_device, resolve_device

    cpu = torch.device("cpu")
    features = [torch.backends.cpu.get_cpu_capability()]
    features.append("bfloat16" if bfloat16_pays(cpu) else "no bfloat16, so training is in float32")
    yield Finding("devices", describe_device(cpu), GOOD, ", ".join(features))
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(i)
        number = "bfloat16" if bfloat16_pays(torch.device("cuda", i)) else "float32"
        yield Finding(
            "devices", f"cuda:{i}", GOOD, f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, {number}"
        )
    if not torch.cuda.is_available():
        built = "this torch is built without it" if torch.version.cuda is None else "no GPU is usable"
        yield Finding("devices", "cuda", GOOD, f"not here: {built}")
    if torch.backends.mps.is_available():
        yield Finding("devices", "mps", GOOD, "Apple's Metal")
    yield Finding("devices", "--device auto", GOOD, f"is {resolve_device('auto')}")


def check_machine() -> Iterator[Finding]:
    """Processor, threads and memory."""
    import psutil

    from hsi.core.memory import free_memory

    told = machine()
    yield Finding("machine", "processor", GOOD, str(told["processor"]))
    threads = f"{told['threads']} threads on {usable_cores()} usable cores; OMP_NUM_THREADS changes it"
    yield Finding("machine", "threads", GOOD, threads)
    memory = f"{free_memory() / 1e9:.1f} GB free of {psutil.virtual_memory().total / 1e9:.1f} GB"
    yield Finding("machine", "memory", GOOD, memory)


def check_folders() -> Iterator[Finding]:
    """Whether what can be made again can be kept, and temporary files written."""
    cache, temporary = cache_folder(), Path(tempfile.gettempdir())
    kept = {cache: "downloads and lists for completion", temporary: "temporary files"}
    for folder, use in kept.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield Finding("folders", str(folder), LACKING, f"cannot be written ({error.strerror}): no place for {use}")
        else:
            yield Finding("folders", str(folder), GOOD, f"can be written: {use}")


def check_extras() -> Iterator[Finding]:
    """What is installed beyond the needed."""
    for extra, packages in requirements().items():
        if not extra or extra in NOT_FEATURES:
            continue
        use = EXTRAS.get(extra, f"what the extra '{extra}' is for")
        lacking = [name for name in packages if version_of(name) is None]
        if lacking:
            told = f"needs {', '.join(lacking)}: {install_hint(extra)}"
            yield Finding("extras", extra, LACKING, f"{use} {told}")
        else:
            yield Finding("extras", extra, GOOD, use)
