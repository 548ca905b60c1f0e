"""Comparators in ``hsi classify``: a scene mapped with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsi.core.events import progress, say
from hsi.workflows.fit import check_windows, given_files
from hsi.workflows.inputs import Inputs
from hsi.workflows.mapped import Mapped
from hsi.workflows.provenance import Stopwatch, hash_inputs
from hsi.workflows.resolve import is_comparator

if TYPE_CHECKING:
    from hsi.baselines import Predicted
    from hsi.inference.predict import MapSummary
    from hsi.settings import Settings
    from hsi.splits import Split


def refuse_to_train(settings: Settings) -> None:
    """Raise :class:`UsageError` where ``hsi train`` is asked for a comparator."""
    from hsi.errors import UsageError

    if is_comparator(settings):
        raise UsageError(
            f"{settings.model.name} is a comparator and not saved: a saved scikit-learn model is a pickle, which can "
            f"run code when it is opened: map with hsi classify --model {settings.model.name}, or train a network"
        )


def map_with_comparator(inputs: Inputs, settings: Settings, split: Split, folder: Path, watch: Stopwatch) -> Mapped:
    """Fit a comparator on training pixels and write ``map.tif``, and ``confidence.tif`` where it has probabilities."""
    from hsi.baselines import COMPARATORS, fit_comparator, map_with
    from hsi.preprocessing.reducers import fit_reducer

    scene, labels, valid = inputs.scene, inputs.labels, inputs.survey.valid
    comparator = COMPARATORS[settings.model.name](settings.seed)
    window = settings.model.window
    assert window is not None, "settled"
    check_windows(settings, scene)
    say("model", f"{comparator.name}: {comparator.title}; --window {window} is for the split and its audit")
    reducer = None
    if comparator.reducer:
        with watch.stage("reduce"), progress("reduce", "rows") as advance:
            reducer = fit_reducer(scene, settings.reducer, valid, advance)
    reduced = reducer.describe() if reducer else f"none: {comparator.sees}, neither reduced nor standardised"
    fitted_on = f"; fitted on all {np.count_nonzero(valid):,} valid pixels, labelled or not" if reducer else ""
    say("reducer", f"{reduced}{fitted_on}")
    say("training", training_pixels(split))
    with watch.stage("train"), progress("train", "fits") as advance:
        fit_comparator(comparator, scene, reducer, valid, split.train, labels.codes(), window, advance)
    say("", comparator.describe())
    with watch.stage("map"), progress("map", "rows") as advance:
        predicted = map_with(comparator, scene, reducer, valid, advance)
        summary = write_map(folder, inputs, predicted)
    record = {"recipe": comparator.recipe(), "parameters": None, "device": "cpu", "reducer": f"{reduced}{fitted_on}"}
    trained_on = hash_inputs(scene.source, labels.source, *given_files(settings))
    return Mapped(settings, split, summary, record, trained_on)


def training_pixels(split: Split) -> str:
    """Which pixels a comparator learns from, in words."""
    trained, validated = np.count_nonzero(split.train), np.count_nonzero(split.validation)
    unused = f"; the {validated:,} validation pixels are not used" if validated else ""
    return f"on the {trained:,} training pixels alone{unused}"


def write_map(folder: Path, inputs: Inputs, predicted: Predicted) -> MapSummary:
    """Write the class map, and the confidence where there is one; returns the pixels of each class."""
    from hsi.core.scene import Block
    from hsi.inference.map_files import Tally
    from hsi.io.geotiff import class_dtype, nodata_value, write_band, write_class_map

    scene, table = inputs.scene, inputs.labels.table
    ids = np.asarray(table.ids, class_dtype(table))[predicted.codes]
    ids[~inputs.survey.valid] = nodata_value(table)
    write_class_map(folder / "map.tif", ids, table, georeference=scene.georeference, nodata_mask=None)
    if predicted.confidence is not None:
        write_band(
            folder / "confidence.tif",
            predicted.confidence,
            georeference=scene.georeference,
            nodata=float("nan"),
            description="largest class probability",
        )
    tally = Tally(table, scene)
    tally.add(Block(0, 0, scene.height, scene.width), {"map": ids}, 0.0)
    return tally.summary()
