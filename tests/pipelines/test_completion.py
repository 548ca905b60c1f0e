"""What a shell completes, asked as a shell asks, and by a real bash."""

import os
import shutil
import subprocess
import sys

import pytest

from hsi.baselines import BASELINES
from hsi.experiments.figures import COMPARISON_FIGURES
from hsi.models import MODELS
from hsi.preprocessing.denoisers import DENOISERS
from hsi.report.figures import RUN_FIGURES
from pipelines.cli import COMMANDS
from pipelines.cli_support.completion import model_names
from tests.conftest import ROOT


@pytest.fixture
def answers(tmp_path, monkeypatch, capsys):
    """The words that complete a line: ``answers("hsi", "plot", "--fig")``."""
    from pipelines.cli import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def ask(*words):
        monkeypatch.setenv("_HSI_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit) as stop:
            main([])
        assert stop.value.code == 0
        told = capsys.readouterr()
        assert told.err == ""
        return [line.partition(",")[2] for line in told.out.splitlines() if line]

    return ask


def test_commands(answers):
    assert answers("hsi", "") == list(COMMANDS)
    assert answers("hsi", "pl") == ["plot"]
    assert answers("hsi", "nothing") == []
    assert "--quiet" in answers("hsi", "--q")


def test_options(answers):
    assert set(answers("hsi", "plot", "--f")) == {"--figure", "--format", "--font-size"}
    assert set(answers("hsi", "classify", "--lr")) == {"--lr", "--lr-schedule"}


def test_models_of_both_kinds(answers):
    assert answers("hsi", "classify", "--model", "hybridsn-bn-") == ["hybridsn-bn-cbam", "hybridsn-bn-se"]
    assert answers("hsi", "train", "--model", "svm") == ["svm", "svm-window"]
    assert answers("hsi", "compare", "--models", "svm,rf,kn") == ["svm,rf,knn"]


def test_other_names(answers):
    assert answers("hsi", "plot", "runs", "--figure", "r") == ["reliability"]
    assert answers("hsi", "plot", "--figure", "") == [*RUN_FIGURES, *COMPARISON_FIGURES]
    assert answers("hsi", "classify", "--split", "kfold-b") == ["kfold-blocks"]
    assert answers("hsi", "classify", "--denoise", "") == answers("hsi", "denoise", "--method", "") == [*DENOISERS]
    assert answers("hsi", "classify", "--split", "gi") == ["given:"]
    assert answers("hsi", "classify", "--reducer", "m") == ["mnf"]
    assert answers("hsi", "classify", "--lr-schedule", "c") == ["constant", "cosine"]
    assert answers("hsi", "evaluate", "--design", "s") == ["simple", "stratified"]
    assert answers("hsi", "fetch", "indian") == ["indian_pines"]
    assert answers("hsi", "completion", "b") == ["bash"]


def test_an_unknown_command_has_no_options(answers):
    assert answers("hsi", "plto", "--f") == []


def test_model_names_are_kept_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    every = [*MODELS, *BASELINES]
    assert model_names() == every
    (store,) = tmp_path.rglob("models.json")
    assert model_names() == every
    store.write_text('{"key": ["older"], "names": ["gone"]}')
    assert model_names() == every
    store.write_text("[")
    assert model_names() == every
    monkeypatch.setenv("XDG_CACHE_HOME", str(store))  # a file, so nothing can be kept
    assert model_names() == every


def test_a_shell_that_is_not_known(run):
    done = run("completion", "fsih")
    assert (done.code, len(done.complaints)) == (2, 1)
    assert "did you mean fish" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_hsi(shell, run):
    done = run("completion", shell)
    assert done.code == 0
    assert f"_HSI_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_real_bash_completes(run, tmp_path):
    script = tmp_path / "hsi.bash"
    script.write_text(run("completion", "bash").stdout)
    command = tmp_path / "bin" / "hsi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipelines.cli "$@"\n')
    command.chmod(0o755)
    program = """
        source "$1"
        COMP_WORDS=(hsi plot --figure conf) COMP_CWORD=3
        _hsi_completion hsi conf --figure
        echo "${COMPREPLY[@]}"
        complete -p hsi
        """
    done = subprocess.run(
        ["bash", "--norc", "-c", program, "bash", str(script)],
        env={**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    completed, registered = done.stdout.splitlines()
    assert completed.split() == ["confidence", "confusion_matrix"]
    assert "_hsi_completion" in registered
