"""``hsi sample``: what is printed and written; tests/workflows/test_sample.py has the numbers."""

import shlex

import pytest

import hsi
from tests.conftest import names_in
from tests.pipelines.test_evaluate import maps as maps

pytest.importorskip("geopandas")


def test_the_table_the_error_and_the_next_command(maps, run, tmp_path):
    mapped, _ = maps
    done = run("sample", mapped, "--points", 200, "--out", tmp_path / "my sample.csv")
    assert (done.code, done.complaints) == (0, [])
    found = hsi.sample(mapped, points=200)
    for row in found.classes:
        assert [row["name"], f"{row['pixels']:,}", f"{row['share']:.2%}", str(row["points"])] in [
            line.split()[1:] for line in done.stdout.splitlines()
        ]
    assert f"standard error {found.standard_error:.2%} of the overall accuracy" in done.stdout
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[:2] == ["hsi", "evaluate"] and str(tmp_path / "my sample.csv") in words
    assert len((tmp_path / "my sample.csv").read_text().splitlines()) == 201
    again = run(*words[1:])
    assert (again.code != 0 and "has no value" in again.stderr) or "no feature has both" in again.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ((), 2, "either points"),
        (("--points", 9_999), 2, "9,999 are more than the"),
        (("--points", 100, "--target-error", "2%"), 2, "either points"),
        (("--points", 100, "--mask", "missing.tif"), 1, "missing.tif: no such file"),
    ],
)
def test_what_is_refused(options, code, says, maps, run, tmp_path):
    before = names_in(tmp_path)
    done = run("sample", maps[0], *options, "--out", "sample.gpkg")
    assert (done.code, len(done.complaints)) == (code, 1)
    assert says in done.complaints[0]
    assert names_in(tmp_path) == before
