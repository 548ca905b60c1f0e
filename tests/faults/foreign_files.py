"""Files of the user around every kind of output, commands killed at random moments, and a count of what was lost:
``python -m tests.faults.foreign_files FOLDER``."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hsi.core.files import MANIFEST, Manifest, hash_files
from hsi.workflows.run_folder import MARKER

CHANGES = ("rename", "replace", "unlink", "rmdir", "link", "mkdir")
Contents = dict[Path, bytes | Path]
Execute = Callable[[Sequence[str], Path, random.Random], str]  # words, the working folder; how it ended

SMALL = ("--device", "cpu", "--components", "13", "--window", "11", "--epochs", "3", "--no-symmetries")
PLACES = (
    ".",
    "run",
    "run/figures",
    "x",
    "x/runs",
    ".run.partial",
    ".run.old-2023",
    ".map.tif.0123456789abcdef.partial",
)
NAMES = (
    *("run.json", "accuracy.json", "accuracy.csv", "report.html", "map.tif", "map.tif.aux.xml", "map.qml", "map.json"),
    *("map_confidence.tif", "map_novelty.tif", "confidence.tif", "split.tif", "model.safetensors", "m.safetensors"),
    *("m.pt", "c.hdr", "c.img", "c.json", "c.html", "map.png", "map.pdf", "thesis.tex", ".hidden", ".map.0a.part.tif"),
    *("checkpoint.safetensors", "lock", "rows-00000000.npz", MARKER, MANIFEST, f".map.tif{MANIFEST}", "areas.gpkg"),
    *("comparison.json", "comparison.png", "reliability.png", "indian_pines.mat"),
)
OPTIONS = ((), ("--overwrite",), ("--resume",), ("--resume", "--overwrite"))
RESUMABLE = ("classify", "train", "predict", "rerun")


class Fault:
    """Something that happens before Python changes the folder, once ``left`` other changes are done."""

    def __init__(self, act: Callable[[], object], folder: Path, patch: Callable[..., None] = setattr) -> None:
        self.act, self.folder, self.left = act, folder, -1
        for name in CHANGES:
            patch(os, name, self._counting(getattr(os, name)))

    def _counting(self, change: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: object, **options: object) -> object:
            here = Path(os.fsdecode(arguments[0])).absolute()
            if self.left >= 0 and here.is_relative_to(self.folder):  # libraries have files of their own
                self.left -= 1
                if self.left < 0:
                    self.act()
            return change(*arguments, **options)

        return counting


def commands(source: Path) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
    """The words of each command without its output, and the names that the output may have.

    ``source`` holds a scene, its labels, a model and a run.
    """
    scene, labels, model, run = (str(source / name) for name in ("scene.npy", "scene_gt.npy", "m.safetensors", "run"))
    folders = ("run", "x", "x/runs", "run/figures", "new/folder")
    read = ("run/scene.npy", "--labels", labels)
    return {
        "classify": (("classify", scene, "--model", "position", "--no-figures", "--out"), folders),
        "classify its own scene": (("classify", *read, "--model", "position", "--no-figures", "--out"), ("run",)),
        "classify with a network": (("classify", scene, *SMALL, "--no-figures", "--out"), ("run", "x")),
        "rerun": (("rerun", run, "--out"), folders),
        "train": (("train", scene, *SMALL, "--out"), ("m.safetensors", "run/m.safetensors", "run/model.safetensors")),
        "predict": (("predict", model, scene, "--device", "cpu", "--no-report", "--out"), ("map.tif", "run/map.tif")),
        "denoise": (("denoise", scene, "--method", "mnf", "--out"), ("c.hdr", "run/map.tif", "c.tif")),
        "export": (("export", model, "--format", "torchscript", "--out"), ("m.pt", "run/m.pt")),
        "evaluate": (("evaluate", f"{run}/map.tif", "--labels", labels, "--out"), (".", *folders)),
        "plot": (("plot", run, "--figure", "map", "--out"), (".", *folders)),
        "plot a run": (("plot", "run", "--figure", "map", "--format", "pdf"), ("",)),
        "compare": (("compare", scene, "--models", "position", "--seeds", "1", "--out"), ("x", "run", ".")),
    }


def make_source(folder: Path, run: Callable[..., object]) -> Path:
    """What the commands read."""
    from hsi.inference.model_file import save_model
    from hsi.io import open_scene
    from tests.faults.killing import make_inputs
    from tests.models.model_makers import random_model

    folder.mkdir()
    scene = make_inputs(folder)
    save_model(folder / "m.safetensors", random_model(open_scene(scene)))
    run("classify", scene, "--model", "position", "--no-figures", "--out", folder / "run")
    return folder


def contents(folder: Path) -> Contents:
    """Every file and link below a folder and what it holds."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {path: path.readlink() if path.is_symlink() else path.read_bytes() for path in found}


def plant(folder: Path, chance: random.Random, foreign: Contents) -> None:
    """Add files, links and folders of the user where there are none, and change some that hsi wrote."""
    for _ in range(chance.randrange(12)):
        path = folder / chance.choice(PLACES) / chance.choice(NAMES)
        if os.path.lexists(path) or not (path.parent.is_dir() or not os.path.lexists(path.parent)):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if chance.random() < 0.15:
            path.symlink_to(folder / "elsewhere")
            foreign[path] = path.readlink()
        else:
            path.write_bytes(chance.randbytes(chance.choice((0, 3, 200))))
            foreign[path] = path.read_bytes()
    written = sorted(path for path in contents(folder) if path not in foreign and ".partial" not in str(path))
    if written and chance.random() < 0.2:
        path = chance.choice(written)
        path.write_bytes(path.read_bytes() + b"mine")
        foreign[path] = path.read_bytes()


def trial(
    source: Path, folder: Path, chance: random.Random, execute: Execute, names: Sequence[str] = (), steps: int = 6
) -> Counter[str]:
    """Commands one after the other in a folder with files of the user; how they ended. Raises AssertionError for a
    file that is lost."""
    folder.mkdir(parents=True)
    (folder / "elsewhere").mkdir()
    (folder / "run").mkdir()
    shutil.copy(source / "scene.npy", folder / "run" / "scene.npy")
    if chance.random() < 0.7:
        (folder / "run" / "scene.npy").unlink()
        (folder / "run").rmdir()
    foreign, ended, available = {**contents(folder), **contents(source)}, Counter[str](), commands(source)
    for _ in range(steps):
        if chance.random() < 0.6:
            plant(folder, chance, foreign)
        name = chance.choice(names or [*available])
        words, outputs = available[name]
        out = chance.choice(outputs)
        allowed = [one for one in OPTIONS if name.split()[0] in RESUMABLE or "--resume" not in one]
        options = () if name == "compare" else chance.choice(allowed)
        command = [*words, *([out] if out else []), *options]
        ended[execute(command, folder, chance)] += 1
        lost = [path for path, content in foreign.items() if not _holds(path, content)]
        assert not lost, f"{' '.join(command)}: lost {lost}"
        check_complete(folder, foreign)
    return ended


def check_complete(folder: Path, foreign: Contents) -> None:
    """Raise AssertionError for a result of hsi that is neither complete nor can be completed."""
    sums = hash_files(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    drafts = {known for path, known in sums.items() if ".partial/files/" in path}
    for record in folder.rglob(f"*{MANIFEST}"):
        manifest = Manifest(record.parent, record)
        for name, known in manifest.files.items():
            path = record.parent / name
            found, earlier = sums.get(str(path)), (manifest.earlier or {}).get(name, [])
            waits = known in drafts or (len(manifest.files) == 1 and (found in earlier or not earlier))
            assert path in foreign or found == known or (manifest.interrupted and waits), f"{path} is lost"


def _holds(path: Path, content: bytes | Path) -> bool:
    if isinstance(content, Path):
        return path.is_symlink() and path.readlink() == content
    return path.is_file() and not path.is_symlink() and path.read_bytes() == content


def main(folder: Path, count: int, seed: int) -> dict[str, int]:
    """Trials in forks of this process, which are killed at random moments; how the commands ended."""
    from tests.conftest import run_here
    from tests.faults.killing import finish, start

    fault = Fault(lambda: os.kill(os.getpid(), signal.SIGKILL), folder)

    def execute(words: Sequence[str], where: Path, chance: random.Random) -> str:
        os.chdir(where)
        how = chance.random()
        kill_after = chance.uniform(0, 1.5) if how < 0.2 else None
        fault.left = chance.randrange(40) if how > 0.5 else -1
        number = start(words, folder / "command.log")
        fault.left = -1  # in the fork alone
        code, _ = finish(number, kill_after)
        complaints = (folder / "command.log").read_text(errors="replace")
        assert "not foreseen" not in complaints and "Traceback" not in complaints, complaints
        return {0: "finished", -9: "killed"}.get(code, "refused")

    folder.mkdir(parents=True, exist_ok=True)
    source = make_source(folder / "source", lambda *words: run_here(*words, cwd=folder))
    ended = Counter[str]()
    for number in range(count):
        ended += trial(source, folder / f"trial-{number}", random.Random(f"{seed}-{number}"), execute)
        shutil.rmtree(folder / f"trial-{number}")
    return dict(ended)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="An empty folder for scenes and results.")
    parser.add_argument("--trials", type=int, default=20, help="Trials of six commands each.")
    parser.add_argument("--seed", type=int, default=0, help="Decides files, commands and moments.")
    given = parser.parse_args()
    print(json.dumps(main(given.folder.absolute(), given.trials, given.seed), indent=2))
