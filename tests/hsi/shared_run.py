"""One process of shared trainings, for the tests: ``python -m tests.hsi.shared_run OUT RANK WORLD SCENARIOS``.

OUT is a folder; SCENARIOS is JSON: by name what :func:`trained` takes. The first process writes a file for each with
its losses, accuracies and scores of some patches.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from hsi.training import engines, tiles
from hsi.training.distributed import Group, SharedTrainer
from hsi.training.trainer import Trainer
from tests.hsi.test_training import make_problem, make_trainer


def trained(model, dropout, group=None, most=2048, **settings):
    """A small network trained in tiles of 8 x 8 pixels, four a step, by ``most`` windows at a time: losses, accuracies
    and scores."""
    tiles.WHOLE_SIDE, tiles.TILE_SIDE, tiles.STEP_AREA, engines.MOST_WINDOWS = 8, 8, 1300, most
    kind = Trainer if group is None else lambda *given, **options: SharedTrainer(*given, group=group, **options)
    components, codes, train = make_problem()
    train[:8, :8] = False  # no tile there, so that tiles cannot be dealt evenly
    trainer = make_trainer(model, problem=(components, codes, train), kind=kind, amp="off", **settings)
    if not dropout:
        for module in trainer.model.modules():
            if type(module) is torch.nn.Dropout:
                module.p = 0.0
    fitted = trainer.fit()
    told = {name: torch.tensor([getattr(e, name) for e in fitted.history]) for name in ("loss", "accuracy")}
    patches = torch.randn(20, 13, 11, 11, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return {**told, "scores": fitted.model(patches)}


def main(out: Path, rank: int, world: int, scenarios: dict) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{out}/store", rank=rank, world_size=world)
    for name, scenario in scenarios.items():
        found = trained(**scenario, group=Group(rank, world))
        if rank == 0:
            save_file(found, out / f"{name}.safetensors")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    folder, rank, world, scenarios = sys.argv[1:]
    main(Path(folder), int(rank), int(world), json.loads(scenarios))
