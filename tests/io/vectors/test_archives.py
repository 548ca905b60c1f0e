"""Vector files in ZIP archives: which is read, and what an archive cannot do."""

import zipfile

import pytest

from hsi.errors import SceneFileError, UsageError
from hsi.io.vectors import archives
from tests.io.helpers import refuse_labels, utm_scene
from tests.io.vector_makers import drawn, noted, rectangle, vector

SQUARES = [rectangle(1.3, 1.3, 4.7, 3.7), rectangle(6.3, 2.3, 9.7, 6.7)]


@pytest.fixture
def zipped(tmp_path):
    """Writes an archive of Shapefiles, each with one class, by name; ``within`` is their folder in it."""

    def write(*names, within="", leave_out=()):
        with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                vector(tmp_path / f"{name}.shp", SQUARES[: len(name)], cover=[*name])
                for part in sorted(tmp_path.glob(f"{name}.*")):
                    if part.suffix not in leave_out:
                        archive.write(part, f"{within}{part.name}")
        return tmp_path / "all.zip"

    return write


def refuse(path, *words, error=UsageError, **options):
    return refuse_labels(path, utm_scene(), path.name, *words, error=error, **options)


@pytest.mark.parametrize("within", ["", "data/2023/", "../../", "/etc/", "..\\"])
def test_the_only_shapefile_is_read_wherever_it_lies(zipped, within, tmp_path):
    path = zipped("ab", within=within)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._ab.shp", "a resource fork")
        archive.writestr("readme.txt", "licence")
    before = {entry.name for entry in tmp_path.iterdir()}
    assert drawn(path).counts == {1: 12, 2: 20}
    assert {entry.name for entry in tmp_path.iterdir()} == before


def test_of_several_the_layer_chooses(zipped):
    path = zipped("a", "bc")
    refuse(path, "holds 2 vector files: a.shp, bc.shp; name one with label_layer=NAME")
    assert drawn(path, layer="a").table.names == ("a",)
    assert drawn(path, layer="bc.shp").table.names == ("b", "c")
    refuse(path, "no vector file 'bcd' (label_layer): did you mean bc?", layer="bcd")


def test_missing_parts_are_named(zipped):
    refuse(zipped("ab", leave_out=[".dbf"]), "a Shapefile without its .dbf", error=SceneFileError)
    path = zipped("ab", leave_out=[".prj"])
    refuse_labels(path, utm_scene(), ".prj is missing", "EPSG:32633")
    assert not noted(drawn(path, crs="EPSG:32633", field="cover"), "label_crs")


def test_an_archive_without_vectors_that_is_too_large_or_damaged(zipped, monkeypatch):
    path = zipped()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "nothing")
    refuse(path, "is an archive without a vector file", error=SceneFileError)
    path = zipped("ab")
    path.write_bytes(path.read_bytes()[:-40])
    refuse(path, "cannot be read as an archive", error=SceneFileError)
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 100)
    refuse(zipped("ab"), "more than 100: unpack it", error=SceneFileError)
