"""The documentation: every command and every Python block in it works, and the built site needs no other host.

The blocks of each page run in a folder of their own, on generated scenes that replace the files the pages name.
Commands are only changed as in :func:`rewritten`; networks train for one step, and one network is enough.
"""

import configparser
import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import scipy.io

from hsi.baselines import BASELINES
from hsi.core.synthetic import make_scene, synthetic_georeference
from hsi.preprocessing.denoisers import dncnn
from hsi.training import recipe, window_selection
from pipelines.cli import COMMANDS, cli
from tests.conftest import QUICK, ROOT, run_here
from tests.io import file_makers
from tests.io.stac.items import write_item

pytest.importorskip("geopandas")
pytest.importorskip("rioxarray")

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LONG_PAGES = {"README", "benchmark", "several_scenes", "denoise", "splits"}  # more than two seconds of commands
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"(?:^    \S.*\n?(?:^    .*\n?)*)", re.M)
PROGRAMS = ("hsi", "make", "pip", "python")
# What is not run but parsed: what it names has to exist.
PARSED_ONLY = {
    "make": "sets up an environment of its own and runs everything, this test included",
    "pip": "changes the environment that the tests run in",
    "python": "measures for minutes; tests of their own run what it needs",
    "hsi label": "serves a page until it is closed, as test_label.py does",
    "hsi fetch": "writes the real scene, as test_fetch.py does, over the generated one",
}
SIDE, BANDS, NAMES = 40, 44, ("water", "wheat", "maize", "meadow")


def blocks(path):
    """Pairs of a language and the text of a block, in the order of the page."""
    text = path.read_text(encoding="utf-8")
    texts = [(match.start(), match[1], match[2]) for match in FENCED.finditer(text)]
    rest = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in INDENTED.finditer(rest):
        block = "\n".join(line.removeprefix("    ") for line in match[0].splitlines())
        if block.split()[0] in PROGRAMS:
            texts.append((match.start(), "sh", block))
    return [(language, block) for _, language, block in texts]


def commands(block):
    """The command lines of a block, each as words; comments are left out."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def all_commands():
    return [
        (page, words)
        for page in PAGES
        for language, block in blocks(page)
        if language == "sh"
        for words in commands(block)
    ]


def rewritten(words):
    """The command as it is run here: networks map the scene once instead of twice and are combined with a
    discriminant, results are overwritten, and comparisons are planned without running them."""
    name = words[1]
    if name == "compare":
        return [*words, "--dry-run"]
    more = []
    if name in ("classify", "train", "predict", "denoise") or (name == "evaluate" and "--out" in words):
        more.append("--overwrite")
    if name in ("classify", "train") and not set(BASELINES) & set(words):
        more += ["--no-symmetries", "--no-blend"]
        if "mapping.spectral=discriminant" not in words:  # a network after one step classifies nothing
            more += ["--set", "mapping.spectral=discriminant"]
    if "--max-memory" in words:
        more += ["--max-memory", "16GB"]  # the process of the tests needs more memory than a command
    return [*words, *more]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    cube, labels, wavelengths = make_scene(SIDE, SIDE, bands=BANDS, classes=len(NAMES), field=10, seed=1)
    place = synthetic_georeference()
    grid = {"crs": place.crs, "transform": rasterio.Affine(*place.transform)}
    (folder / "data").mkdir()
    scipy.io.savemat(folder / "data" / "indian_pines.mat", {"cube": cube, "cube_gt": labels}, do_compression=True)
    write_envi(folder / "scene.hdr", cube, wavelengths)
    write_envi(folder / "flightline.hdr", cube[:30], wavelengths)
    write_item(folder / "item.json", {"reflectance": {"href": "scene.hdr", "roles": ["data"]}})
    file_makers.tiff(folder / "scene.tif", cube, **grid)
    file_makers.tiff(folder / "labels.tif", labels, **grid)
    file_makers.tiff(folder / "mask.tif", (labels != 1).astype(np.uint8), **grid)
    file_makers.tiff(folder / "qa.tif", np.where(labels == 1, 8, 0).astype(np.uint16), **grid)
    shutil.copy(folder / "labels.tif", folder / "place.tif")
    write_features(folder, labels, grid)
    for name in "abc":
        write_envi(folder / f"{name}.hdr", cube, wavelengths)
        shutil.copy(folder / "training.gpkg", folder / f"{name}.gpkg")
    (folder / "configs").symlink_to(ROOT / "configs")
    train = ("train", "scene.hdr", "--labels", "training.gpkg", "--label-field", "landcover", *QUICK)
    assert run_here(*train, "--out", "landcover.safetensors", cwd=folder).code == 0  # several pages use this model
    return folder


def write_envi(path, cube, wavelengths):
    a, _, c, _, _, f = synthetic_georeference().transform
    where = ["UTM", "1", "1", f"{c}", f"{f}", f"{a}", f"{a}", "16", "North", "WGS-84"]
    facts = {"wavelength": [f"{nm:.2f}" for nm in wavelengths], "wavelength units": "Nanometers", "map info": where}
    file_makers.envi(path, cube, "bil", **facts)


def write_features(folder, labels, grid):
    """Polygons of the fields, and points in the middle of some pixels, in the scene's CRS."""
    import geopandas
    from rasterio.features import shapes
    from shapely.geometry import Point, shape

    fields = [(shape(ring), NAMES[int(i) - 1]) for ring, i in shapes(labels, labels > 0, transform=grid["transform"])]
    polygons, names = zip(*fields, strict=True)
    for name, field in (("training", "landcover"), ("reference", "class")):
        frame = geopandas.GeoDataFrame({field: names}, geometry=list(polygons), crs=grid["crs"])
        frame.to_file(folder / f"{name}.gpkg")
    geopandas.GeoDataFrame(geometry=[polygons[0].buffer(200)], crs=grid["crs"]).to_file(folder / "district.gpkg")
    pixels = np.argwhere(labels > 0)[::5]
    points = [Point(*(grid["transform"] @ (column + 0.5, row + 0.5))) for row, column in pixels]
    classes = [NAMES[labels[row, column] - 1] for row, column in pixels]
    geopandas.GeoDataFrame({"class": classes}, geometry=points, crs=grid["crs"]).to_file(folder / "points.gpkg")


@pytest.fixture
def quick(monkeypatch, no_figures):
    """One network trains for one step wherever a page does not set it."""
    for name in ("DENSE_STEPS", "DENSE_EPOCHS", "PATCH_EPOCHS"):
        monkeypatch.setattr(recipe, name, 1)
    monkeypatch.setattr(dncnn, "DEFAULT_STEPS", 1)
    monkeypatch.setattr(window_selection, "SECOND_WINDOW", 0)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in LONG_PAGES else [])
        for page in PAGES
        if blocks(page)
    ],
)
def test_every_block_works(page, workspace, tmp_path, quick):
    folder = tmp_path / "folder"
    shutil.copytree(workspace, folder, symlinks=True)
    names, ran = {}, set()
    for language, block in blocks(page):
        if language == "python":
            with contextlib.chdir(folder):
                exec(compile(block, str(page), "exec"), names)
        for words in commands(block) if language == "sh" else ():
            line = shlex.join(words)
            if line not in ran and not parsed_only(words):
                ran.add(line)
                done = run_here(*rewritten(words)[1:], cwd=folder)
                assert done.code == 0, f"{line}: {done.stderr}"


def parsed_only(words):
    """The rule of :data:`PARSED_ONLY` for which a command is not run, if there is one."""
    return next((rule for rule in PARSED_ONLY if words[: len(rule.split())] == rule.split()), None)


def test_what_is_only_parsed_exists():
    extras = configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg", encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    used = set()
    for page, words in all_commands():
        rule = parsed_only(words)
        if rule is None:
            assert words[0] == "hsi" and (words[1] in COMMANDS or words[1].startswith("-")), (page, words)
            continue
        used.add(rule)
        if rule == "make":
            assert words[1] in targets, (page, words)
        elif rule == "pip":
            named = {name for group in re.findall(r"\[([\w,]+)\]", " ".join(words)) for name in group.split(",")}
            assert named <= set(extras["options.extras_require"]), (page, words)
        elif rule == "python" and words[1] == "-m":
            assert all((ROOT / word).exists() for word in words[2:] if "/" in word and word[0] != "/"), (page, words)
        elif rule == "python":
            assert (ROOT / words[1]).is_file(), (page, words)
        else:
            parse(words)
    assert used <= PARSED_ONLY.keys()


def parse(words):
    """Raise for an option that does not exist or a value that it does not take."""
    command = cli.get_command(None, words[1])
    command.make_context(words[1], list(words[2:]))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages as ``make docs`` builds them; a warning fails the build."""
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


@pytest.mark.slow
class TestSite:
    def test_nothing_is_loaded_from_another_host(self, site):
        loads = re.compile(r"""(?:\bsrc|\bsrcset|\bposter|<link[^>]*\bhref)\s*=\s*["']?\s*(?:https?:)?//""", re.I)
        styles = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])\s*(?:https?:)?//""", re.I)
        pages = list(site.rglob("*.html"))
        assert len(pages) > 20
        for path in (*pages, *site.rglob("*.css")):
            text = path.read_text(encoding="utf-8")
            assert not loads.search(text), path
            assert not styles.search(text), path

    def test_scripts_know_no_host_that_they_could_load_from(self, site):
        loading = re.compile(r"https?://(?:unpkg|cdn|cdnjs|api\.|fonts|ajax|www\.google)[^\"'`\s]*")
        for path in site.rglob("*.js"):
            assert not loading.findall(path.read_text(encoding="utf-8")), path

    def test_the_command_line_is_all_there(self, site):
        page = (site / "reference" / "command_line.html").read_text(encoding="utf-8")
        for name in COMMANDS:
            assert f'id="hsi-{name}"' in page
            for parameter in cli.get_command(None, name).params:
                for option in getattr(parameter, "opts", ()):
                    assert not option.startswith("--") or option in page, (name, option)

    def test_docstrings_are_there_and_their_references_are_links(self, site):
        page = (site / "reference" / "python.html").read_text(encoding="utf-8")
        assert 'id="hsi.estimator.HybridSNClassifier.fit"' in page
        assert 'href="#hsi.errors.UsageError"' in page
        assert not any(":class:" in path.read_text(encoding="utf-8") for path in site.rglob("*.html"))

    def test_no_path_of_a_machine_is_in_it(self, site):
        for path in site.rglob("*.html"):
            assert str(Path.home()) + "/" not in (text := path.read_text(encoding="utf-8")) and str(ROOT) not in text
