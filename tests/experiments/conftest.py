"""Comparisons of small maps whose errors are known."""

import json

import numpy as np
import pytest

from hsi.accuracy.leakage import audit_split
from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
from hsi.core.labels import codes_of, default_table
from hsi.experiments.results import read_finished
from hsi.experiments.spec import PlannedRun, Row
from hsi.experiments.summary import Comparison, compare_split
from hsi.io.geotiff import write_band, write_class_map
from hsi.settings import Settings

TABLE = default_table([2, 5])
TRUTH = np.repeat([[2, 5]], 20, axis=0).repeat(6, axis=1).astype(np.uint8)  # (20, 12)
ABOUT = {"command": ["hsi", "compare", "a scene.mat"], "date": "2026-01-02", "versions": {"hsi": "1"}, "seeds": [0, 1]}


def planned(row, seed, fold=None):
    settings = Settings.model_validate({"seed": seed, "split": {"fold": fold, "rule": "kfold-random"} if fold else {}})
    return PlannedRun(row, "random", {}, settings)


def split_of(seed):
    codes = np.full(TRUTH.shape, 3, np.uint8)
    codes[:, [seed % 6, 6 + seed % 6]] = 1
    return codes


def finisher(folder_of_runs):
    """A function that finishes a run of a row, whose map has the first ``wrong`` test pixels wrong."""

    def run(row, seed, wrong, *, split=None, fold=None, machine=None, parameters=10):
        codes = split_of(seed) if split is None else split
        ids, tested = TRUTH.copy(), np.flatnonzero(codes == 3)
        ids.ravel()[tested[:wrong]] = 7 - ids.ravel()[tested[:wrong]]
        folder = folder_of_runs / f"{row}-{seed}-{fold}"
        folder.mkdir()
        write_class_map(folder / "map.tif", ids, TABLE, georeference=None, nodata_mask=None)
        write_class_map(folder / "ground_truth.tif", TRUTH, TABLE, georeference=None, nodata_mask=None)
        write_band(folder / "split.tif", codes, georeference=None, description="split")
        truth, found = codes_of(TRUTH, TABLE), codes_of(ids, TABLE)
        matrix = confusion_matrix(truth[codes == 3], found[codes == 3], 2)
        report = {
            "split": "random 10%",
            "split_hash": codes.tobytes().hex(),
            **measure_accuracy(matrix, TABLE, [20, 20]),
            "audit": audit_split(codes == 1, codes == 3, truth, 3, found).to_dict(),
        }
        record = {
            "command": ["hsi", "classify", "a scene.mat", "--seed", str(seed)],
            "settings": {},
            "seconds": {"read": 1.0, "train": 2.0 + seed},
            "parameters": parameters,
            "machine": machine or {"processor": "Abacus", "cores": 2, "threads": 1},
        }
        (folder / "accuracy.json").write_text(json.dumps(report))
        (folder / "run.json").write_text(json.dumps(record))
        return read_finished(planned(row, seed, fold), folder)

    return run


@pytest.fixture
def finish(tmp_path):
    return finisher(tmp_path)


def compared(runs, rows=None, **more):
    names = rows or list(dict.fromkeys(run.planned.row for run in runs))
    listed = [row if isinstance(row, Row) else Row(name=row) for row in names]
    return compare_split("random", listed, [run.planned for run in runs], runs, **more)


def everything(split, runs, failed=()):
    return Comparison("A & B", (split,), tuple(runs), tuple(failed), ABOUT)


@pytest.fixture(scope="session")
def clear(tmp_path_factory):
    """Nine seeds in which good beats middle and middle beats bad each time."""
    finish = finisher(tmp_path_factory.mktemp("clear"))
    wrong = {"good": 0, "middle": 20, "bad": 60}
    return [finish(row, seed, count + seed) for seed in range(9) for row, count in wrong.items()]
