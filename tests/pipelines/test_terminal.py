"""How much is told, where, and how wide: verbosity, progress bars, colours, tables."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.conftest import ROOT, Finished

LONG = "Buildings-Grass-Trees-Drives and a name that goes on and on as those of land cover surveys do"
KNN = ("--model", "knn")


def widest(text):
    return max(map(len, text.splitlines()))


def entry(i, name):
    return {
        **{"id": i, "name": name, "train": 1_234_567, "test": 12_345_678},
        **dict.fromkeys(("producers_accuracy", "users_accuracy", "f1", "iou"), 1.0),
    }


def test_progress_as_lines_for_programs(capsys, monkeypatch):
    from pipelines.cli_support.terminal import progress

    monkeypatch.setenv("HSI_PROGRESS", "lines")
    with progress("map", "rows") as advance:
        for row in range(0, 401, 100):
            advance(row, 400, "a note")
            advance(row + 1, 400)
    lines = [f"progress: {percent} % map" for percent in (0, 25, 50, 75, 100)]
    assert capsys.readouterr() == ("", "\n".join(lines) + "\n")


class TestTables:
    """Every table within 80 columns, its numbers whole."""

    def test_accuracy(self, capsys):
        from pipelines.cli_support.results import show_accuracy

        report = {
            "classes": [entry(65_534, LONG), entry(2, "Oats"), entry(3, "x" * 300)],
            "absent_classes": [],
            **dict.fromkeys(("overall_accuracy", "average_accuracy", "kappa"), None),
            **{"quantity_disagreement": None, "allocation_disagreement": None, "audit": None},
            "intervals": {"overall_accuracy": None},
        }
        show_accuracy(report)
        table = capsys.readouterr().out.partition("accuracy    OA")[0]
        assert widest(table) <= 80
        assert table.count("100.00") == 12 and table.count("12,345,678") == 3
        assert "Oats" in table and "Buildings" in table

    def test_areas(self, capsys):
        from pipelines.cli_support.results import show_areas

        rows = [{"id": 65_534, "name": LONG, "pixels": 123_456_789_012, "hectares": 1_234_567_890.12}]
        show_areas(rows)
        out = capsys.readouterr().out
        assert widest(out) <= 80
        assert "123,456,789,012" in out and "1,234,567,890.12" in out

    @pytest.mark.parametrize(("unit", "short"), [("pixels", "pixels"), ("hectares", "ha")])
    def test_estimate(self, unit, short, capsys):
        from pipelines.cli_support.results import show_estimate

        found = {"value": 1.0, "low": 0.8, "high": 1.0, "standard_error": 0.0}
        area = {"value": 1.2e11, "low": 1.1e11, "high": 1.3e11, "standard_error": 1e10 / 1.959964}
        row = {"id": 65_534, "name": LONG, "users_accuracy": found, "producers_accuracy": found}
        show_estimate(
            {
                "unit": unit,
                "classes": [{**row, "mapped_area": 123_456_789_012.0, "area": area}],
                **{"quantity_disagreement": 0.1, "allocation_disagreement": 0.1},
                "overall_accuracy": found,
                "pooled": [],
            }
        )
        table = capsys.readouterr().out.partition("entire map  ")[0]
        assert widest(table) <= 80
        assert f"mapped {short}" in table and f"estimated {short}" in table and "…" not in table.replace("land …", "")
        assert "123,456,789,012" in table and "120,000,000,000 ±10,000,000,000" in table
        assert table.count("100.0 (80.0–100.0)") == 2 and table.count("Buildings-Grass-Trees-") == 2

    def test_comparison(self, capsys):
        from hsi.experiments.results import MEASURES
        from hsi.experiments.summary import RowSummary, SplitComparison, Spread
        from pipelines.cli_support.results import show_split

        spread = Spread(0.9926, 0.0101, (0.98, 0.999), 5)
        seconds = {"train": Spread(1234.5, 1, None, 5), "total": Spread(12345.6, 1, None, 5)}
        row = RowSummary(
            LONG, None, 5, 5, dict.fromkeys(MEASURES, spread), (), None, seconds, 123_456_789, None, None, None
        )
        split = SplitComparison("random", "random 10%", (row,), None, None, None, None, 1, (), (), {})
        show_split(split)
        out = capsys.readouterr().out
        assert widest(out) <= 80
        assert out.count("99.26±1.01") == 3 and "123,456,789" in out and "12,346" in out

    @pytest.mark.parametrize("words", [("models",), ("fetch", "--list")])
    def test_lists(self, words, run):
        assert widest(run(*words).stdout) <= 80

    def test_classes_of_inspect(self, capsys):
        import numpy as np

        from hsi.core.labels import ClassTable, label_map
        from pipelines.inspect import show_labels

        table = ClassTable((1, 65_534), (LONG, "y" * 200), ((0, 0, 0), (1, 1, 1)))
        show_labels(label_map(np.array([[1, 65_534, 0]]), table=table))
        assert widest(capsys.readouterr().out) <= 80


class TestHowMuchIsTold:
    @pytest.fixture
    def classify(self, run, scenes, no_figures, tmp_path):
        def go(*words, before=()):
            out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
            done = run(*before, "classify", scenes["mat"], *KNN, "--out", out, *words)
            assert (done.code, (out / "map.tif").is_file()) == (0, True)
            return done

        return go

    def test_quiet_says_nothing_and_writes_everything(self, classify):
        for done in (classify("--quiet"), classify("-q"), classify(before=["--quiet"])):
            assert (done.stdout, done.stderr) == ("", "")

    def test_quiet_keeps_warnings(self, run, scenes, no_figures):
        done = run("classify", scenes["mat"], *KNN, "--train", 3, "--out", "few", "--quiet")
        assert done.stdout == ""
        assert done.warnings

    def test_quiet_keeps_errors(self, run):
        done = run("classify", "nothing.mat", "--quiet")
        assert (done.code, done.stdout, len(done.complaints)) == (1, "", 1)

    def test_verbose_tells_the_stages_and_settings(self, classify):
        usual, verbose, before = classify(), classify("--verbose"), classify(before=["-v"])
        for done in (verbose, before):
            for stage in ("read", "train", "map", "assess", "write"):
                assert re.search(rf"^stage +{stage}: \d+\.\d\d s, peak memory", done.stdout, re.MULTILINE)
            assert "settings" in done.stdout
        assert "peak memory" not in usual.stdout

    def test_one_command_does_not_quieten_the_next(self, run):
        assert run("--quiet", "fetch", "--list").stdout == ""
        assert run("fetch", "--list").stdout != ""

    def test_opposites_are_refused(self, run):
        for words in (["models", "-q", "-v"], ["-q", "models", "-v"]):
            done = run(*words)
            assert (done.code, len(done.complaints)) == (2, 1)

    @pytest.mark.parametrize("words", [["--debug", "classify", "no.mat"], ["classify", "no.mat", "--debug"]])
    def test_debug_shows_the_traceback(self, words, run):
        with pytest.raises(OSError, match=r"no\.mat"):
            run(*words)

    def test_what_to_open_comes_last(self, classify):
        assert classify().stdout.splitlines()[-1].startswith("open ")


def on_a_terminal(*words, cwd, **environment):
    """A command at a terminal of 80 columns: how it ended and everything that reached the terminal."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "FORCE_COLOR")}
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "xterm-256color", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *map(str, words)],
        **{"cwd": cwd, "env": {**known, **settings, **environment}},
        **dict.fromkeys(("stdin", "stdout", "stderr"), child),
    )
    os.close(child)
    shown = b""
    with contextlib.suppress(OSError), os.fdopen(parent, "rb", 0) as terminal:
        while part := terminal.read(65_536):
            shown += part
    return Finished(process.wait(), shown.decode(errors="replace"), "")


class TestAtATerminal:
    COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")

    def test_bars_are_drawn_and_removed(self, scenes, tmp_path):
        done = on_a_terminal("inspect", scenes["mat"], cwd=tmp_path)
        assert done.code == 0
        assert "survey" in done.stdout and "rows" in done.stdout and "━" in done.stdout
        assert self.COLOUR.search(done.stdout)
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout).replace("\r", "\n").splitlines()
        assert max(map(len, (line for line in lines if "━" in line))) <= 80

    def test_no_color_leaves_colours_out(self, scenes, tmp_path):
        done = on_a_terminal("inspect", scenes["mat"], cwd=tmp_path, NO_COLOR="1")
        assert done.code == 0 and "━" in done.stdout
        assert not self.COLOUR.search(done.stdout)

    @pytest.mark.parametrize("how", [{"CI": "true"}, {"TERM": "dumb"}])
    def test_no_bars_where_nobody_looks(self, how, scenes, tmp_path):
        done = on_a_terminal("inspect", scenes["mat"], cwd=tmp_path, **how)
        assert done.code == 0
        assert "━" not in done.stdout and "survey" not in done.stdout

    def test_no_bars_when_quiet(self, scenes, tmp_path):
        done = on_a_terminal("inspect", scenes["mat"], "--quiet", cwd=tmp_path)
        assert (done.code, done.stdout) == (0, "")
