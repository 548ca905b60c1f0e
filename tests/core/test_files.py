"""Only files that hsi wrote, and that nothing has changed since, are replaced or removed."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from hsi.core.files import (
    MANIFEST,
    Manifest,
    config_dir,
    find_config,
    remove_files,
    shipped_configs,
    write_new,
    write_output,
)
from hsi.errors import OutputError, UnknownNameError


def write(path, text, overwrite=False):
    with write_output(path, overwrite) as part:
        part.write_text(text)


@pytest.fixture
def written(tmp_path):
    """A file that hsi wrote."""
    write(tmp_path / "map.tif", "of hsi")
    return tmp_path / "map.tif"


def test_a_file_is_replaced_when_asked(written):
    with pytest.raises(OutputError, match="replace it with --overwrite"):
        write(written, "new")
    write(written, "new", overwrite=True)
    assert written.read_text() == "new"
    assert {path.name for path in written.parent.iterdir()} == {"map.tif", f".map.tif{MANIFEST}"}


@pytest.mark.parametrize("how", ["changed", "foreign", "link", "no record", "another's record"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_hsi_did_not_write_stays(how, overwrite, written, tmp_path):
    record = tmp_path / f".map.tif{MANIFEST}"
    if how == "changed":
        written.write_text("mine")
    elif how == "foreign":
        written = tmp_path / "other.tif"
        written.write_text("mine")
    elif how == "link":
        written.rename(tmp_path / "original")
        written.symlink_to(tmp_path / "original")
    elif how == "no record":
        record.unlink()
    else:
        record.write_text(record.read_text().replace("{", "{ ", 1))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError):
        write(written, "new", overwrite)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert written.is_symlink() == (how == "link")


def test_what_appears_while_a_file_is_written_stays(tmp_path):
    path = tmp_path / "a.onnx"
    with pytest.raises(OutputError, match="is no file that hsi wrote"), write_output(path, overwrite=True) as part:
        part.write_text("new")
        path.write_text("mine")
    assert path.read_text() == "mine"


def start_writing(path):
    """Write a file in a fork of this process, which waits within the block; returns the fork's number."""
    ready, tell = os.pipe()
    fork = os.fork()
    if not fork:
        try:
            with write_output(path, overwrite=True) as part:
                part.write_text("half")
                part.with_name(f"{part.name}-journal").write_text("of the database")
                os.write(tell, b"x")
                time.sleep(60)
        finally:
            os._exit(1)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    return fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_a_killed_process_left_is_removed_when_the_file_is_written_again(tmp_path):
    foreign = {".a.0123456789abcdef.part.gpkg", ".a.0a.part.gpkg", ".a.0123456789abcdef.part.gpkg.hsi"}
    for name in foreign:
        (tmp_path / name).write_text("mine")
    path = tmp_path / "a.gpkg"
    killed, running = start_writing(path), start_writing(path)
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    assert len(list(tmp_path.glob(".a.*"))) == len(foreign) + 6
    write(path, "new")
    left = {one.name for one in tmp_path.iterdir()} - foreign - {"a.gpkg", f".a.gpkg{MANIFEST}"}
    assert len(left) == 3  # of the process that still runs
    os.kill(running, signal.SIGKILL)
    os.waitpid(running, 0)
    write(path, "newer", overwrite=True)
    assert {one.name for one in tmp_path.iterdir()} == {*foreign, "a.gpkg", f".a.gpkg{MANIFEST}"}
    assert all((tmp_path / name).read_text() == "mine" for name in foreign)


@pytest.mark.parametrize("names", [{"../secret": "0"}, {"/etc/passwd": "0"}, {"a": 1}, [], {"a": None}])
def test_a_record_that_leads_elsewhere_is_none(names, tmp_path):
    record = {"hsi": "files that hsi wrote, with their SHA-256", "files": names, "earlier": None}
    (tmp_path / MANIFEST).write_text(json.dumps(record, indent=2) + "\n")
    manifest = Manifest.of_folder(tmp_path)
    assert (manifest.foreign, manifest.files) == (True, {})
    with pytest.raises(OutputError, match="is no record of hsi"):
        manifest.place({}, overwrite=True)


@pytest.mark.parametrize("last", ["map.tif", "map.json"])
@pytest.mark.parametrize("stop", range(4))
def test_placing_goes_on_after_an_interrupt(stop, last, tmp_path, monkeypatch):
    out, move, moved = tmp_path / "map.tif", Manifest._move, []
    drafts = {name: tmp_path / "work" / name for name in ("map.tif", "map.json", "map.qml")}

    def fill(text):
        (tmp_path / "work").mkdir(exist_ok=True)
        for path in drafts.values():
            path.write_text(text)

    fill("old")
    Manifest.of_file(out).place({**drafts}, overwrite=False)
    (tmp_path / "map.txt").write_text("mine")
    fill("new")

    def interrupt(self, draft, name):
        if len(moved) == stop:
            raise KeyboardInterrupt
        moved.append(name)
        move(self, draft, name)

    monkeypatch.setattr(Manifest, "_move", interrupt)
    if stop < 3:
        with pytest.raises(KeyboardInterrupt):
            Manifest.of_file(out).place(drafts, overwrite=True)
        assert not out.exists() or stop == 3  # what is incomplete lacks it
        monkeypatch.undo()
        manifest = Manifest.of_file(out)
        assert manifest.interrupted
        manifest.resume({name: path for name, path in drafts.items() if path.exists()})
    else:
        Manifest.of_file(out).place(drafts, overwrite=True)
    assert {name: (tmp_path / name).read_text() for name in (*drafts, "map.txt")} == {
        **dict.fromkeys(drafts, "new"), "map.txt": "mine",
    }  # fmt: skip
    assert not Manifest.of_file(out).interrupted


def test_files_in_a_folder_behind_a_link_are_not_removed(tmp_path):
    draft, out, elsewhere = tmp_path / "draft", tmp_path / "run", tmp_path / "elsewhere"
    draft.write_text("figure")
    Manifest.of_folder(out).place({"figures/map.png": draft}, overwrite=False)
    (out / "figures").rename(elsewhere)
    (out / "figures").symlink_to(elsewhere)
    Manifest.of_folder(out).place({}, overwrite=True, stale=None)
    assert (elsewhere / "map.png").read_text() == "figure"
    draft.write_text("new")
    with pytest.raises(OutputError):
        Manifest.of_folder(out).place({"figures/map.pdf": draft}, overwrite=True)
    assert [path.name for path in elsewhere.iterdir()] == ["map.png"]


def test_a_work_folder_is_emptied_of_its_own_files(tmp_path):
    work, mine = tmp_path / "work", tmp_path / "mine"
    for folder in (work / "a", mine):
        folder.mkdir(parents=True)
        (folder / "rows-1.npz").touch()
    (work / "link").symlink_to(mine)
    (work / "notes.txt").touch()
    remove_files(work, "**/rows-*.npz", "link")
    assert [path.name for path in mine.iterdir()] == ["rows-1.npz"]
    assert {path.name for path in work.iterdir()} == {"a", "notes.txt"}
    (tmp_path / "other").symlink_to(mine)
    remove_files(tmp_path / "other", "**/*")
    assert [path.name for path in mine.iterdir()] == ["rows-1.npz"]


def test_new_files_get_free_names(tmp_path):
    names = [write_new(tmp_path / "run.yaml", text).name for text in ("a", "b", "a", "b", "c")]
    assert names == ["run.yaml", "run-2.yaml", "run.yaml", "run-2.yaml", "run-3.yaml"]


def test_files_get_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.onnx", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.onnx").stat().st_mode) == 0o640


def test_a_configuration_is_a_file_or_the_name_of_one_that_comes_with_hsi(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(Path("hybridsn-paper")) == config_dir() / "hybridsn-paper.yaml"
    assert find_config(Path("own.yaml")) == Path("own.yaml")  # whose reader reports that it is missing
    (tmp_path / "hybridsn-paper").touch()
    assert find_config(Path("hybridsn-paper")) == Path("hybridsn-paper")
    with pytest.raises(UnknownNameError, match="did you mean hybridsn-notes"):
        find_config(Path("hybridsn-note"))
    assert shipped_configs()["hybridsn-paper"].startswith("HybridSN as published")
