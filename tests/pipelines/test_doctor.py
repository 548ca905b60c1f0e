"""``hsi doctor``: what it prints, and its exit code; tests/core/test_installation.py has the checks."""

import json

from hsi.core import installation


def test_every_section_is_printed(run):
    done = run("doctor")
    assert (done.code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    starts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert starts == ["versions", "formats", "devices", "machine", "folders", "extras", "verdict"]
    for part in ("torch", "GTiff", "GPKG", "threads", "GB free", "--device auto: is cpu", "hsi works here"):
        assert part in done.stdout
    assert max(len(line) for line in lines if "/" not in line) <= 80


def test_json_has_the_same(run):
    printed = json.loads(run("doctor", "--json", "--quiet").stdout)
    assert printed["works"] is True
    assert {finding["state"] for finding in printed["findings"]} <= {"ok", "missing"}
    assert {"section", "name", "state", "text"} == set(printed["findings"][0])
    assert "numpy" in printed["versions"]


def test_what_is_missing_or_broken_is_marked(run, monkeypatch):
    known = installation.version_of
    lacking = {"geopandas"}
    monkeypatch.setattr(installation, "version_of", lambda name: None if name in lacking else known(name))
    done = run("doctor")
    assert done.code == 0 and "missing: vector: labels" in done.stdout
    assert "missing for some features" in " ".join(done.stdout.split())
    lacking.add("scipy")
    done = run("doctor")
    assert done.code == 1 and "broken: scipy" in done.stdout and "cannot work" in done.stdout
    done = run("doctor", "--json")
    assert done.code == 1 and json.loads(done.stdout)["works"] is False
