"""The QGIS plugin: its parameters and archive, its process, and its algorithms in the real QGIS where there is one."""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile

import pytest
import rasterio
from rasterio.features import shapes

from hsi.version import __version__
from integrations.qgis import build
from integrations.qgis.hsi_processing import command as plugin_command
from integrations.qgis.hsi_processing.command import Cancelled, CommandError, find_command, run_command
from tests.conftest import ROOT, names_in

NAMES = {3: "water", 7: "wheat", 200: "maize", 300: "meadow"}


def test_the_parameters_are_those_of_the_commands():
    assert json.loads(build.PARAMETERS.read_text(encoding="utf-8")) == build.describe_algorithms(), (
        "run: python docs/hooks.py"
    )
    assert f"\nversion={__version__}\n" in build.METADATA.read_text(encoding="utf-8")


def test_every_option_of_the_five_commands_is_a_parameter():
    described = {one["name"]: one["parameters"] for one in build.describe_algorithms()["algorithms"]}
    assert [*described] == ["classify", "train", "predict", "evaluate", "sample"]
    options = {one["option"] for one in described["classify"]}
    assert {"--labels", "--label-field", "--model", "--split", "--epochs", "--aoi", "--set", "--out"} <= options
    plain = [one["name"] for one in described["classify"] if not one.get("advanced")]
    assert plain == ["SCENE", "LABELS", "LABEL_FIELD", "MODEL", "SPLIT", "OUTPUT", "OVERWRITE", "VECTOR"]
    for parameters in described.values():
        names = [one["name"] for one in parameters]
        assert len(names) == len(set(names)) and not any("--" in one["label"] for one in parameters)


def test_the_archive_is_the_same_each_time_and_complete(tmp_path):
    for name in ("a.zip", "b.zip"):
        build.write_archive(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = {name.removeprefix("hsi_processing/") for name in archive.namelist()}
    tracked = {path.name for path in build.PLUGIN.iterdir() if path.is_file()}
    assert names == tracked | {"LICENSE"} and {"__init__.py", "metadata.txt", "parameters.json"} <= names


def test_the_plugin_imports_nothing_but_qgis_and_the_standard_library():
    imported = set()
    for path in build.PLUGIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    assert imported - sys.stdlib_module_names == {"qgis", "processing"}


def executable(path, text):
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="scripts of a shell")
class TestCommand:
    def test_the_environment_of_the_setting_is_used_before_others(self, tmp_path):
        first = executable(tmp_path / "path" / "hsi", "#!/bin/sh\necho 'hsi, version 1.0'\n")
        chosen = executable(tmp_path / "env" / "bin" / "hsi", "#!/bin/sh\necho 'hsi, version 2.0'\n")
        search = {"PATH": str(first.parent)}
        assert find_command(str(tmp_path / "env"), search, tmp_path) == chosen
        assert find_command(str(chosen), search, tmp_path) == chosen
        assert find_command("", search, tmp_path) == first

    def test_another_program_of_that_name_is_not_taken(self, tmp_path):
        other = executable(tmp_path / "path" / "hsi", "#!/bin/sh\necho 'HPSS storage interface'\n")
        search = {"PATH": str(other.parent)}
        with pytest.raises(CommandError, match=r"hsi is not found.*Settings > Options > Processing"):
            find_command("", search, tmp_path)
        found = executable(
            tmp_path / "miniforge3" / "envs" / "land" / "bin" / "hsi", "#!/bin/sh\necho 'hsi, version 3'\n"
        )
        assert find_command("", search, tmp_path) == found
        with pytest.raises(CommandError, match="holds no hsi that starts"):
            find_command(str(other.parent))

    def test_its_lines_and_its_last_error_are_passed_on(self, monkeypatch):
        monkeypatch.setenv("PROJ_LIB", "/of/qgis")
        monkeypatch.setenv("PYTHONHOME", "/of/qgis")
        lines = []
        run_command(["sh", "-c", "echo one; echo ${PROJ_LIB-none}${PYTHONHOME-none} >&2"], lines.append, lambda: False)
        assert lines == ["one", "nonenone"]
        with pytest.raises(CommandError, match=r"^a: no such file$"):
            run_command(["sh", "-c", "echo 'error: a: no such file'; exit 2"], lines.append, lambda: False)

    def test_cancelling_ends_all_its_processes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(plugin_command, "SECONDS_TO_STOP", 0.2)
        lines = []
        script = "trap 'echo asked' TERM; sleep 60 & echo $!; while true; do wait; done"
        with pytest.raises(Cancelled):
            run_command(["sh", "-c", script], lines.append, lambda: bool(lines))
        assert lines[1:] == ["asked"]
        deadline = time.monotonic() + 10
        while running(int(lines[0])) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not running(int(lines[0]))


def running(number):
    """Whether a process runs; one that has ended and is not waited for does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def find_qgis():
    """``qgis_process``: where Debian has a script of that name that passes a wrong option on, the program itself."""
    return shutil.which("qgis_process.bin") or shutil.which("qgis_process")


def works(*words):
    """Whether a program runs and succeeds."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(words, env=environment, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def qgis(tmp_path_factory):
    """Run ``qgis_process`` or its Python with the plugin of this checkout: ``qgis(*words) -> stdout``."""
    program, python = find_qgis(), "/usr/bin/python3"
    home = tmp_path_factory.mktemp("qgis")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **{"QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(home), "HOME": str(home), "OMP_NUM_THREADS": "1"},
        **{"QGIS_CUSTOM_CONFIG_PATH": str(home), "QGIS_PLUGINPATH": str(ROOT / "integrations" / "qgis")},
        **{"PYTHONDONTWRITEBYTECODE": "1", "HSI_ENVIRONMENT": str(home / "env")},
    }

    def run(*words, code=0):
        inside = words[0].startswith("in_qgis")
        before = [python, str(ROOT / "tests" / "integrations" / "in_qgis.py")] if inside else [program]
        done = subprocess.run(
            [*before, *map(str, words[inside:])], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if inside else done.stdout + done.stderr

    if not program or not works(python, "-c", "import qgis.core") or not works(program, "help", "native:buffer"):
        pytest.skip("QGIS is not installed")
    profile = home / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    profile.parent.mkdir(parents=True)
    profile.write_text(
        "[PythonPlugins]\nhsi_processing=true\nprocessing=true\n\n"
        f"[Processing]\nConfiguration\\HSI_ENVIRONMENT={home / 'env'}\n"
    )
    script = f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m pipelines.cli \"$@\"\n"
    executable(home / "env" / "bin" / "hsi", script)
    return run


@pytest.fixture(scope="module")
def fields(scenes, sample, tmp_path_factory):
    """The labels of the sample as polygons: a GeoPackage with two layers."""
    geopandas = pytest.importorskip("geopandas")
    from shapely.geometry import shape

    with rasterio.open(scenes["tiff"]) as raster:
        crs, transform = raster.crs, raster.transform
    found = shapes(sample.truth, mask=sample.truth > 0, transform=transform)
    areas = [(shape(polygon), NAMES[int(value)]) for polygon, value in found]
    frame = geopandas.GeoDataFrame({"landcover": [name for _, name in areas]}, geometry=[one for one, _ in areas])
    path = tmp_path_factory.mktemp("fields") / "fields.gpkg"
    frame.set_crs(crs).to_file(path, layer="fields")
    frame[:1].set_crs(crs).to_file(path, layer="other")
    return path


@pytest.mark.slow
class TestInQgis:
    def test_classify_gives_the_map_of_the_command(self, qgis, run, scenes, fields, tmp_path):
        words = (f"--SCENE={scenes['tiff']}", f"--LABELS={fields}|layername=fields", "--LABEL_FIELD=landcover")
        shown = qgis("run", "hsi:classify", *words, "--MODEL=knn", "--FIGURES=no", f"--OUTPUT={tmp_path / 'a'}")
        assert "training    on the" in shown and "100 - done" in shown
        assert f"MAP:\t{tmp_path / 'a' / 'map.tif'}" in shown and f"REPORT:\t{tmp_path / 'a' / 'report.html'}" in shown
        assert f"Report: file://{tmp_path / 'a' / 'report.html'}" in shown
        labels = ("--labels", fields, "--label-layer", "fields", "--label-field", "landcover")
        done = run("classify", scenes["tiff"], *labels, "--model", "knn", "--no-figures", "--out", tmp_path / "b")
        assert done.code == 0, done.stderr
        assert (tmp_path / "a" / "map.tif").read_bytes() == (tmp_path / "b" / "map.tif").read_bytes()
        seen = json.loads(qgis("in_qgis", "map", tmp_path / "a" / "map.tif"))
        with rasterio.open(tmp_path / "a" / "map.tif") as raster:
            colours = raster.colormap(1)
        table = enumerate(sorted(NAMES.values()), 1)
        assert seen["renderer"] == "paletted" and seen["nodata"] == [0] and seen["crs"] == "EPSG:32616"
        assert seen["entries"] == [[i, name, "#{:02x}{:02x}{:02x}".format(*colours[i])] for i, name in table]

    def test_what_is_wrong_is_said_once_and_writes_nothing(self, qgis, scenes, fields, tmp_path):
        shown = qgis("run", "hsi:sample", f"--MAP={scenes['tiff']}", f"--OUTPUT={tmp_path / 'points.gpkg'}", code=1)
        assert "error: give either points, how many pixels to draw, or target_error" in shown
        shown = qgis("run", "hsi:classify", f"--SCENE={tmp_path / 'no.tif'}", f"--OUTPUT={tmp_path / 'out'}", code=1)
        assert "Hyperspectral scene: give a value that can be read" in shown
        assert names_in(tmp_path) == set()

    def test_cancelling_leaves_nothing_half_written(self, qgis, scenes, fields, tmp_path):
        seen = json.loads(qgis("in_qgis", "cancel", scenes["tiff"], f"{fields}|layername=fields", tmp_path / "out"))
        assert seen["results"] == {} and "train" in seen["lines"]
        assert any("interrupted" in line for line in seen["lines"])
        assert names_in(tmp_path) <= {".out.partial"}

    def test_layers_that_differ_from_their_files_are_copied(self, qgis, fields):
        path = f"{fields}|layername=fields"
        seen = json.loads(qgis("in_qgis", "words", path))
        assert seen == {
            "plain": ["the file", "--label-layer", "fields", 42, "EPSG:32616"],
            "filtered": ["copy", 8, "EPSG:32616"],
            "edited": ["copy", 43, "EPSG:32616"],
            "moved": ["copy", 42, "EPSG:32633"],
            "selected": ["copy", 1, "EPSG:32616"],
        }
