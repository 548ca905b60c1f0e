"""``hsi compare --scheduler``: runs on workers, in a folder that they have to share."""

from contextlib import suppress
from pathlib import Path

import pytest

from hsi.cluster.client import ClusterOptions
from hsi.cluster.commands import Command, _marked, run_command, run_commands
from hsi.errors import ClusterError
from tests.cluster.conftest import wait_for

pytestmark = pytest.mark.slow

HSI = "pipelines.cli"


def test_a_run_on_a_worker_is_that_of_this_machine(cluster, run, scenes, tmp_path, no_figures):
    words = (scenes["tiff"], "--train", "20")
    done = run("compare", *words, "--models", "sam", "--seeds", 1, "--scheduler", cluster.address, "--out", "there")
    assert done.code == 0, done.stderr
    assert f"on the workers of {cluster.address}" in done.stdout
    assert run("classify", *words, "--model", "sam", "--seed", 0, "--out", "here").code == 0
    (made,) = (tmp_path / "there" / "runs").glob("sam-*/map.tif")
    assert made.read_bytes() == (tmp_path / "here" / "map.tif").read_bytes()
    assert not list((tmp_path / "there").glob(".workers-*"))  # by which the folder is known to be shared


def test_jobs_are_for_this_machine(run, scenes):
    done = run("compare", scenes["tiff"], "--models", "rf", "--jobs", 2, "--scheduler", "tcp://host:8786")
    assert (done.code, "jobs is for this machine" in done.stderr) == (2, True)


def test_a_worker_that_does_not_see_the_folder_says_so(cluster, tmp_path):
    command = Command(HSI, ("models",), str(tmp_path), str(tmp_path / "log"))
    with ClusterOptions(cluster.address).connected() as client:
        future = client.submit(run_command, command, str(tmp_path / "elsewhere" / "mark"), "token", pure=False)
        with pytest.raises(ClusterError, match=r"worker tcp://\S+ does not see the folder \S+/elsewhere: "):
            future.result()


def processes_in(folder):
    """The processes whose working folder it is."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # of another user, or gone
            found += [place.parent] if place.readlink() == folder else []
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are found in /proc")
def test_what_runs_is_interrupted_with_the_client(cluster, scenes, tmp_path):
    words = ("classify", str(scenes["tiff"]), "--epochs", "100000", "--out", "run")
    command = Command(HSI, words, str(tmp_path), str(tmp_path / "log"))
    with ClusterOptions(cluster.address).connected() as client:
        with _marked(tmp_path) as (mark, token):
            future = client.submit(run_command, command, str(mark), token, pure=False)
            wait_for(lambda: processes_in(tmp_path))
        code, _ = future.result(60)
    assert code != 0 and processes_in(tmp_path) == []


def test_a_failure_is_an_exit_code_with_a_log(cluster, tmp_path):
    command = Command(HSI, ("inspect", "nothing.tif"), str(tmp_path), str(tmp_path / "logs" / "log"))
    ended = []
    with ClusterOptions(cluster.address).connected() as client:
        run_commands(client, {"one": command}, tmp_path, lambda *given: ended.append(given), lambda names: None)
    assert [given[:2] for given in ended] == [("one", 1)]
    assert "nothing.tif: no such file" in (tmp_path / "logs" / "log").read_text()
