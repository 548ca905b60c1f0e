"""The scripts in ``examples/``, each in a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
SCRIPTS = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}


def run_script(name, *arguments, cwd):
    """The printed lines of an example."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPTS[name]), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_script_is_run():
    assert set(SCRIPTS) == {"classify_benchmark", "compare_with_svm", "map_next_scene", "new_baseline", "scikit_learn"}


def test_classify_benchmark(scenes, tmp_path):
    lines = run_script("classify_benchmark", scenes["mat"], cwd=tmp_path)
    assert len(lines) == 5 and lines[-1].startswith("OA ")


def test_map_next_scene(scenes, tmp_path):
    labels = scenes["tiff"].with_name("scene_gt.tif")
    lines = run_script("map_next_scene", scenes["tiff"], labels, scenes["tiff"], cwd=tmp_path)
    assert len(lines) == 5 and lines[-1].startswith("unclassified")
    assert (tmp_path / "map.tif").is_file()


def test_compare_with_svm(scenes, tmp_path):
    lines = run_script("compare_with_svm", scenes["mat"], tmp_path / "all", cwd=tmp_path)
    assert [line.split()[0] for line in lines] == ["hybridsn-bn", "svm"]


@pytest.mark.parametrize("name", ["new_baseline", "scikit_learn"])
def test_scripts_without_a_scene(name, tmp_path):
    assert "%" in run_script(name, cwd=tmp_path)[-1]
