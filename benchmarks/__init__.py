"""Measured comparisons, run from the checkout's folder: ``python -m benchmarks.NAME``. Not in the wheel."""
