"""DnCNN: a network that predicts the noise (Zhang et al. 2017, doi:10.1109/TIP.2017.2662206)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hsi.core.devices import resolve_device
from hsi.errors import UsageError
from hsi.preprocessing.denoisers.denoiser import DENOISERS, BandStatistics, Denoiser
from hsi.preprocessing.reducers.reducer import Float, Summary
from hsi.settings import DenoisingSettings

LAYERS, FILTERS, KERNEL = 17, 64, 3
HALO = LAYERS * (KERNEL // 2)
DEFAULT_STACK, DEFAULT_STEPS = 5, 800
INITIAL_NOISE = 0.3  # of He's initial weights, added to an identity: a few hundred steps suffice instead of thousands


class DnCNN(nn.Module):
    """Noisy bands ``(N, stack, h, w)`` to cleaned ones: 17 convolutions of 3 x 3 without bias, of 64 filters, with
    batch norm between them, whose output is the noise that is subtracted.

    The image is padded with 0, so that a tile with a halo of 17 pixels gives the values of the image. The last layer
    is initialised with zeros: an untrained network changes nothing.
    """

    def __init__(self, stack: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_make_convolution(stack, FILTERS), nn.ReLU(inplace=True)]
        for _ in range(LAYERS - 2):
            layers += [_make_convolution(FILTERS, FILTERS), nn.BatchNorm2d(FILTERS), nn.ReLU(inplace=True)]
        last = _make_convolution(FILTERS, stack)
        nn.init.zeros_(last.weight)
        self.noise = nn.Sequential(*layers, last)

    def forward(self, noisy: Tensor) -> Tensor:
        """``(N, stack, h, w) -> (N, stack, h, w)``."""
        cleaned: Tensor = noisy - self.noise(noisy)
        return cleaned


def _make_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, KERNEL, padding=KERNEL // 2, bias=False)
    identity = nn.init.dirac_(torch.empty_like(convolution.weight))
    nn.init.kaiming_normal_(convolution.weight)
    with torch.no_grad():
        convolution.weight.mul_(INITIAL_NOISE).add_(identity)
    return convolution


def build_network(stack: int, seed: int) -> DnCNN:
    """A network whose initial weights depend on the seed alone; the global generator is not used."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DnCNN(stack)


@DENOISERS.register("dncnn")
class DnCNNDenoiser(Denoiser):
    """Cleans stacks of neighbouring bands with one network for any level of noise; a stack of 1 is band by band.

    The network sees bands of mean 0 and standard deviation 1.
    """

    name = "dncnn"
    title = "DnCNN"
    source = "doi:10.1109/TIP.2017.2662206"
    uses = frozenset({"stack", "steps"})
    halo = HALO
    trains = True
    arrays = ("mean", "spread")
    mean_: Float
    spread_: Float
    network_: DnCNN

    def __init__(self, settings: DenoisingSettings) -> None:
        super().__init__(settings)
        self.stack, self.steps = settings.stack or DEFAULT_STACK, settings.steps or DEFAULT_STEPS
        self.device = torch.device("cpu")

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for a stack of more bands than there are."""
        if self.stack > bands:
            raise UsageError(
                f"a stack of {self.stack} bands asked for, but the scene has {bands} usable ones: --stack 1"
            )

    def learn(self, summary: Summary) -> None:
        """Learn mean and spread of each band; :mod:`dncnn_training` trains the network."""
        statistics = BandStatistics.of(summary)
        self.mean_, self.spread_ = statistics.mean, statistics.spread

    def on(self, device: str) -> Denoiser:
        """The same denoiser, moved to a device."""
        self.device = resolve_device(device)
        self.network_ = self.network_.to(self.device)
        return self

    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """See :class:`Denoiser`; the network sees 0 for pixels that are not valid and outside of the scene."""
        cleaned = np.empty((*valid.shape, len(bands)), np.float32)
        self.network_.eval()
        for first, members in band_stacks(bands, self.stack, len(self.mean_)):
            stack = slice(first, first + self.stack)
            mean, spread = self.mean_[stack], self.spread_[stack]
            inputs = torch.from_numpy(normalise(cube[:, :, stack], valid, mean, spread))[None].to(self.device)
            with torch.inference_mode():
                outputs = self.network_(inputs)[0].cpu().numpy()
            for band in members:
                i = band - first
                cleaned[:, :, bands.index(band)] = outputs[i] * np.float32(spread[i]) + np.float32(mean[i])
        return cleaned

    def describe(self) -> str:
        """One line with the stack and the training."""
        bands = "band by band" if self.stack == 1 else f"stacks of {self.stack} bands"
        return f"{self.title}: {LAYERS} layers, {bands}, {self.steps} training steps"

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean, spread and the network's weights."""
        weights = {f"network.{name}": value.cpu().numpy() for name, value in self.network_.state_dict().items()}
        return {**super().state(), **weights}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore the arrays of :meth:`state`."""
        super().restore(state)
        self.network_ = build_network(self.stack, 0)
        own = self.network_.state_dict()
        weights = {name: torch.from_numpy(state[f"network.{name}"]).reshape(like.shape) for name, like in own.items()}
        self.network_.load_state_dict(weights)


def normalise(cube: NDArray[Any], valid: NDArray[np.bool_], mean: Float, spread: Float) -> NDArray[np.float32]:
    """Scale ``(h, w, n)`` to mean 0 and standard deviation 1, and 0 where not valid: ``(n, h, w)`` float32."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (cube - mean) / spread
    return np.ascontiguousarray(np.where(valid[:, :, None], scaled, 0).transpose(2, 0, 1), np.float32)


def band_stacks(bands: Sequence[int], stack: int, count: int) -> list[tuple[int, list[int]]]:
    """The first bands of stacks that together hold all ``bands`` (ascending, of ``count``), and the bands that each
    cleans, which are in the middle of the stack unless it is at an end of the spectrum."""
    stacks, left = [], list(bands)
    while left:
        members = [band for band in left if band < left[0] + stack]
        middle = (members[0] + members[-1]) // 2
        stacks.append((int(np.clip(middle - stack // 2, 0, count - stack)), members))
        left = left[len(members) :]
    return stacks
