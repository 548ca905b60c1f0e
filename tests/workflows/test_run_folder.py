"""A run's folder appears whole or not at all, and never in the place of something else."""

import json

import pytest

from hsi.errors import OutputError
from hsi.workflows.run_folder import MARK, run_folder
from tests.conftest import QUICK


def finish(folder, text="new"):
    (folder / MARK).write_text(text)


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
    assert [path.name for path in out.iterdir()] == [MARK]
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


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_an_old_run_comes_back_when_the_new_one_cannot_take_its_place(error, tmp_path, monkeypatch):
    out = tmp_path / "run"
    write_run(out, "old")
    rename = type(out).rename

    def refuse(path, target):
        if ".partial" in str(path):
            raise error
        return rename(path, target)

    monkeypatch.setattr(type(out), "rename", refuse)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        write_run(out, overwrite=True)
    assert (out / MARK).read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


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
    with pytest.raises(OutputError, match="finished run"), run_folder(out, overwrite=False) as work:
        finish(work.files, "second")
        out.mkdir()
        finish(out, "first")
    assert (out / MARK).read_text() == "first"
    assert list(tmp_path.iterdir()) == [out]


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
    (tmp_path / "run" / "note.txt").write_text("of the first run")
    again = run(*words, "--seed", 1)
    assert (again.code, len(again.complaints)) == (1, 1)
    assert "run: holds a finished run" in again.stderr
    assert "--overwrite" in again.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 0
    replaced = run(*words, "--seed", 1, "--overwrite")
    assert replaced.code == 0, replaced.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 1
    assert not (tmp_path / "run" / "note.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_other_files_are_left_alone_before_anything_is_computed(scenes, run, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    done = run("classify", scenes["mat"], *QUICK, "--out", "photos", "--overwrite")
    assert (done.code, done.stdout, len(done.complaints)) == (1, "", 1)
    assert "photos: holds files that are no run of hsi" in done.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
