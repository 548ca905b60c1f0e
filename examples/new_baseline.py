"""A classifier of your own as a baseline with the same splits and tables: ``python examples/new_baseline.py``."""

from sklearn.naive_bayes import GaussianNB

import hsi
from hsi.baselines import BASELINES
from hsi.baselines.tuned import TunedEstimator
from hsi.core.synthetic import make_scene


@BASELINES.register("naive-bayes")
class NaiveBayes(TunedEstimator):
    """Independent Gaussians for each class and band (Zhang 2004, FLAIRS)."""

    name = "naive-bayes"
    title = "naive Bayes"
    source = "Zhang 2004, FLAIRS"
    sees = "spectra"
    probable = True

    def build(self, **parameters):
        """Gaussian naive Bayes of scikit-learn."""
        return GaussianNB(**parameters)


cube, labels, _ = make_scene(60, 60, bands=30, classes=4, field=12)  # (H, W, B) and (H, W)
for name in ("naive-bayes", "svm"):
    run = hsi.classify(cube, labels, model=name, train="10%")
    print(f"{name}: OA {run.overall_accuracy:.2%}")
