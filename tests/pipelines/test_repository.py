"""The repository without the code: configurations, pinned versions, and no paths of one machine."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hsi.experiments.spec import load_experiment, plan_runs
from hsi.settings import Settings, load_settings
from hsi.version import DISTRIBUTION
from hsi.workflows.resolve import check_names, resolve_settings
from tests.conftest import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
DEFAULT = ROOT / "configs" / "default.yaml"
NAME = re.compile(r"[A-Za-z0-9._-]+")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_loads(path):
    assert isinstance(load_settings(path), Settings)


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "experiments").glob("*.yaml")), ids=lambda path: path.name)
def test_every_row_of_every_experiment_can_be_run(path, tmp_path, monkeypatch):
    experiment = load_experiment(path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for split in experiment.splits:  # a published split is a file
        (tmp_path / "data" / f"{experiment.scene.path.stem}_{split.rule}.tif").write_bytes(b"II*")
    for run in plan_runs(experiment, str(path)):
        check_names(resolve_settings(run.settings))


def test_the_default_configuration_is_what_the_code_does():
    assert load_settings(DEFAULT) == Settings()


def test_the_default_configuration_is_written_from_the_declarations():
    program = "from docs.hooks import default_yaml; print(default_yaml(), end='')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == DEFAULT.read_text(), "run: python docs/hooks.py"


@pytest.fixture(scope="module")
def pinned():
    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return dict(re.fullmatch(r"([^=]+)==([^=]+)", line).groups() for line in lines if line)


def test_versions_are_pinned(pinned):
    assert pinned["torch"] == "2.13.0"


def test_every_direct_dependency_is_pinned(pinned):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *dict(setup["options.extras_require"]).values()]
    required = {NAME.match(line)[0].lower() for text in lists for line in text.split("\n") if line.strip()}
    assert required - {DISTRIBUTION} <= {name.lower().replace("_", "-") for name in pinned}


def tracked():
    """The files of the repository, with those that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_file_has_a_path_of_a_machine():
    paths = re.compile("|".join(rf"(?<![\w.>*-]){folder}/" for folder in ("/work", "/root", "/home/[a-z]", "/Users")))
    small = (path for path in tracked() if path.is_file() and path.stat().st_size < 2**21 and path != Path(__file__))
    assert not [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in small
        for match in paths.finditer(path.read_bytes().decode("utf-8", "ignore"))
    ]


def test_importing_the_library_brings_neither_the_commands_nor_torch():
    program = "import hsi, sys; print(*({'torch', 'click', 'rich', 'pipelines'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
