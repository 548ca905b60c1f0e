"""What the wheel holds, and that it works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT

PARTS = ("hsi", "pipelines", "configs", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what it is made of."""
    source = tmp_path_factory.mktemp("source")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (source / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(folder, *arguments):
    """Run Python with nothing of ours on its path but an unpacked wheel."""
    elsewhere = folder.parent
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=60)


def test_hsi_is_the_only_package(files):
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hsi"}
    assert len(tops) == 2


def test_every_module_is_inside(files):
    for folder, place in (("hsi", "hsi"), ("pipelines", "hsi/pipelines")):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"{place}/{path.relative_to(ROOT / folder).as_posix()}" in files


def test_every_configuration_is_inside(files):
    paths = list((ROOT / "configs").rglob("*.yaml"))
    assert any(path.parent.name == "scenes" for path in paths)
    for path in paths:
        assert f"hsi/configs/{path.relative_to(ROOT / 'configs').as_posix()}" in files


def test_what_reports_are_made_of_is_inside(files):
    paths = [
        path for folder in ("static", "templates") for path in (ROOT / "hsi" / "report" / "html" / folder).iterdir()
    ]
    assert {path.suffix for path in paths} == {".css", ".js", ".html"}
    assert {path.relative_to(ROOT).as_posix() for path in paths} <= files


def test_types_and_licence_are_inside(files):
    assert "hsi/py.typed" in files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files)


def test_nothing_else_is_inside(files):
    assert not [name for name in files if "tests/" in name or "__pycache__" in name or name.endswith((".mat", ".pyc"))]


def test_the_command_is_declared(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "hsi = hsi.pipelines.cli:main" in archive.read(name).decode()


def test_the_wheel_finds_its_configurations_away_from_the_checkout(unpacked):
    program = "import hsi; from hsi.core.files import config_dir; print(hsi.__file__); print(config_dir())"
    done = python(unpacked, "-c", program)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [str(unpacked / "hsi" / "__init__.py"), str(unpacked / "hsi" / "configs")]


def test_the_command_of_the_wheel_works(unpacked):
    done = python(unpacked, "-m", "hsi.pipelines.cli", "fetch", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "indian_pines" in done.stdout
