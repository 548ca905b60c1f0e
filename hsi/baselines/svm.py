"""Support vector machines with a radial basis function kernel."""

from __future__ import annotations

from typing import Any

from hsi.baselines.baseline import BASELINES, Samples
from hsi.baselines.tuned import Grid, TunedEstimator
from hsi.errors import UsageError

COSTS = (1.0, 10.0, 100.0, 1e3, 1e4)
SCALED_GAMMAS = (1 / 64, 1 / 16, 1 / 4, 1.0, 4.0)  # gamma times the number of bands
SIDES = (3, 5, 7, 9, 11)


@BASELINES.register("svm")
class SVM(TunedEstimator):
    """RBF-SVM on the spectrum of the pixel (Melgani and Bruzzone 2004, doi:10.1109/TGRS.2004.831865), one against one.

    C and gamma are chosen by cross-validation. It gives no probabilities: Platt scaling, as in scikit-learn, would be a
    second model.
    """

    name = "svm"
    title = "SVM, RBF kernel"
    source = "doi:10.1109/TGRS.2004.831865"
    sees = "spectra"

    def grid(self, samples: Samples) -> Grid:
        """C from 1 to 10,000 and gamma around one over the number of bands."""
        bands = samples.values.shape[2]
        return {"C": COSTS, "gamma": tuple(gamma / bands for gamma in SCALED_GAMMAS)}

    def build(self, **parameters: Any) -> Any:
        """A support vector machine of scikit-learn (libsvm)."""
        from sklearn.svm import SVC

        return SVC(**parameters)


@BASELINES.register("svm-window")
class WindowSVM(SVM):
    """The same on spectra averaged over a square window, the mean part of the composite kernels of Camps-Valls et al.
    2006 (doi:10.1109/LGRS.2005.857031).

    The side of the window is chosen with C and gamma. The windows of the random folds overlap, so the cross-validation
    favours large windows.
    """

    name = "svm-window"
    title = "SVM on window means"
    source = "doi:10.1109/LGRS.2005.857031"
    sees = "window means"

    def sides(self, window: int) -> tuple[int, ...]:
        """3 to 11 pixels, at most ``window``: where a split separates windows of that size, it separates these, too.

        Raises :class:`UsageError` for a window of less than 3.
        """
        sides = tuple(side for side in SIDES if side <= window)
        if not sides:
            raise UsageError(f"--window is {window}, and svm-window averages over 3 pixels or more: use --model svm")
        return sides
