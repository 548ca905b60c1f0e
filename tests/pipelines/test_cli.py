"""The ``hsi`` command itself: help, versions, the list of networks, and what is imported for them."""

import json
import subprocess
import sys
import textwrap

import pytest

from hsi.baselines import BASELINES
from hsi.version import __version__
from pipelines.cli import COMMANDS
from tests.conftest import ROOT, run_in_subprocess

PARAMETERS = {
    "hybridsn": "5,122,176",
    "hybridsn-bn": "5,122,416",
    "hybridsn-se": "5,122,688",
    "hybridsn-bn-se": "5,122,928",
    "hybridsn-cbam": "5,122,786",
    "hybridsn-bn-cbam": "5,123,026",
    "cnn1d": "74,176",
    "cnn2d": "295,036",
    "cnn3d": "45,196",
    "ssrn": "364,168",
    "hybridsn-ds": "4,815,616",
    "hybridsn-ds-gap": "55,808",
    "mobilenet-v1": "141,776",
    "resnet": "177,376",
    "ssftt": "149,128",
}


def imported_by(commands, cwd):
    """What each command of a list of argument lists has imported when it is done, in one fresh process."""
    program = """
        import contextlib, io, json, sys
        from pipelines.cli import main
        found = []
        for words in json.loads(sys.argv[1]):
            try:
                with contextlib.redirect_stdout(io.StringIO()) as told:
                    main(words)
            except SystemExit as stop:
                found.append([words, stop.code, told.getvalue(), sorted({name.split(".")[0] for name in sys.modules})])
        print(json.dumps(found))
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), json.dumps(commands)],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_and_inspect_do_not_import_torch(scenes, tmp_path):
    helps = [["--help"], *([name, "--help"] for name in COMMANDS)]
    results = imported_by([*helps, ["fetch", "--list"], ["inspect", str(scenes["mat"])]], tmp_path)
    assert len(results) == len(helps) + 2
    for words, code, told, modules in results:
        assert code == 0, words
        assert "torch" not in modules, words
        assert ("Examples:" in told) == ("--help" in words)


def test_the_first_help_imports_next_to_nothing(tmp_path):
    ((_, _, told, modules),) = imported_by([["--help"]], tmp_path)
    assert all(name in told for name in COMMANDS)
    assert not {"torch", "numpy", "scipy", "pydantic", "rich", "rasterio"} & set(modules)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("--debug",)])
def test_help_lists_every_command_with_what_it_does(words, run):
    done = run(*words)
    assert (done.code, done.stderr) == (0, "")
    for name, text in COMMANDS.items():
        assert f"  {name}" in done.stdout
        assert " ".join(text.split()) in " ".join(done.stdout.split())
    assert "hsi fetch indian_pines --to data" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_summary_options_and_examples(name, run):
    done = run(name, "--help")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: hsi {name} ")
    examples = done.stdout.partition("Examples:")[2]
    assert f"hsi {name}" in examples
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_options_of_classify_are_told(run):
    told = run("classify", "--help").stdout
    for option in ("--model", "--lr-schedule", "--train", "--val", "--engine", "--device", "--georef", "--overwrite"):
        assert option in told


def test_version(run):
    assert run("--version").stdout == f"hsi, version {__version__}\n"


def test_models_counts_the_parameters_of_each_network_at_its_own_sizes(run):
    done = run("models")
    assert (done.code, done.stderr) == (0, "")
    words = [line.split() for line in done.stdout.splitlines()]
    rows = {line[0]: line for line in words if line and line[0] in PARAMETERS}
    assert {name: line[1] for name, line in rows.items()} == PARAMETERS
    assert rows["hybridsn"][2:5] == ["248M", "5.48M", "–"]
    assert rows["hybridsn-bn-se"][4:6] == ["bn", "se"]
    assert rows["hybridsn-ds-gap"][2:4] == ["29.0M", ".091M"]
    assert rows["resnet"][2:4] == ["6.75M", "6.75M"]
    for source in ("10.1109/LGRS.2019.2918719", "1709.01507", "1807.06521", "1502.03167"):
        assert source in done.stdout
    for source in ("10.1155/2015/258619", "10.1109/IGARSS.2015.7326945", "1704.04861", "10.1109/TGRS.2022.3144158"):
        assert source in done.stdout
    assert "all bands (200), window 7" in done.stdout
    lines = done.stdout.partition("baselines")[2].splitlines()
    baselines = {line.split()[0]: line for line in lines if line.strip()}
    for name, entry in BASELINES.items():
        for part in (entry.sees, entry.title, entry.source.removeprefix("doi:")):
            assert part in baselines[name]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_models_counts_for_other_sizes(run):
    done = run("models", "--components", 13, "--window", 11, "--classes", 4)
    assert "13 components, window 11, 4 classes" in done.stdout
    assert "220,004" in done.stdout


def test_models_says_which_networks_cannot_take_a_size(run):
    done = run("models", "--components", 5)
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()}
    assert done.code == 0
    assert "too small" in rows["hybridsn"] and "too small" in rows["ssrn"]
    assert "5 components, window 13" in done.stdout and "too small" not in rows["ssftt"]


def test_models_lists_the_recipes_that_a_run_takes_by_name(run, scenes):
    done = run("models", "--recipes")
    assert done.code == 0 and "hybridsn-paper  HybridSN as published" in done.stdout
    assert run("classify", scenes["mat"], "--config", "hybridsn-papr").code == 2


def test_inspect_tells_shape_bands_classes_and_memory(scenes, run):
    done = run("inspect", scenes["tiff"])
    assert (done.code, done.stderr) == (0, "")
    for part in ("36 rows x 40 columns x 24 bands, uint16", "4 classes", "none of 1,440", "UTM zone 16N", "memory"):
        assert part in done.stdout


def test_an_output_that_nobody_reads_is_no_error_to_speak_of(tmp_path):
    reader = [sys.executable, "-c", "import sys; sys.stdin.close()"]
    program = [sys.executable, "-m", "pipelines.cli", "fetch", "--list"]
    with subprocess.Popen(reader, stdin=subprocess.PIPE) as closed:
        closed.wait(timeout=60)
        done = subprocess.run(
            program,
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            stdout=closed.stdin,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1


def test_a_warning_of_a_library_is_one_line(run, monkeypatch):
    import warnings

    from hsi.io import benchmark_scenes as scenes

    names = scenes.scene_names

    def warned():
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        return names()

    monkeypatch.setattr("pipelines.fetch.scene_names", warned)
    assert run("fetch", "--list").stderr == "warning: two lines\n"


def test_the_command_runs_as_a_module(tmp_path):
    assert run_in_subprocess("--version", cwd=tmp_path).stdout == f"hsi, version {__version__}\n"
