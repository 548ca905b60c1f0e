"""A run's folder appears whole or not at all, and never in the place of something else."""

import json
import shutil
from pathlib import Path

import pytest

from hsi.core.files import MANIFEST, Manifest
from hsi.errors import OutputError
from hsi.workflows.run_folder import MARK, MARKER, check_free_files, find_work, run_folder, unfinished_files
from tests.conftest import QUICK, names_in, work_folder


def finish(folder, text="new"):
    (folder / MARK).write_text(text)
    (folder / "accuracy.csv").write_text(text)


def write_run(out, text="new", overwrite=False):
    with run_folder(out, overwrite) as work:
        assert work.files != out
        finish(work.files, text)


def test_a_run_is_put_in_its_place_when_it_is_complete(tmp_path):
    out = tmp_path / "a" / "b" / "run"
    with run_folder(out, overwrite=False) as work:
        assert work.folder.parent == out.parent  # on the same disk, so that renaming is one step
        finish(work.files)
        assert not out.exists()
    assert names_in(out) == {MARK, "accuracy.csv"}
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_stops_a_run_leaves_neither_it_nor_the_folders_made_for_it(error, tmp_path):
    (tmp_path / "kept").mkdir()
    with pytest.raises(error), run_folder(tmp_path / "kept" / "new" / "run", overwrite=False) as work:
        finish(work.files)
        raise error
    assert list(tmp_path.rglob("*")) == [tmp_path / "kept"]


def test_folders_made_for_a_run_stay_when_something_else_is_in_them(tmp_path):
    with pytest.raises(ValueError), run_folder(tmp_path / "runs" / "a", overwrite=False):
        (tmp_path / "runs" / "b").mkdir()
        raise ValueError
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["b"]


def test_an_empty_folder_may_be_used(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    write_run(out)
    assert (out / MARK).is_file()


def test_a_finished_run_is_kept_unless_told_otherwise(tmp_path):
    out = tmp_path / "run"
    write_run(out, "old")
    with pytest.raises(OutputError, match="--overwrite"):
        write_run(out)
    assert (out / MARK).read_text() == "old"
    write_run(out, overwrite=True)
    assert (out / MARK).read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_a_failed_replacement_keeps_the_old_run(tmp_path):
    out = tmp_path / "run"
    write_run(out, "old")
    with pytest.raises(ValueError), run_folder(out, overwrite=True) as work:
        finish(work.files)
        raise ValueError
    assert (out / MARK).read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("again", [{"overwrite": True}, {"overwrite": False, "resume": True}])
def test_an_interrupted_replacement_is_completed(again, tmp_path, monkeypatch):
    out = tmp_path / "run"
    write_run(out, "old")
    (out / "notes.txt").write_text("mine")
    with monkeypatch.context() as patch:

        def interrupt(self, draft, name):
            raise KeyboardInterrupt

        patch.setattr(Manifest, "_move", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_run(out, overwrite=True)
    assert names_in(out) == {"accuracy.csv", "notes.txt"}  # no run, until it is complete
    assert names_in(tmp_path) == {"run", ".run.partial"}
    with pytest.raises(OutputError, match="continued with --resume, or replaced with --overwrite"):
        write_run(out)
    with pytest.raises(ValueError), run_folder(out, **again):
        assert (out / MARK).read_text() == "new"
        raise ValueError
    with run_folder(out, overwrite=True) as work:
        finish(work.files, "newest")
    assert (out / MARK).read_text() == "newest"
    assert (names_in(out), names_in(tmp_path)) == ({MARK, "accuracy.csv", "notes.txt"}, {"run"})


def test_a_folder_of_other_files_is_left_alone_even_when_told_to_overwrite(tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "cat.jpg").write_text("cat")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="no run of hsi"):
            write_run(out, overwrite=overwrite)
    assert [path.name for path in out.iterdir()] == ["cat.jpg"]


def test_what_appears_meanwhile_is_not_replaced(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(OutputError, match="no record of the files"), run_folder(out, overwrite=False) as work:
        finish(work.files, "second")
        out.mkdir()
        finish(out, "first")
    assert (out / MARK).read_text() == "first"
    assert (work_folder(tmp_path) / "files" / MARK).read_text() == "second"  # which took hours


def test_a_link_stays_a_link(tmp_path):
    disk = tmp_path / "disk"
    write_run(disk, "old")
    link = tmp_path / "run"
    link.symlink_to(disk)
    write_run(link, overwrite=True)
    assert link.is_symlink()
    assert (disk / MARK).read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "run"]


def test_the_working_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (".", "..", tmp_path):
        with pytest.raises(OutputError, match="where you are"):
            write_run(tmp_path / name, overwrite=True)


def test_two_runs_at_the_command_line(scenes, run, no_figures, tmp_path):
    words = ("classify", scenes["mat"], *QUICK, "--out", "run")
    assert run(*words).code == 0
    (tmp_path / "run" / "note.txt").write_text("mine")
    again = run(*words, "--seed", 1)
    assert (again.code, len(again.complaints)) == (1, 1)
    assert "run: holds a finished run" in again.stderr
    assert "--overwrite" in again.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 0
    replaced = run(*words, "--seed", 1, "--overwrite")
    assert replaced.code == 0, replaced.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 1
    assert (tmp_path / "run" / "note.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_other_files_are_left_alone_before_anything_is_computed(scenes, run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    done = run("classify", scenes["mat"], *QUICK, "--out", "photos", "--overwrite")
    assert (done.code, done.stdout, len(done.complaints)) == (1, "", 1)
    assert "photos: holds files that are no run of hsi" in done.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def contents(folder):
    """All files below a folder by their paths, with what they hold; a link is its target."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    return {name: path.readlink() if path.is_symlink() else path.read_bytes() for name, path in found.items()}


@pytest.mark.parametrize("record", ["", "{}", '{"tool": "another"}'])
def test_a_folder_with_the_record_of_another_tool(record, tmp_path):
    out = tmp_path / "thesis"
    (out / "photos").mkdir(parents=True)
    for path, text in {"run.json": record, "thesis.tex": "years", "photos/cat.jpg": "cat"}.items():
        (out / path).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="holds no record of the files that hsi wrote, so it is left alone"):
        write_run(out, overwrite=True)
    assert contents(tmp_path) == before


def test_runs_below_a_run_stay(tmp_path):
    write_run(tmp_path / "runs", "old")
    for name in ("a", "figures"):
        write_run(tmp_path / "runs" / name, name)
    write_run(tmp_path / "runs", overwrite=True)
    assert (tmp_path / "runs" / MARK).read_text() == "new"
    assert [(tmp_path / "runs" / name / MARK).read_text() for name in ("a", "figures")] == ["a", "figures"]


def test_what_the_new_run_lacks_is_removed(tmp_path):
    out = tmp_path / "run"
    with run_folder(out, overwrite=False) as work:
        finish(work.files)
        (work.files / "figures").mkdir()
        (work.files / "figures" / "map.png").touch()
    (out / "figures" / "mine.png").touch()
    write_run(out, overwrite=True)
    assert {str(name) for name in contents(out)} == {MARK, "accuracy.csv", "figures/mine.png", MANIFEST}


def test_a_changed_file_of_a_run_is_refused(tmp_path):
    out = tmp_path / "run"
    write_run(out, "old")
    (out / MARK).write_text("mine")
    with pytest.raises(OutputError, match=r"run.json: has changed since hsi wrote it, so it is left alone"):
        write_run(out, overwrite=True)
    assert (out / MARK).read_text() == "mine"


def test_a_file_in_the_way_of_a_new_one(tmp_path):
    out = tmp_path / "run"
    write_run(out, "old")
    (out / "map.tif").write_text("mine")
    says = r"map\.tif: exists already and is no file that hsi wrote"
    with pytest.raises(OutputError, match=says) as caught, run_folder(out, overwrite=True) as work:
        finish(work.files)
        (work.files / "map.tif").write_text("new")
    assert "the finished files are in" in caught.value.__notes__[0]
    assert ((out / MARK).read_text(), (out / "map.tif").read_text()) == ("old", "mine")
    assert (work_folder(tmp_path) / "files" / "map.tif").read_text() == "new"


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_folders_with_names_like_those_of_work_are_not_touched(options, tmp_path):
    """A folder, a link to one, and one with a record that names another folder."""
    options = {"overwrite": False, **options}
    for name in (".x.partial", ".x.0123456789abcdef.partial", ".x.old-2023", ".x.1.partial"):
        for inside in ("files/a.txt", "strips/rows-00000000.npz", "checkpoint.safetensors", "lock"):
            (tmp_path / name / inside).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / inside).write_text("mine")
    with pytest.raises(ValueError), run_folder(tmp_path / "x", overwrite=False) as work:
        shutil.copy(work.folder / MARKER, tmp_path / ".x.1.partial")
        shutil.copytree(work.folder, tmp_path / "copy")
        raise ValueError
    (tmp_path / "copy" / "checkpoint.safetensors").write_text("mine")
    (tmp_path / ".x.2.partial").symlink_to(tmp_path / "copy")
    before = contents(tmp_path)
    with run_folder(tmp_path / "x", **options) as work:
        finish(work.files)
    with unfinished_files(tmp_path / "x.tif", resume=False, overwrite=False) as work:
        (work.files / "x.tif").touch()
    assert before.items() <= contents(tmp_path).items()
    assert names_in(tmp_path / "x") == {MARK, "accuracy.csv"}


def test_what_others_put_into_a_work_folder_stays(tmp_path):
    with run_folder(tmp_path / "run", overwrite=False) as work:
        finish(work.files)
        (work.folder / "notes.txt").write_text("mine")
    assert [path.name for path in work.folder.iterdir()] == ["notes.txt"]
    assert find_work(tmp_path / "run") is None


def test_a_link_in_a_work_folder_is_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rows-00000000.npz").write_text("mine")
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path / "run", overwrite=False) as work:
        work.checkpoint.touch()
        raise KeyboardInterrupt
    work.strips.symlink_to(tmp_path / "mine")
    for options in ({"overwrite": True}, {"overwrite": False, "resume": True}):
        with pytest.raises(OutputError, match="is not as hsi left it"), run_folder(tmp_path / "run", **options):
            pass
    assert contents(tmp_path / "mine") == {Path("rows-00000000.npz"): b"mine"}


def test_a_file_is_not_replaced_by_what_is_made_of_it(tmp_path):
    path, link = tmp_path / "clean.tif", tmp_path / "link.tif"
    for name in (path, tmp_path / "clean.json"):
        name.touch()
    link.symlink_to(path)
    for given in (path, link, tmp_path / "clean.json"):
        with pytest.raises(OutputError, match="is read, and the result would replace it: choose another --out"):
            check_free_files(path, [path, tmp_path / "clean.json"], overwrite=True, inputs=[None, given])


class TestCommands:
    def test_inputs_are_not_replaced(self, scenes, run, no_figures, tmp_path):
        out = tmp_path / "run"
        assert run("classify", scenes["mat"], "--model", "svm", "--out", "run").code == 0
        shutil.copy(scenes["mat"], out / "scene.mat")
        before = contents(out)
        words = ("classify", scenes["mat"], "--model", "svm", "--out", "run", "--overwrite")
        for option in (
            ("--labels", "run/ground_truth.tif"),
            ("--split", "given:run/split.tif"),
            ("--mask", "run/map.tif"),
        ):
            done = run(*words, *option)
            assert (done.code, done.stdout, len(done.complaints)) == (1, "", 1)
            assert "is read, and the result would replace it: choose another --out" in done.stderr
        assert contents(out) == before
        assert run("classify", "run/scene.mat", *words[2:]).code == 0
        assert (out / "scene.mat").read_bytes() == before[Path("scene.mat")]
        assert "is the run that its repetition is compared with" in run("rerun", "run", "--out", "run").stderr
