"""The measurement of a GPU runs on a CPU, with small sizes, and its report says so."""

import pytest
import torch

from benchmarks import gpu
from benchmarks.engines.measure import Sizes


@pytest.mark.slow
def test_every_piece_is_measured_and_reported(monkeypatch, tmp_path):
    def classify(path, out, device, *options):
        words = [str(word) for word in options]
        return {"options": words, "wall": 3.0, "stages": {"train": 2.0}, "peak_bytes": 10**9, "overall_accuracy": 0.9}

    monkeypatch.setattr(gpu, "classify", classify)
    monkeypatch.setattr(gpu, "run_tests", lambda device: "60 passed in 9 s")
    sizes = Sizes(components=13, window=11, repeats=1, rows=2, large=40)
    record = gpu.measure(None, torch.device("cpu"), sizes, quick=True, tests=True, scratch=tmp_path)
    assert [row["precision"] for row in record["rate"]] == ["float32", "bfloat16"]
    assert min(row["pixels_s"] for row in record["rate"]) > 0
    assert record["deterministic"][1]["largest_difference"] == 0
    assert "aten::convolution_backward" in {row["operator"] for row in record["profile"]["training"]}
    report = gpu.to_markdown(record)
    assert "Small sizes" in report and "(on the pretend device): 60 passed in 9 s" in report
    assert report.startswith("cpu (")
