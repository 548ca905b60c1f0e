"""Classify a benchmark scene: ``python examples/classify_benchmark.py data/indian_pines.mat``."""

import sys

import hsi

run = hsi.classify(sys.argv[1], model="hybridsn-bn", train="10%", seed=0, progress=True)
for row in run.report["classes"]:
    print(f"{row['name']:<32} {row['test']:>6} test pixels")
print(f"OA {run.overall_accuracy:.2%}, AA {run.average_accuracy:.2%}, kappa {run.kappa:.4f}")
