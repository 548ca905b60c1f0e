"""``hsi doctor``: what it finds here, and when it says that hsi cannot work."""

import json

import pytest

from hsi.version import DISTRIBUTION, install_hint
from pipelines import doctor

pytestmark = pytest.mark.skipif(
    doctor.version_of(DISTRIBUTION) is None, reason=f"{DISTRIBUTION} is not installed: make setup"
)


def told_as_json(done):
    return json.loads(done.stdout)


def test_here_hsi_works_and_every_section_is_told(run):
    done = run("doctor")
    assert (done.code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    starts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert starts == ["versions", "formats", "devices", "machine", "folders", "extras", "verdict"]
    for part in ("torch", "GTiff", "GPKG", "threads", "GB free", "hsi works here"):
        assert part in done.stdout
    assert max(len(line) for line in lines if "/" not in line) <= 80


def test_json_has_the_same(run):
    told = told_as_json(run("doctor", "--json", "--quiet"))
    assert told["works"] is True
    assert {finding["state"] for finding in told["findings"]} <= {"ok", "missing"}
    assert {"section", "name", "state", "told"} == set(told["findings"][0])
    assert "numpy" in told["versions"]


def without(monkeypatch, *packages):
    known = doctor.version_of
    monkeypatch.setattr(doctor, "version_of", lambda name: None if name in packages else known(name))


def test_a_missing_extra_is_said_with_the_command_for_it(run, monkeypatch):
    without(monkeypatch, "geopandas")
    done = run("doctor")
    assert done.code == 0
    told = " ".join(done.stdout.split())
    assert (
        "missing: vector: labels from GeoPackage, Shapefile and GeoJSON needs geopandas: "
        f"{install_hint('vector')}" in told
    )
    assert "some features" in told


def test_a_missing_requirement_ends_with_one(run, monkeypatch):
    without(monkeypatch, "scipy")
    done = run("doctor")
    assert done.code == 1
    assert "broken: scipy" in done.stdout and "cannot work" in done.stdout
    done = run("doctor", "--json")
    assert done.code == 1 and told_as_json(done)["works"] is False


def test_a_check_that_fails_itself_is_told(run, monkeypatch):
    def fails():
        raise ImportError("no such library")
        yield

    fails.__name__ = "check_drivers"
    monkeypatch.setattr(doctor, "check_drivers", fails)
    done = run("doctor")
    assert done.code == 1
    told = " ".join(done.stdout.split())
    assert "broken: drivers: could not be looked at: ImportError: no such library" in told


def test_without_geotiff_nothing_works(monkeypatch):
    states = {finding.name: finding.state for finding in doctor._drivers(doctor.RASTER_DRIVERS, {"ENVI": ""})}
    assert states["GTiff"] == doctor.BROKEN
    assert states["ENVI"] == doctor.GOOD
    assert states["netCDF"] == doctor.LACKING


def test_a_cache_that_cannot_be_written_is_missing_and_not_fatal(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    done = run("doctor")
    assert done.code == 0
    assert "cannot be written" in " ".join(done.stdout.split())


@pytest.mark.parametrize("line", ["numpy>=1.26", "PyYAML (>=6)", "geopandas>=1.0; extra == 'vector'"])
def test_requirements_are_read_by_extra(line, monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: [line])
    found = doctor.requirements()
    assert found in ({"": ["numpy"]}, {"": ["PyYAML"]}, {"": [], "vector": ["geopandas"]})
