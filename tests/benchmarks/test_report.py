"""``hsi bench`` on a small scene, with small networks."""

import json

import numpy as np
import pytest

from hsi.core.synthetic import make_scene
from pipelines import benching


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A scene and networks small enough for a test; whole commands take as long as told."""
    cube, labels, _ = make_scene(24, 20, bands=20, classes=3, field=8, seed=1)
    np.savez(tmp_path / "scene.npz", cube=cube, gt=labels)
    components, window, large_windows = 13, 11, (11,)
    monkeypatch.setattr(benching.Sizes.__init__, "__defaults__", (components, window, 1, 3, 64, large_windows))
    monkeypatch.setattr(benching, "WAYS", ("nothing", "train conventional"))
    monkeypatch.setattr(benching, "run_hsi", lambda *words: 0.5)
    reached = iter([0.9, 0.97, 0.99])

    def classified(path, out, device, *options):
        stages = {"read": 0.1, "train": 2.0}
        return {
            "options": options,
            "wall": 3.0,
            "stages": stages,
            "peak_bytes": 10**9,
            "overall_accuracy": next(reached),
        }

    monkeypatch.setattr(benching, "classified", classified)
    return tmp_path / "scene.npz"


def test_every_piece_is_measured_and_written(small, tmp_path, run):
    out = tmp_path / "figures" / "bench.json"
    options = [
        "--models",
        "hybridsn-bn,hybridsn-se",
        "--repeats",
        "1",
        "--rows",
        "3",
        "--large",
        "64",
        "--device",
        "cpu",
    ]
    done = run("bench", small, *options, "--out", out)
    assert done.code == 0
    record = json.loads(out.read_text())
    assert [row["model"] for row in record["map"]] == ["hybridsn-bn", "hybridsn-se"]
    assert all(row["same_class"] == 1 and row["largest_difference"] < 1e-4 for row in record["map"])
    assert all(min(row["conventional"], row["patch"], row["dense"]) > 0 for row in record["training"])
    everything, split = record["training"][:2]
    assert everything["pixels"] > split["pixels"] == everything["timed"]
    assert [(row["side"], row["pixels"]) for row in record["large"]] == [(32, 32**2), (64, 64**2)]
    peaks = {row["way"]: row["peak_bytes"] for row in record["memory"]}
    assert min(peaks.values()) == peaks["nothing"] > 10**7
    assert [run["overall_accuracy"] for run in record["target"]["tried"]] == [0.97, 0.99]
    assert record["target"]["ratio"] == 100 * split["conventional"] / 2.0
    assert record["materialised_patches"]["Indian Pines"] > 10**8
    table = out.with_suffix(".md").read_text()
    assert "| `hybridsn-se` |" in table
    assert table.strip() in done.stdout


def test_figures_are_not_overwritten_unasked(small, tmp_path, run):
    out = tmp_path / "bench.json"
    out.write_text("{}")
    done = run("bench", small, "--out", out)
    assert done.code == 1
    assert "exists already" in done.stderr


def test_another_network_is_answered_with_near_names(run):
    done = run("bench", "--models", "hybridsn-be")
    assert done.code == 2
    assert "hybridsn-bn" in done.stderr
