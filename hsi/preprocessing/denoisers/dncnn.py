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
from hsi.preprocessing.reducers.reducer import Summary
from hsi.settings import DenoisingSettings

LAYERS, FILTERS, KERNEL = 17, 64, 3
HALO = LAYERS * (KERNEL // 2)
USUAL_STACK, USUAL_STEPS = 5, 800
FIRST_NOISE = 0.3  # of He's initial weights, on top of passing channels on: a few hundred steps do what took thousands


class DnCNN(nn.Module):
    """``(N, stack, h, w)`` noisy bands to cleaned ones: 17 convolutions of 3 x 3 without bias, of 64 filters, with
    batch norm between them, whose output is the noise that is subtracted.

    Outside of the image is 0, so that a tile with 17 pixels around it, or up to the image's border, ends as the whole
    image does. The last layer begins at zero: an untrained network changes nothing.
    """

    def __init__(self, stack: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(stack, FILTERS), nn.ReLU(inplace=True)]
        for _ in range(LAYERS - 2):
            layers += [_convolution(FILTERS, FILTERS), nn.BatchNorm2d(FILTERS), nn.ReLU(inplace=True)]
        last = _convolution(FILTERS, stack)
        nn.init.zeros_(last.weight)
        self.noise = nn.Sequential(*layers, last)

    def forward(self, noisy: Tensor) -> Tensor:
        """``(N, stack, h, w) -> (N, stack, h, w)``."""
        cleaned: Tensor = noisy - self.noise(noisy)
        return cleaned


def _convolution(inside: int, outside: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inside, outside, KERNEL, padding=KERNEL // 2, bias=False)
    passing = nn.init.dirac_(torch.empty_like(convolution.weight))
    nn.init.kaiming_normal_(convolution.weight)
    with torch.no_grad():
        convolution.weight.mul_(FIRST_NOISE).add_(passing)
    return convolution


def build_network(stack: int, seed: int) -> DnCNN:
    """A network whose first weights are the same for a seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DnCNN(stack)


@DENOISERS.register("dncnn")
class DnCNNDenoiser(Denoiser):
    """Stacks of neighbouring bands go in together, all of which come out cleaned: ``--stack 1`` is band by band.

    Bands have mean 0 and standard deviation 1 inside; it is blind to the strength of noise.
    """

    name = "dncnn"
    title = "DnCNN"
    source = "doi:10.1109/TIP.2017.2662206"
    uses = frozenset({"stack", "steps"})
    halo = HALO
    trains = True
    mean_: NDArray[np.float64]
    spread_: NDArray[np.float64]
    network_: DnCNN

    def __init__(self, settings: DenoisingSettings) -> None:
        super().__init__(settings)
        self.device = torch.device("cpu")

    @property
    def stack(self) -> int:
        """Bands that go in together."""
        return self.settings.stack or USUAL_STACK

    @property
    def steps(self) -> int:
        """Of the training."""
        return self.settings.steps or USUAL_STEPS

    def check(self, bands: int) -> None:
        """Raise :class:`UsageError` for a stack of more bands than there are."""
        if self.stack > bands:
            raise UsageError(
                f"a stack of {self.stack} bands asked for, but the scene has {bands} usable ones: --stack 1"
            )

    def learn(self, summary: Summary) -> None:
        """Learn mean and spread of each band; the network is trained apart."""
        known = BandStatistics.of(summary)
        self.mean_, self.spread_ = known.mean, known.spread

    def on(self, device: str) -> Denoiser:
        """The same denoiser, which computes on a device from now on."""
        self.device = resolve_device(device)
        self.network_ = self.network_.to(self.device)
        return self

    def clean(self, cube: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int]) -> NDArray[np.float32]:
        """See :class:`Denoiser`; pixels that are not valid are 0 inside, as is what lies outside of the scene."""
        found = np.empty((*valid.shape, len(bands)), np.float32)
        place = {band: channel for channel, band in enumerate(bands)}
        self.network_.eval()
        for first, members in band_stacks(bands, self.stack, len(self.mean_)):
            taken = slice(first, first + self.stack)
            mean, spread = self.mean_[taken], self.spread_[taken]
            inside = normalised(cube[:, :, taken], valid, mean, spread)
            with torch.inference_mode():
                cleaned = self.network_(torch.from_numpy(inside)[None].to(self.device))[0].cpu().numpy()
            for band in members:
                channel = band - first
                found[:, :, place[band]] = cleaned[channel] * np.float32(spread[channel]) + np.float32(mean[channel])
        return found

    def describe(self) -> str:
        """Its stack and training."""
        bands = "band by band" if self.stack == 1 else f"stacks of {self.stack} bands"
        return f"{self.title}: {LAYERS} layers, {bands}, {self.steps} training steps"

    def state(self) -> dict[str, NDArray[Any]]:
        """Mean, spread and the network's weights."""
        weights = {f"network.{name}": value.cpu().numpy() for name, value in self.network_.state_dict().items()}
        return {"mean": self.mean_, "spread": self.spread_, **weights}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of :meth:`state` back."""
        self.mean_, self.spread_ = state["mean"], state["spread"]
        self.network_ = build_network(self.stack, 0)
        own = self.network_.state_dict()
        weights = {name: torch.from_numpy(state[f"network.{name}"]).reshape(like.shape) for name, like in own.items()}
        self.network_.load_state_dict(weights)


def normalised(
    cube: NDArray[Any], valid: NDArray[np.bool_], mean: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float32]:
    """``(h, w, n)`` with mean 0 and standard deviation 1, 0 where not valid, as ``(n, h, w)`` float32."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (cube - mean) / spread
    return np.ascontiguousarray(np.where(valid[:, :, None], scaled, 0).transpose(2, 0, 1), np.float32)


def band_stacks(bands: Sequence[int], stack: int, count: int) -> list[tuple[int, list[int]]]:
    """First bands of stacks that together hold all ``bands`` (ascending, of ``count``), and which of them each cleans.

    What a stack cleans lies in its middle, as far as the ends of the spectrum allow.
    """
    found, left = [], list(bands)
    while left:
        members = [band for band in left if band < left[0] + stack]
        middle = (members[0] + members[-1]) // 2
        found.append((int(np.clip(middle - stack // 2, 0, count - stack)), members))
        left = left[len(members) :]
    return found
