import pytest
import scipy.io

from pipelines.cli import main


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["fetch", *(str(argument) for argument in arguments)])
    return stop.value.code


def test_list_shows_every_scene(capsys):
    assert run("--list") == 0
    told = capsys.readouterr().out
    for name in ("indian_pines", "pavia_university", "salinas", "145 x 145 x 200", "54,129"):
        assert name in told


def test_fetch_writes_the_scene_and_says_what_is_next(tmp_path, capsys):
    pytest.importorskip("tensorly")
    path = tmp_path / "data" / "indian_pines.mat"
    assert run("indian_pines", "--to", path.parent) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-1].split(maxsplit=1) == ["next", f"hsi classify {path}"]
    assert "10,249 pixels in 16 classes" in told
    assert {entry[0] for entry in scipy.io.whosmat(path)} == {"indian_pines_corrected", "indian_pines_gt"}
    assert run("indian_pines", "--to", path.parent) == 0
    assert "holds this scene already" in capsys.readouterr().out


def test_another_file_is_left_alone(tmp_path, capsys):
    (tmp_path / "indian_pines.mat").write_text("mine")
    assert run("indian_pines", "--to", tmp_path) == 1
    assert "it was left as it is: move it" in capsys.readouterr().err
    assert (tmp_path / "indian_pines.mat").read_text() == "mine"


def test_unknown_and_missing_names_are_usage_errors(tmp_path, capsys):
    assert run("indian_pine", "--to", tmp_path) == 2
    assert "did you mean indian_pines" in capsys.readouterr().err
    assert run("salinas", "--split", "hong", "--to", tmp_path) == 2
    assert "unknown split of salinas 'hong'" in capsys.readouterr().err
    assert run() == 2
    assert "name a scene: indian_pines" in capsys.readouterr().err


def test_a_mirror_without_an_answer_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    assert run("salinas", "--to", tmp_path, "--mirror", "http://127.0.0.1:9/x") == 1
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9/x/Salinas_corrected.mat" in error
    assert not list(tmp_path.iterdir())
