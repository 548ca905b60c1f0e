"""What the wheel contains, and that it works where there is no checkout."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hsi import version
from hsi.core.synthetic import make_scene
from hsi.version import DISTRIBUTION, __version__
from tests.conftest import QUICK, ROOT

PARTS = ("hsi", "pipelines", "configs", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")


def check_call(*command, cwd, **environment):
    """The stdout of a command that has to succeed."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what it is made of."""
    source = tmp_path_factory.mktemp("source")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    check_call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=source)
    (path,) = (source / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_hsi_is_the_only_package(wheel, files):
    information = f"{DISTRIBUTION.replace('-', '_')}-{__version__}.dist-info"
    assert wheel.name == f"{DISTRIBUTION.replace('-', '_')}-{__version__}-py3-none-any.whl"
    assert {name.split("/")[0] for name in files} == {"hsi", information}
    assert f"{information}/licenses/LICENSE" in files


def test_every_module_and_file_of_the_packages_is_inside(files):
    folders = {"hsi": "hsi", "pipelines": "hsi/pipelines", "configs": "hsi/configs"}
    suffixes = {".py", ".typed", ".yaml", ".css", ".js", ".html"}
    expected = {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, place in folders.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes
    }
    assert {name for name in files if ".dist-info/" not in name} == expected | {"hsi/py.typed"}


def test_hints_name_what_can_be_installed_here(monkeypatch, tmp_path):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["name"] == DISTRIBUTION
    extras = set(setup["options.extras_require"])
    (named,) = setup["options.extras_require"]["all"].splitlines()
    assert named == f"{DISTRIBUTION}[{','.join(sorted(extras - {'all', 'dev', 'docs'}))}]"
    assert version.install_hint("export") == "pip install -e '.[export]' in the checkout's folder"
    monkeypatch.setattr(version, "__file__", str(tmp_path / "hsi" / "version.py"))
    assert version.install_hint("export") == f"pip install '{DISTRIBUTION}[export]'"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """``bin`` of a fresh environment with the wheel; its dependencies are those of the environment of the tests."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder)
    (site,) = (folder / "lib").glob("python*/site-packages")
    # folders listed here are searched, but .pth files in them, such as that of an editable install, are not read
    (site / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    pip = ("-m", "pip", "--python", folder / "bin" / "python", "--quiet", "--disable-pip-version-check")
    check_call(sys.executable, *pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return folder / "bin"


@pytest.mark.slow
def test_a_fresh_environment_classifies_a_scene(installed, tmp_path):
    cube, labels, _ = make_scene(30, 30, bands=20, classes=3, field=10, seed=1)
    np.savez(tmp_path / "scene.npz", cube=cube, gt=labels)
    quiet = {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    place = check_call(installed / "python", "-c", "import hsi; print(hsi.__file__)", cwd=tmp_path, **quiet)
    assert Path(place).is_relative_to(installed.parent)
    options = (*QUICK, "--no-symmetries", "--no-blend", "--out", "run")
    check_call(installed / "hsi", "classify", "scene.npz", *options, cwd=tmp_path, **quiet)
    assert {"map.tif", "report.html", "model.safetensors"} <= {path.name for path in (tmp_path / "run").iterdir()}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["versions"]["hsi"] == __version__
    listed = check_call(installed / "hsi", "fetch", "--list", cwd=tmp_path, **quiet)
    assert "indian_pines" in listed  # from the configurations in the wheel
    findings = json.loads(check_call(installed / "hsi", "doctor", "--json", cwd=tmp_path, **quiet))["findings"]
    assert {"cluster", "vector"} <= {finding["name"] for finding in findings if finding["section"] == "extras"}
