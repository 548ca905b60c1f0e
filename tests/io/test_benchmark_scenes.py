import functools
import http.server
import re
import shutil
import threading

import numpy as np
import pytest
import rasterio
import scipy.io
import yaml

from hsi.core.files import config_dir, hash_files
from hsi.errors import ConfigError, OutputError, SceneFileError, UnknownNameError, UsageError
from hsi.io import benchmark_scenes as scenes
from hsi.io.benchmark_scenes import fetch_scene, fetch_split, locate_split, recognise_scene, scene_facts, scene_names
from hsi.settings import load_settings
from hsi.version import install_hint
from tests.conftest import names_in
from tests.core.colour_vision import least_difference
from tests.io import file_makers

TRUTH = np.array([[0, 1, 1], [2, 2, 2]], np.uint8)
CUBE = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The catalogue with one more scene, 'tiny', of 2 x 3 pixels and 4 bands."""
    configs = tmp_path / "configs"
    shutil.copytree(config_dir() / "scenes", configs / "scenes")
    facts = {
        "title": "Tiny",
        "sensor": "none",
        "place": "nowhere",
        "shape": [2, 3, 4],
        "cube": {"url": "http://127.0.0.1:9/far/Tiny.mat", "variable": "tiny"},
        "ground_truth": {"url": "http://127.0.0.1:9/far/Tiny_gt.mat", "variable": "tiny_gt"},
        "citation": "none",
        "background_pixels": 1,
        "classes": [
            {"id": 1, "name": "one", "colour": "#ff0000", "pixels": 2},
            {"id": 2, "name": "two", "colour": "#00ff80", "pixels": 3},
        ],
    }
    (configs / "scenes" / "tiny.yaml").write_text(yaml.safe_dump(facts))
    monkeypatch.setattr(scenes, "config_dir", lambda: configs)
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return facts


@pytest.fixture
def server(tmp_path):
    """A folder served on loopback and its URL."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def serve(folder, cube=CUBE, truth=TRUTH):
    scipy.io.savemat(folder / "Tiny.mat", {"tiny": cube})
    scipy.io.savemat(folder / "Tiny_gt.mat", {"tiny_gt": truth})


@pytest.mark.parametrize("name", scene_names())
def test_every_scene_has_sound_facts(name):
    facts = scene_facts(name)
    assert facts.table.ids == (
        (1, 10, 11, 12, 13, 14) if name == "salinas_a" else tuple(range(1, len(facts.classes) + 1))
    )
    assert len(set(facts.table.names)) == len(facts.table)
    for i, first in enumerate(facts.table.colours):
        for second in facts.table.colours[i + 1 :]:
            assert np.abs(np.subtract(first, second)).sum() > 60, f"{first} and {second} look alike"
    assert facts.cube.url.startswith("https://")


def test_indian_pines_knows_its_wavelengths():
    facts = scene_facts("indian_pines")
    assert len(facts.wavelengths) == len(facts.fwhm) == 200
    assert (facts.wavelengths[0], facts.wavelengths[-1]) == (400.02, 2489.11)
    assert sum(facts.counts.values()) == 10_249


def test_salinas_a_is_a_part_of_salinas():
    part, full = scene_facts("salinas_a").classes, {one.id: one for one in scene_facts("salinas").classes}
    assert all((one.name, one.colour) == (full[one.id].name, full[one.id].colour) for one in part)
    assert sum(one.pixels for one in part) == 5_348


def test_unknown_scene_lists_the_near_ones():
    with pytest.raises(UnknownNameError, match="did you mean salinas"):
        scene_facts("salinass")
    with pytest.raises(UnknownNameError, match="did you mean pavia_university"):
        scene_facts("pavia")


def test_facts_that_contradict_themselves_are_refused(tiny, tmp_path):
    tiny["background_pixels"] = 7
    (tmp_path / "configs" / "scenes" / "wrong.yaml").write_text(yaml.safe_dump(tiny))
    with pytest.raises(ConfigError, match=r"wrong\.yaml.*do not add up to 2 x 3"):
        scene_facts("wrong")


def test_recognised_by_shape_and_counts_only(tiny):
    assert recognise_scene((2, 3), TRUTH).name == "tiny"
    assert recognise_scene((2, 3), TRUTH[:, ::-1]).name == "tiny"
    assert recognise_scene((2, 3), {1: 2, 2: 3}).name == "tiny"
    assert recognise_scene((3, 2), TRUTH.T) is None
    assert recognise_scene((2, 3), {1: 3, 2: 3}) is None


def test_indian_pines_from_the_installed_package(tmp_path):
    pytest.importorskip("tensorly")
    path = fetch_scene("indian_pines", tmp_path / "new" / "data", source="package")
    content = scipy.io.loadmat(path)
    assert content["indian_pines_corrected"].shape == (145, 145, 200)
    assert content["indian_pines_corrected"].dtype == np.uint16
    assert recognise_scene((145, 145), content["indian_pines_gt"]).name == "indian_pines"
    written = path.stat().st_mtime_ns
    assert fetch_scene("indian_pines", path.parent) == path
    assert path.stat().st_mtime_ns == written
    assert names_in(path.parent) == {path.name}


def test_download_writes_both_variables_and_reports_progress(tiny, server, tmp_path):
    folder, url = server
    serve(folder)
    seen = []
    path = fetch_scene("tiny", tmp_path / "data", lambda done, total, file: seen.append(file), base_url=url)
    content = scipy.io.loadmat(path)
    np.testing.assert_array_equal(content["tiny"], CUBE)
    np.testing.assert_array_equal(content["tiny_gt"], TRUTH)
    assert set(seen) == {"Tiny.mat", "Tiny_gt.mat"}


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ({"truth": TRUTH.T}, r"'tiny_gt' has shape \(3, 2\), expected \(2, 3\)"),
        ({"truth": np.ones_like(TRUTH)}, r"'tiny_gt' has \{1: 6\} pixels per class, expected \{1: 2, 2: 3\}"),
        ({"cube": CUBE[:, :, :3]}, r"'tiny' has shape \(2, 3, 3\), expected \(2, 3, 4\)"),
    ],
)
def test_wrong_content_is_refused_and_leaves_nothing(tiny, server, tmp_path, served, message):
    folder, url = server
    serve(folder, **served)
    with pytest.raises(SceneFileError, match=message):
        fetch_scene("tiny", tmp_path / "data", base_url=url)
    assert not (tmp_path / "data").exists()


def test_changed_bytes_are_refused_where_the_checksum_is_known(tmp_path, monkeypatch, server):
    folder, url = server
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    scipy.io.savemat(folder / "Indian_pines_corrected.mat", {"indian_pines_corrected": np.ones((145, 145, 200), "u2")})
    with pytest.raises(SceneFileError, match=r"has SHA-256 .* expected 36468dd7"):
        fetch_scene("indian_pines", tmp_path / "data", base_url=url)


def test_a_page_instead_of_a_file_is_named(tiny, server, tmp_path):
    folder, url = server
    serve(folder)
    (folder / "Tiny.mat").write_text("<html>moved</html>")
    with pytest.raises(SceneFileError, match=r"Tiny\.mat: not a readable MATLAB file, it begins with b'<html>moved"):
        fetch_scene("tiny", tmp_path / "data", base_url=url)


def test_another_variable_is_named(tiny, server, tmp_path):
    folder, url = server
    serve(folder)
    scipy.io.savemat(folder / "Tiny.mat", {"other": CUBE})
    with pytest.raises(SceneFileError, match="no variable 'tiny', found: other"):
        fetch_scene("tiny", tmp_path / "data", base_url=url)


def test_no_network_says_which_url_and_what_to_do(tiny, tmp_path):
    with pytest.raises(SceneFileError) as caught:
        fetch_scene("tiny", tmp_path / "data")
    assert "http://127.0.0.1:9/far/Tiny.mat" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "download Tiny.mat and Tiny_gt.mat with a browser" in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_missing_file_on_the_server(tiny, server, tmp_path):
    _, url = server
    with pytest.raises(SceneFileError, match=r"Tiny\.mat: cannot be downloaded \(HTTP 404\)"):
        fetch_scene("tiny", tmp_path / "data", base_url=url)


def test_indian_pines_without_package_or_network_names_the_extra(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SceneFileError, match=re.escape(install_hint("samples"))):
        fetch_scene("indian_pines", tmp_path, source="package")


def test_another_file_of_that_name_is_not_replaced(tiny, server, tmp_path):
    folder, url = server
    serve(folder)
    path = tmp_path / "tiny.mat"
    path.write_bytes(b"precious")
    for overwrite, says in ((False, "it was left as it is: move it"), (True, "is no file that hsi wrote there")):
        with pytest.raises(OutputError, match=rf"tiny\.mat: .*{says}"):
            fetch_scene("tiny", tmp_path, overwrite=overwrite, base_url=url)
        assert path.read_bytes() == b"precious"
    path.unlink()
    for _ in range(2):
        assert fetch_scene("tiny", tmp_path, overwrite=True, base_url=url) == path
        assert recognise_scene((2, 3), scipy.io.loadmat(path)["tiny_gt"]).name == "tiny"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"tiny\.mat: has changed since hsi wrote it.* choose another --to"):
        fetch_scene("tiny", tmp_path, overwrite=True, base_url=url)


@pytest.fixture
def split_files(tiny, server, tmp_path):
    """A function that serves the files of a split 'theirs' of the scene 'tiny', whose classes they number otherwise."""
    folder, url = server
    serve(folder)
    file_makers.mat(folder / "train.mat", T=np.array([[0, 2, 0], [1, 0, 0]], np.uint8))
    file_makers.tiff(folder / "test.tif", np.array([[1, 0, 1], [0, 1, 0]], np.uint8))

    def write(**changes):
        train, test = (
            {"urls": [f"{url}/gone/{name}", f"{url}/{name}"], "sha256": hash_files([folder / name])[str(folder / name)]}
            for name in ("train.mat", "test.tif")
        )
        split = {"title": "their split", "citation": "them", "train": train | {"variable": "T"}, "test": test}
        split |= {"ids": {1: 2, 2: 1}, "pixels": [2, 3], "mended": 1} | changes
        path = tmp_path / "configs" / "scenes" / "tiny.yaml"
        path.write_text(yaml.safe_dump(tiny | {"splits": {"theirs": split}}))
        scenes._load_facts.cache_clear()
        fetch_scene("tiny", tmp_path, base_url=url)
        return tmp_path

    yield write
    scenes._load_facts.cache_clear()


def test_a_published_split_has_the_ids_of_the_scene_and_the_pixels_of_its_authors(split_files):
    folder = split_files()
    fetched = fetch_split("tiny", "theirs", folder)
    assert fetched.path == folder / "tiny_theirs.tif"
    assert fetched.notes == ("mended: 1 pixels of one (1) are two (2) in the authors' file",)
    with rasterio.open(fetched.path) as raster:
        np.testing.assert_array_equal(raster.read(), [[[3, 1, 3], [1, 3, 0]], [[2, 1, 1], [2, 2, 0]]])
        assert raster.descriptions == ("split", "class")
    written = fetched.path.stat().st_mtime_ns
    assert fetch_split("tiny", "theirs", folder).path.stat().st_mtime_ns == written


def test_without_a_test_file_the_rest_of_the_ground_truth_tests(split_files):
    folder = split_files(test=None, pixels=[2, 3], mended=0)
    with rasterio.open(fetch_split("tiny", "theirs", folder).path) as raster:
        np.testing.assert_array_equal(raster.read(1), [[0, 1, 3], [1, 3, 3]])


def test_other_files_than_the_authors_are_refused(split_files, server):
    folder = split_files(mended=0)
    with pytest.raises(SceneFileError, match="1 pixels have another class in the ground truth, expected 0"):
        fetch_split("tiny", "theirs", folder)
    folder = split_files(pixels=[2, 4])
    with pytest.raises(SceneFileError, match=r"\(2, 3\) pixels for training and test, expected \(2, 4\)"):
        fetch_split("tiny", "theirs", folder)
    folder = split_files()
    (server[0] / "train.mat").write_bytes(b"other")
    with pytest.raises(SceneFileError, match=r"train\.mat: not the file of their split: SHA-256"):
        fetch_split("tiny", "theirs", folder)
    (server[0] / "train.mat").unlink()
    with pytest.raises(SceneFileError, match=r"train\.mat: cannot be downloaded \(HTTP 404\): .* and test"):
        fetch_split("tiny", "theirs", folder)
    with pytest.raises(UnknownNameError, match="unknown split of Tiny 'their': did you mean theirs"):
        fetch_split("tiny", "their", folder)
    (folder / "tiny_theirs.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"tiny_theirs\.tif"):
        fetch_split("tiny", "theirs", folder)


def test_a_published_split_is_found_next_to_its_scene(tmp_path):
    settings = load_settings(None, {"split.rule": "hong"})
    with pytest.raises(SceneFileError, match=r"_hong\.tif: no such file: .hsi fetch pavia_university --split"):
        locate_split(settings, [tmp_path / "pavia_university.mat"])
    (tmp_path / "indian_pines_hong.tif").touch()
    found = locate_split(settings, [tmp_path / "copy.mat", None]).split
    assert (found.rule, found.given) == ("given", str(tmp_path / "indian_pines_hong.tif"))
    with pytest.raises(UsageError, match="give given:FILE"):
        locate_split(settings, [])
    usual = load_settings()
    assert locate_split(usual, []) is usual


def test_a_base_url_contradicts_the_package_source(tmp_path):
    with pytest.raises(UsageError):
        fetch_scene("indian_pines", tmp_path, source="package", base_url="http://127.0.0.1:9")


@pytest.mark.parametrize(("name", "least"), [("indian_pines", 10.7), ("salinas", 11.9), ("pavia_university", 18.7)])
def test_the_colours_of_classes_differ_for_everyone(name, least):
    """CIEDE2000 under ordinary vision, protanopia, deuteranopia and tritanopia."""
    assert least_difference(scene_facts(name).table.colours) >= least


def test_the_beginning_of_a_name_suggests_it():
    with pytest.raises(UnknownNameError, match="did you mean pavia_university"):
        scene_facts("pavia")
