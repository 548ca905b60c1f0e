"""Names that come from files are text: no markup, no SQL, no formula, no path, no command of a terminal."""

import json
import re
import sqlite3
from html.parser import HTMLParser

import geopandas
import numpy as np
import pytest
import shapely

from hsi.core.files import MANIFEST
from hsi.core.synthetic import synthetic_georeference
from tests.conftest import ALONE, IDS, QUICK, names_in
from tests.io import file_makers

NAMES = (
    "</script><script>alert(1)</script>",
    "../../../etc/passwd",
    "'; DROP TABLE gpkg_contents; -- $\\frac{",
    "\x1b[31m<img src=x onerror=alert(2)> | `a` & \\input{x}",
)
LAYER = 'x"; DROP TABLE gpkg_contents; --'
FIELD = "class\" FROM x; SELECT '1"
SCENE = "<img src=x onerror=alert(3)>"


class Page(HTMLParser):
    """Tags with their attributes, and the content of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
            self._inside = True

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data


def checked_page(path):
    """The page, without a tag, an attribute or a script that a name brought."""
    page = Page(path.read_text(encoding="utf-8"))
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [1 for tag, attributes in page.tags if tag == "img" and not attributes["src"].startswith("data:")]
    assert len(page.scripts) == sum(tag == "script" for tag, _ in page.tags) <= 2
    assert all("alert(1)</script>" not in script for script in page.scripts)
    return page


@pytest.fixture
def files(request, tmp_path, sample):
    """A scene and points of four classes, in a folder of their own."""
    names = getattr(request, "param", NAMES)
    folder = tmp_path / "in"
    folder.mkdir()
    place = synthetic_georeference()
    a, _, c, _, e, f = place.transform
    scene = file_makers.tiff(folder / f"{SCENE}.tif", sample.cube, crs=place.crs, transform=place.transform)
    ids = np.unique(sample.truth)[1:]
    rows, shapes = [], []
    for number, name in zip(ids, names, strict=True):
        for row, column in np.argwhere(sample.truth == number):
            shapes.append(shapely.Point(c + a * (column + 0.5), f + e * (row + 0.5)))
            rows.append(name)
    frame = geopandas.GeoDataFrame({FIELD: rows}, geometry=shapes, crs=place.crs)
    frame.to_file(folder / "labels.gpkg", layer=LAYER, engine="pyogrio")
    return scene, folder / "labels.gpkg"


def test_from_a_geopackage_to_every_file_of_a_run(files, run, tmp_path):
    scene, labels = files
    given = labels.read_bytes()
    before = {path for path in tmp_path.rglob("*") if path != tmp_path / "out"}
    options = ("--labels", labels, "--label-layer", LAYER, "--label-field", FIELD, "--model", "knn")
    done = run("classify", scene, *options, "--out", tmp_path / "out")
    assert done.code == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr

    assert {path for path in tmp_path.rglob("*") if tmp_path / "out" not in (path, *path.parents)} == before
    assert labels.read_bytes() == given
    with sqlite3.connect(labels) as database:
        assert database.execute("SELECT table_name FROM gpkg_contents").fetchall() == [(LAYER,)]

    page = checked_page(tmp_path / "out" / "report.html")
    (data,) = (script for script in page.scripts if script.startswith("{"))
    assert {entry["name"] for entry in json.loads(data)["classes"]} == set(NAMES)
    names = {path.name for path in (tmp_path / "out").rglob("*")} - {MANIFEST}
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z]+)*", name) for name in names), names

    latex = (tmp_path / "out" / "accuracy.tex").read_text()
    assert "\\input{x}" not in latex and "\\frac{" not in latex.replace("\\textbackslash", "")
    markdown = (tmp_path / "out" / "accuracy.md").read_text()
    assert "<script>" not in markdown and "<img" not in markdown


# a map's side file, which is XML, has no way to hold a control character
@pytest.mark.parametrize("files", [tuple(name.replace("\x1b", "") for name in NAMES)], indirect=True)
@pytest.mark.slow
def test_of_a_map_that_is_evaluated(files, run, tmp_path):
    scene, labels = files
    options = ("--labels", labels, "--label-layer", LAYER, "--label-field", FIELD)
    assert run("classify", scene, *options, "--model", "knn", "--out", "out").code == 0
    done = run("evaluate", "out/map.tif", *options, "--out", "accuracy")
    assert done.code == 0, done.stderr
    checked_page(tmp_path / "accuracy" / "report.html")
    assert run("plot", "out", "--figure", "map", "--format", "svg", "--out", "drawn").code == 0
    assert names_in(tmp_path / "drawn") == {"map.svg"}
    assert "<script" not in (tmp_path / "drawn" / "map.svg").read_text()


def test_layers_and_fields_are_known_by_their_names_alone(files, run):
    scene, labels = files
    layer, field = ("--label-layer", LAYER), ("--label-field", FIELD)
    wrong = run("inspect", scene, "--labels", labels, *field, "--label-layer", "x' OR '1'='1")
    assert wrong.code == 2 and "no layer" in wrong.stderr
    wrong = run("inspect", scene, "--labels", labels, *layer, "--label-field", "class' OR '1'='1")
    assert wrong.code == 2 and "no field" in wrong.stderr
    done = run("inspect", scene, "--labels", labels, *field)
    assert done.code == 0, done.stderr
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "names",
    [
        ("[red]x[/red]", "<b>&amp;", "\x1b[31mred\x07", "5$ \\frac{"),
        pytest.param(("$\\frac{$", "$x$", "a $ b", "c"), marks=pytest.mark.slow),
    ],
)
def test_of_an_envi_header_printed_as_they_are_and_escaped_in_files(names, sample, run, tmp_path):
    scene = file_makers.envi(tmp_path / "cube.hdr", sample.cube)
    ids = np.searchsorted(IDS, sample.truth).astype(np.uint8)[:, :, None]
    header = file_makers.envi(tmp_path / "cube_gt.hdr", ids)
    header.write_text(header.read_text() + f"classes = 5\nclass names = {{ {', '.join(('none', *names))} }}\n")
    inspected, done = run("inspect", scene), run("classify", scene, *ALONE, "--train", 3, "--out", "run")
    assert (inspected.code, inspected.stderr, done.code, done.complaints) == (0, "", 0, [])
    for text in (inspected.stdout, done.stdout, done.stderr):
        assert all(name.replace("\x1b", "?").replace("\x07", "?") in text for name in names)
        assert "\x1b" not in text
    out = tmp_path / "run"
    report = json.loads((out / "accuracy.json").read_text())
    assert tuple(row["name"] for row in report["classes"]) == names
    if "<b>&amp;" in names:
        assert "&lt;b\\>&amp;amp;" in (out / "accuracy.md").read_text()
        assert r"5\$ \textbackslash{}frac\{" in (out / "accuracy.tex").read_text()
        assert all("&lt;b&gt;&amp;amp;" in (out / name).read_text() for name in ("map.qml", "map.tif.aux.xml"))


def test_of_files(tmp_path, sample, run):
    name = "[bold]\x1b[31m\nfield\udcff.npy"
    file_makers.npy(tmp_path / name, sample.cube)
    for words in (("inspect", name), ("classify", name, *QUICK)):
        done = run(*words)
        assert "[bold]?[31m field?.npy" in done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr
    assert len(done.complaints) == 1
