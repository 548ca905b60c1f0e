"""Ensembles: a network and classifiers of the spectrum, or networks of different windows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hsi.errors import UsageError
from hsi.models.layers import tracing
from hsi.models.network import WindowNetwork
from hsi.models.windows import crop

# Weight of the linear classifier. That of the discriminant was chosen on generated scenes of small fields, that of
# logistic regression on blocks of Indian Pines cut from the training sides of block splits.
SHARES = {"discriminant": 0.5, "logistic": 0.9}
LEAST = math.log(1e-4)  # of a pool's members: a sure member that is wrong does not overrule all others
MARGIN_SCALE = 2.0  # a pixel on the margin of two classes has the logistic probability of 2, which is 0.88
MISSING = -1e4  # score of a class without training pixels
PIECE = 1 << 13  # pixels that are compared with all support vectors at a time
FILTER_REACH = 5  # pixels to each side that are averaged: as far as the smallest window reaches
FILTER_SHARPNESS = 0.3  # difference of two pixels, in units of the components' spread, for which the weight is 0.6
LEADING = 8  # components that are compared for it: those with the most signal


class SupportVectors(nn.Module):
    """An RBF support vector machine, one class against another, that gives scores of classes.

    The score of a class is the mean, over its pairs, of the logarithm of the logistic function of the margin, times
    two. ``size`` is the number of support vectors, of their values and of pairs; without support vectors all scores
    are 0. A class that is in no pair gets a very low score.
    """

    vectors: Tensor  # (n, S), times the root of gamma
    coefficients: Tensor  # (n, pairs)
    intercepts: Tensor  # (pairs,)
    first: Tensor  # (pairs, classes): 1 for the class that a positive margin is for
    second: Tensor  # the same for a negative margin
    missing: Tensor  # (classes,): 1 for a class that is in no pair
    scale: Tensor  # the root of gamma

    def __init__(self, size: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        vectors, values, pairs = size
        shapes = {"vectors": (vectors, values), "coefficients": (vectors, pairs), "intercepts": (pairs,)}
        shapes |= {"first": (pairs, classes), "second": (pairs, classes), "missing": (classes,), "scale": ()}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def forward(self, pixels: Tensor) -> Tensor:
        """``(N, S) -> (N, classes)``."""
        if not len(self.vectors):
            return pixels.new_zeros(len(pixels), len(self.missing))
        pieces = [pixels] if tracing() else torch.split(pixels, PIECE)
        return torch.cat([self._scores(piece * self.scale) for piece in pieces])

    def _scores(self, pixels: Tensor) -> Tensor:
        # in float64: large coefficients of either sign cancel, which float32 and 8-bit weights do not survive
        exact = torch.float32 if pixels.device.type == "mps" else torch.float64
        pixels, vectors = pixels.to(exact), self.vectors.to(exact)
        squares = (pixels**2).sum(1, keepdim=True) + (vectors**2).sum(1) - 2 * pixels @ vectors.t()
        values = torch.exp(-squares.clamp(min=0)) @ self.coefficients.to(exact)
        margins = MARGIN_SCALE * (values.float() + self.intercepts)
        # minus softplus is log-sigmoid, whose form in ONNX is minus infinity for large margins
        scores = -(F.softplus(-margins) @ self.first + F.softplus(margins) @ self.second)
        return scores * (2 / (len(self.missing) - self.missing.sum())) - 1e4 * self.missing


class SpectralPool(WindowNetwork):
    """A network, a linear classifier and a support vector machine: a weighted sum of the logarithms of their class
    probabilities.

    A logarithmic opinion pool (Genest and Zidek 1986, doi:10.1214/ss/1177013825) whose ``weights`` need not add up to
    one, so that they are a temperature, too. The first components of the input are the network's. Of the middle pixel
    the linear classifier sees all components, and the support vector machine those that the network does not see; with
    ``filtered`` it sees the network's, averaged over similar neighbours by :func:`filter_components`. Shapes are those
    of :class:`WindowNetwork`; the trunk gives the network's features, followed by what the classifiers see.
    """

    weights: Tensor

    def __init__(self, network: WindowNetwork, machine: SupportVectors, *, filtered: bool = False) -> None:
        own, others = network.components, machine.vectors.shape[1]
        super().__init__(own if filtered else own + others, network.window, network.classes)
        self.seen = own + others  # values that the classifiers see of a pixel
        self.margin, self.patch_bytes = network.margin, network.patch_bytes
        self.network, self.filtered = network, filtered
        self.linear = nn.Linear(self.components, network.classes)
        self.machine = machine
        self.register_buffer("weights", torch.tensor([0.5, 0.5, 0.0]))

    @property
    def cache_bytes(self) -> int:
        """Bytes that the network caches."""
        return self.network.cache_bytes

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C + S, h - margin, w - margin)``."""
        parts = [self.network.trunk(tiles[:, : self.network.components]), crop(tiles, self.margin // 2)]
        if self.seen > self.components:
            parts.append(self._filter(tiles))
        return torch.cat(parts, dim=1)

    def head(self, features: Tensor) -> Tensor:
        """``(N, C + S, p, p) -> (N, classes)``: sums of logarithms of probabilities."""
        middle = self.head_window // 2
        spectral = self._spectral(features[:, -self.seen :, middle, middle])
        return self._weighted(self.network.head(features[:, : -self.seen])) + spectral

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, C + S, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        spectra = crop(features[:, -self.seen :], self.head_window // 2)
        height, width = spectra.shape[2:]
        spectral = self._spectral(spectra[0].reshape(self.seen, -1).t())
        spatial = self._weighted(self.network.head_map(features[:, : -self.seen]))
        return spatial + spectral.t().reshape(1, self.classes, height, width)

    def _filter(self, tiles: Tensor) -> Tensor:
        """``(N, K, h - margin, w - margin)``, zeros where the window of the filter does not reach."""
        reach, rim = min(FILTER_REACH, self.window // 2), self.margin // 2
        filtered = filter_components(tiles, reach)
        return F.pad(filtered, (reach - rim,) * 4) if reach >= rim else crop(filtered, rim - reach)

    def _weighted(self, scores: Tensor, member: int = 0) -> Tensor:
        weighted: Tensor = self.weights[member] * member_logarithms(scores)
        return weighted

    def _spectral(self, pixels: Tensor) -> Tensor:
        own = self.network.components
        linear = self._weighted(self.linear(pixels[:, : self.components]), 1)
        linear = linear + MISSING * (self.linear.bias == MISSING).to(linear.dtype)
        if not len(self.machine.vectors):
            return linear
        return linear + self._weighted(self.machine(pixels[:, own:]), 2)


def scale_guide(components: Tensor, sharpness: float) -> Tensor:
    """The leading components ``(..., K, h, w)``, so scaled that a pixel's weight for another is the exponential of
    minus their squared difference; it is 0.6 where they differ by ``sharpness`` times the components' spread."""
    guide = components[..., :LEADING, :, :]
    scaled: Tensor = guide * (sharpness * (2 * guide.shape[-3]) ** 0.5) ** -1
    return scaled


def filter_components(tiles: Tensor, reach: int = FILTER_REACH) -> Tensor:
    """Components averaged over neighbours up to ``reach`` pixels away by their similarity:
    ``(N, K, h, w) -> (N, K, h - 2 reach, w - 2 reach)``.

    A filter that preserves edges before pixels are classified (Kang, Li and Benediktsson 2014,
    doi:10.1109/TGRS.2013.2275613). Pixels whose components are all zero, outside the scene or without data, have no
    weight and stay zero.
    """
    guide = scale_guide(tiles, FILTER_SHARPNESS)
    known = (tiles != 0).any(dim=1, keepdim=True).to(tiles.dtype)  # any() of numbers is wrong in ONNX
    middle, total = crop(guide, reach), crop(tiles, reach) * 0  # zeros_like would be a constant in ONNX
    sums = total[:, :1]
    height, width = total.shape[-2], total.shape[-1]  # not unpacked: ONNX would take them for constants
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            place = (..., slice(down, down + height), slice(right, right + width))
            weight = (guide[place] - middle).square().sum(dim=1, keepdim=True).neg().exp() * known[place]
            total = torch.addcmul(total, weight, tiles[place])
            sums = sums + weight
    return total * (crop(known, reach) / sums.clamp(min=1e-6))


def member_logarithms(scores: Tensor) -> Tensor:
    """The logarithms of the probabilities of a pool's member, not below :data:`LEAST`: ``(N, classes, ...)``."""
    return F.log_softmax(scores, 1).clamp(min=LEAST)


def join_linear(
    network: WindowNetwork, kind: str, pixels: NDArray[np.float32], codes: NDArray[np.int64]
) -> SpectralPool:
    """A network pooled with the linear classifier of ``kind``, fitted on ``pixels`` ``(n, K)`` with ``codes`` ``(n,)``;
    see :func:`fit_linear`."""
    joined = SpectralPool(network, SupportVectors((0, 0, 0), network.classes))
    joined.linear = fit_linear(kind, pixels, codes, network.classes)
    joined.weights.copy_(torch.tensor([1 - SHARES[kind], SHARES[kind], 0.0]))
    return joined.to(next(network.parameters()).device).eval()


def fit_linear(
    kind: str, pixels: NDArray[np.float32], codes: NDArray[np.int64], classes: int, cost: float = 1.0
) -> nn.Linear:
    """A linear classifier of ``pixels`` ``(n, K)`` with ``codes`` ``(n,)``.

    ``kind`` is "discriminant", the linear one (Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x), or "logistic",
    regression with scikit-learn's penalty, divided by ``cost`` (Cox 1958, doi:10.1111/j.2517-6161.1958.tb00292.x). A
    class without a training pixel gets a very low score.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=cost, max_iter=1000)
    estimator = LinearDiscriminantAnalysis() if kind == "discriminant" else regression
    estimator.fit(pixels, codes)
    weight, bias = torch.from_numpy(estimator.coef_), torch.from_numpy(estimator.intercept_)
    if len(estimator.classes_) == 2:  # scikit-learn gives the difference of the two
        weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
    linear = nn.Linear(pixels.shape[1], classes)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.fill_(MISSING)
        linear.weight[estimator.classes_] = weight.float()
        linear.bias[estimator.classes_] = bias.float()
    return linear


def sum_linear(linears: Sequence[nn.Linear], weights: Sequence[float]) -> nn.Linear:
    """One linear classifier, whose score is the weighted sum of those of ``linears`` of the same inputs."""
    summed = nn.Linear(linears[0].in_features, linears[0].out_features)
    weighted = list(zip(linears, weights, strict=True))
    with torch.no_grad():
        summed.weight.copy_(torch.stack([weight * linear.weight for linear, weight in weighted]).sum(dim=0))
        summed.bias.copy_(torch.stack([weight * linear.bias for linear, weight in weighted]).sum(dim=0))
        summed.bias[linears[0].bias == MISSING] = MISSING
    return summed


def place_inputs(linear: nn.Linear, first: int, inputs: int) -> nn.Linear:
    """The same classifier of ``inputs`` values, of which it sees those from the ``first`` on."""
    placed = nn.Linear(inputs, linear.out_features)
    with torch.no_grad():
        placed.weight.zero_()
        placed.weight[:, first : first + linear.in_features] = linear.weight
        placed.bias.copy_(linear.bias)
    return placed


def leading_inputs(linear: nn.Linear, inputs: int) -> nn.Linear:
    """A linear classifier of the first ``inputs`` alone."""
    made = nn.Linear(inputs, linear.out_features)
    with torch.no_grad():
        made.weight.copy_(linear.weight[:, :inputs])
        made.bias.copy_(linear.bias)
    return made


def fit_support_vectors(
    pixels: NDArray[np.float32], codes: NDArray[np.int64], classes: int, *, cost: float, gamma: float
) -> SupportVectors:
    """A support vector machine of ``pixels`` ``(n, S)`` with ``codes`` ``(n,)``, of two or more classes (Cortes and
    Vapnik 1995, doi:10.1007/BF00994018), by scikit-learn."""
    from sklearn.svm import SVC

    estimator = SVC(C=cost, gamma=gamma).fit(pixels, codes)
    known, starts = estimator.classes_, np.concatenate([[0], np.cumsum(estimator.n_support_)])
    pairs = [(one, other) for one in range(len(known)) for other in range(one + 1, len(known))]
    machine = SupportVectors((int(starts[-1]), pixels.shape[1], len(pairs)), classes)
    sign = -1 if len(known) == 2 else 1  # of two classes, scikit-learn turns the sign
    machine.vectors.copy_(torch.from_numpy(estimator.support_vectors_) * gamma**0.5)
    machine.scale.fill_(gamma**0.5)
    machine.intercepts.copy_(torch.from_numpy(sign * estimator.intercept_))
    machine.missing.fill_(1)
    machine.missing[known] = 0
    duals = torch.from_numpy(sign * estimator.dual_coef_)  # (known - 1, n)
    for number, (one, other) in enumerate(pairs):
        of_one, of_other = slice(starts[one], starts[one + 1]), slice(starts[other], starts[other + 1])
        machine.coefficients[of_one, number] = duals[other - 1, of_one].float()
        machine.coefficients[of_other, number] = duals[one, of_other].float()
        machine.first[number, known[one]] = machine.second[number, known[other]] = 1
    return machine


class MultiWindowEnsemble(WindowNetwork):
    """The mean of the class probabilities of networks whose windows differ.

    A linear opinion pool (Stone 1961, doi:10.1214/aoms/1177704873). The networks are trained independently; their
    windows share the middle pixel. Shapes are those of :class:`WindowNetwork` for the largest window; the trunk
    concatenates the features of all networks. In training mode the head gives the scores of each network,
    ``(networks, N, classes)``.
    """

    def __init__(self, networks: Sequence[WindowNetwork]) -> None:
        largest = max(networks, key=lambda network: network.window)
        if len({network.margin for network in networks}) > 1 or len({network.window for network in networks}) == 1:
            raise UsageError("networks on these windows have the same inputs: leave model.second_window out")
        super().__init__(largest.components, largest.window, largest.classes)
        self.margin, self.patch_bytes = largest.margin, sum(network.patch_bytes for network in networks)
        self.networks = nn.ModuleList(networks)

    @property
    def members(self) -> tuple[WindowNetwork, ...]:
        """The networks."""
        return tuple(self.networks)  # type: ignore[arg-type]

    @property
    def cache_bytes(self) -> int:
        """Bytes that the networks cache."""
        return sum(network.cache_bytes for network in self.members)

    def trunk(self, tiles: Tensor) -> Tensor:
        """``(N, K, h, w) -> (N, C, h - margin, w - margin)``, zeros where a network's window does not reach."""
        features = []
        for network in self.members:
            rim = self._rim(network)
            features.append(F.pad(network.trunk(crop(tiles, rim)), (rim, rim, rim, rim)))
        return torch.cat(features, dim=1)

    def head(self, features: Tensor) -> Tensor:
        """``(N, C, p, p) -> (N, classes)``: logarithms of mean probabilities."""
        return self._join([network.head(crop(seen, rim)) for network, seen, rim in self._shares(features)])

    def head_at(self, features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """``(1, C, h, w) -> (N, classes)``, each network on windows of its own size."""
        shares = self._shares(features)
        return self._join([network.head_at(seen, rows + rim, columns + rim) for network, seen, rim in shares])

    def head_map(self, features: Tensor) -> Tensor:
        """``(1, C, h, w) -> (1, classes, h - p + 1, w - p + 1)``."""
        shares = self._shares(features)
        return _log_mean(torch.stack([network.head_map(crop(seen, rim)) for network, seen, rim in shares]))

    def _join(self, scores: list[Tensor]) -> Tensor:
        stacked = torch.stack(scores)
        return stacked if self.training else _log_mean(stacked)

    def _shares(self, features: Tensor) -> Iterator[tuple[WindowNetwork, Tensor, int]]:
        """Each network with its own features and their rim."""
        for network, seen in zip(self.members, features.chunk(len(self.members), dim=1), strict=True):
            yield network, seen, self._rim(network)

    def _rim(self, network: WindowNetwork) -> int:
        return (self.window - network.window) // 2


def _log_mean(scores: Tensor) -> Tensor:
    """Logarithms of mean probabilities: ``(networks, N, classes, ...) -> (N, classes, ...)``."""
    return F.log_softmax(scores, 2).logsumexp(0) - math.log(len(scores))
