"""What a network and a comparator both leave: a map in the run's folder, and what is told of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.workflows.fit import Run, fit_run
from hsi.workflows.inputs import Inputs
from hsi.workflows.outputs import map_inputs
from hsi.workflows.provenance import Stopwatch
from hsi.workflows.resume import Keeping

if TYPE_CHECKING:
    from hsi.inference.model_file import Bundle
    from hsi.inference.predict import MapSummary
    from hsi.settings import Settings
    from hsi.splits import Split


@dataclass(frozen=True)
class Mapped:
    """A scene mapped into a run's folder.

    ``record`` is what ``run.json`` tells of the method, ``trained_on`` the hashes of its inputs, ``bundle`` the model
    to save: None for a comparator.
    """

    settings: Settings
    split: Split
    summary: MapSummary
    record: Mapping[str, Any]
    trained_on: Mapping[str, str]
    bundle: Bundle | None = None


def map_with_network(
    inputs: Inputs,
    settings: Settings,
    split: Split,
    folder: Path,
    watch: Stopwatch,
    probabilities: bool = False,
    keeping: Keeping | None = None,
) -> Mapped:
    """Train a network and write ``map.tif`` and ``confidence.tif``, and ``probabilities.tif`` if these are wanted.

    What can be gone on with is kept where ``keeping`` says.
    """
    from hsi.errors import TrainingError
    from hsi.inference.predict import MapOptions, sibling

    run = fit_run(inputs, settings, split, watch, keeping)
    with watch.stage("map"):
        averages = run.settings.mapping.model_dump(include={"symmetries", "blend"})
        options = MapOptions(engine=run.fitted.recipe.engine, probabilities=probabilities, **averages)
        try:
            summary = map_inputs(inputs, run, folder / "map.tif", options, keeping.work.strips if keeping else None)
        except TrainingError:  # what was trained is of no use to go on from
            if keeping:
                keeping.work.discard()
            raise
        for kind in ("confidence", *(("probabilities",) if probabilities else ())):
            sibling(folder / "map.tif", kind).rename(folder / f"{kind}.tif")
    return Mapped(run.settings, split, summary, network_record(run), run.bundle.trained_on, run.bundle)


def network_record(run: Run) -> dict[str, Any]:
    """What ``run.json`` tells of a network."""
    from hsi.models import count_parameters, count_work

    fitted, model = run.fitted, run.bundle.model
    return {
        "recipe": fitted.recipe.to_dict(),
        "parameters": count_parameters(model),
        "multiply_adds": asdict(count_work(model)),
        "weight_bytes": sum(tensor.nbytes for tensor in model.state_dict().values()),
        "device": str(next(fitted.model.parameters()).device),
        "reducer": f"{run.bundle.reducer.describe()}; fitted on all valid pixels, labelled or not",
        "calibration": run.temperature.to_dict() if run.temperature else None,
        "kept_epoch": fitted.epoch,
        "resumed_from_step": run.resumed_from,
        "history": [asdict(epoch) for epoch in fitted.history],
    }
