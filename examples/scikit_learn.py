"""HybridSN as a scikit-learn estimator, on arrays: ``python examples/scikit_learn.py``."""

import numpy as np

import hsi
from hsi.core.synthetic import make_scene

cube, labels, _ = make_scene(40, 40, bands=30, classes=4, field=10)  # (H, W, B) and (H, W)
left = np.where(np.arange(labels.shape[1]) < 20, labels, 0)  # train on the left half
classifier = hsi.HybridSNClassifier(epochs=30, random_state=0).fit(cube, left)
print(f"accuracy on the right half: {classifier.score(cube, labels - left):.2%}")
