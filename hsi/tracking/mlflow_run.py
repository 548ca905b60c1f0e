"""Runs in MLflow: at ``MLFLOW_TRACKING_URI``, in the experiment ``MLFLOW_EXPERIMENT_NAME``, or ``hsi``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from hsi.tracking.tracker import Tracker

EXPERIMENT = "hsi"
REMEDY = "set MLFLOW_TRACKING_URI to that of a server"


def make_tracker(name: str) -> MLflowRun:
    """A run of that name."""
    return MLflowRun(name)


class MLflowRun(Tracker):
    """Metrics by epoch, then parameters, the accuracy, and what was made as artefacts."""

    def __init__(self, name: str) -> None:
        self.client: Any = MlflowClient()
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        known = self.client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else self.client.create_experiment(experiment)
        self.run = self.client.create_run(number, run_name=name).info.run_id
        self.where = f"run {name} of {experiment} in {self.client.tracking_uri}"

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log metrics."""
        for name, value in values.items():
            self.client.log_metric(self.run, name, value, step=epoch)

    def finish(self, settings: Mapping[str, Any], results: Mapping[str, float], made: Path | None) -> None:
        """Log parameters, results and artefacts, and end the run."""
        self._log_settings(settings)
        for name, value in results.items():
            self.client.log_metric(self.run, name, value)
        if made and made.is_dir():
            self.client.log_artifacts(self.run, str(made), made.name)
        elif made:
            self.client.log_artifact(self.run, str(made))
        self.client.set_terminated(self.run, "FINISHED")

    def fail(self, settings: Mapping[str, Any]) -> None:
        """End the run as failed."""
        self._log_settings(settings)
        self.client.set_terminated(self.run, "FAILED")

    def _log_settings(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            self.client.log_param(self.run, name, value)
