"""The examples at the end of every command's help are command lines that work."""

import shlex
import shutil

import click
import pytest

from pipelines.cli import COMMANDS, cli
from tests.conftest import run_here

CONTEXT = click.Context(cli)


def examples_of(name):
    """The examples of a command as lists of words, without ``hsi`` and without redirections of the shell."""
    command = cli if name == "hsi" else cli.get_command(CONTEXT, name)
    text = command.epilog.partition("Examples:")[2].replace("\\\n", " ")
    lines = [shlex.split(line) for line in text.splitlines() if line.strip()]
    assert all(words[0] == "hsi" for words in lines)
    return [words[1 : next((i for i, word in enumerate(words) if word.startswith(">")), None)] for words in lines]


ALL = [(name, words) for name in ("hsi", *COMMANDS) for words in examples_of(name)]
WITHOUT_SCENE = ("completion", "doctor")  # those of models are run in test_cli
QUICK = [words for _, words in ALL if words[0] in WITHOUT_SCENE or words[:2] == ["fetch", "--list"]]
OF_SCENE = [words for name, words in ALL if name in ("inspect", "plot") and ("--figure" in words or len(words) == 2)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_two(name):
    examples = examples_of(name)
    assert len(examples) >= 2
    assert all(words[0] == name for words in examples)


@pytest.mark.parametrize(("name", "words"), ALL, ids=[" ".join(words) for _, words in ALL])
def test_each_is_parsed(name, words):
    command = cli.get_command(CONTEXT, words[0])
    with command.make_context(words[0], words[1:]) as context:
        assert not context.args


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_those_that_need_no_scene_run(words, tmp_path):
    done = run_here(*words, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("words", OF_SCENE, ids=" ".join)
def test_those_of_a_scene_run_on_one(words, tmp_path, scenes, mat_run):
    (tmp_path / "data").mkdir()
    shutil.copy(scenes["mat"], tmp_path / "data" / "indian_pines.mat")
    shutil.copytree(mat_run.out, tmp_path / "runs" / "demo")
    done = run_here(*words, cwd=tmp_path)
    assert (done.code, done.complaints) == (0, [])
