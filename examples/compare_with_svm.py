"""HybridSN against a support vector machine: ``python examples/compare_with_svm.py SCENE FOLDER``."""

import sys

import hsi

scene, folder = sys.argv[1:3]
result = hsi.compare(scene, models=["hybridsn-bn", "svm"], seeds=3, settings={"split.train": "10%"}, out=folder)
for row in result.tables.splits[0].rows:
    accuracy = row.measures["overall_accuracy"]
    print(f"{row.name:<12} OA {accuracy.mean:.2%}")
