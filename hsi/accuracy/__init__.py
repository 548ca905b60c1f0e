"""Accuracy of maps: metrics, their intervals and tests, calibration, leakage of splits, and estimated areas."""
