"""What ``hsi doctor`` checks: packages, formats, folders and extras."""

import configparser
import importlib.metadata

import pytest

from hsi.core import installation
from hsi.version import install_hint
from tests.conftest import ROOT


def find(name):
    """The finding of that name, or of that section, of a check of everything."""
    return next(each for each in installation.check_installation() if name in (each.name, each.section))


@pytest.fixture
def without(monkeypatch):
    """Make a package look as if it was not installed."""

    def remove(package):
        known = installation.version_of
        monkeypatch.setattr(installation, "version_of", lambda name: None if name == package else known(name))

    return remove


def test_every_extra_has_a_use_in_words():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert set(installation.EXTRAS) == set(config["options.extras_require"])
    assert {extra for extra, use in installation.EXTRAS.items() if not use} == {"all", "dev", "docs"}


def test_extras_are_listed_with_their_use():
    names = {each.name for each in installation.check_extras()}
    assert {name for name, use in installation.EXTRAS.items() if use} >= names >= {"vector", "export", "cluster"}


def test_a_missing_extra_is_reported_with_the_command_for_it(without):
    without("geopandas")
    finding = find("vector")
    assert finding.state == installation.LACKING
    use = "labels from GeoPackage, Shapefile and GeoJSON"
    assert finding.text == f"{use} needs geopandas: {install_hint('vector')}"


def test_a_missing_requirement_is_broken(without):
    without("scipy")
    assert find("scipy").state == installation.BROKEN


def test_a_check_that_fails_is_a_finding(monkeypatch):
    def check_drivers():
        raise ImportError("no such library")

    monkeypatch.setattr(installation, "check_drivers", check_drivers)
    assert find("drivers") == installation.Finding(
        "drivers", "drivers", installation.BROKEN, "could not be checked: ImportError: no such library"
    )


def test_without_geotiff_nothing_works():
    states = {each.name: each.state for each in installation._drivers(installation.RASTER_DRIVERS, {"ENVI"})}
    assert states["GTiff"] == installation.BROKEN
    assert states["ENVI"] == installation.GOOD
    assert states["netCDF"] == installation.LACKING


def test_a_cache_that_cannot_be_written_is_missing_and_not_fatal(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    finding = find("folders")
    assert (finding.state, "cannot be written" in finding.text) == (installation.LACKING, True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy>=1.26", {"": ["numpy"]}),
        ("PyYAML (>=6)", {"": ["PyYAML"]}),
        ("geopandas>=1.0; extra == 'vector'", {"": [], "vector": ["geopandas"]}),
    ],
)
def test_requirements_are_read_by_extra(line, expected, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: [line])
    assert installation.requirements() == expected
