"""Training of DnCNN on the least noisy bands of a scene, with synthetic noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from hsi.core.devices import retain_freed_memory
from hsi.core.scene import Block, Scene
from hsi.errors import SceneError, TrainingError
from hsi.preprocessing.denoisers.dncnn import DnCNN, DnCNNDenoiser, normalise
from hsi.preprocessing.denoisers.quality import gaussian_noise, stripes

SIDE, BATCH, RATE = 40, 2, 3e-3  # patches of the paper's size; many steps of few patches learn more in a minute
BLOCKS, STACKS_PER_BLOCK, TRIALS = 64, 4, 16
LEAST_VALID = 0.9
# Highest noise, relative to the standard deviation of a band: up to bands with less signal than noise.
GAUSSIAN, STRIPES, STRIPED, DEAD = 1.2, 0.8, 0.6, 0.04
STRIPED_PATCHES, DEAD_PATCHES = 0.4, 0.15  # shares of patches with stripes and with dead columns
MAX_DEAD = 3.0
Advance = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Examples:
    """Clean patches ``(P, stack, side, side)`` float32 of bands with mean 0 and standard deviation 1, and the value of
    a dead column in each ``(P, stack)``."""

    patches: NDArray[np.float32]
    dead: NDArray[np.float32]


def sample_patches(
    denoiser: DnCNNDenoiser,
    scene: Scene,
    valid: NDArray[np.bool_],
    centres: Sequence[int],
    rows: int,
    random: np.random.Generator,
    advance: Callable[[int, int], None] | None = None,
) -> Examples:
    """Patches for a denoiser from random blocks of the first ``rows`` rows, of stacks around the bands ``centres``.

    Raises :class:`SceneError` when no block of valid pixels is available.
    """
    mean, spread, stack = denoiser.mean_, denoiser.spread_, denoiser.stack
    side = min(SIDE, rows, scene.width)
    patches, dead = [], []
    for done, block in enumerate(sample_patch_blocks(valid, rows, side, random)):
        cube, usable = scene.read(block), valid[block.slices]
        for centre in random.choice(centres, STACKS_PER_BLOCK):
            first = int(np.clip(centre - stack // 2, 0, len(mean) - stack))
            bands = slice(first, first + stack)
            patches.append(normalise(cube[:, :, bands], usable, mean[bands], spread[bands]))
            dead.append(np.clip(-mean[bands] / spread[bands], -MAX_DEAD, MAX_DEAD))
        if advance:
            advance(done + 1, BLOCKS)
    if not patches:
        raise SceneError(
            f"{scene.source or scene.name}: no {side} x {side} pixels are valid to train a denoiser on: "
            "use mnf instead of dncnn"
        )
    return Examples(np.stack(patches), np.stack(dead).astype(np.float32))


def sample_patch_blocks(valid: NDArray[np.bool_], rows: int, side: int, random: np.random.Generator) -> list[Block]:
    """Random squares within the first ``rows`` rows, of 90 % valid pixels or more, in the order of the rows."""
    blocks: list[Block] = []
    for _ in range(BLOCKS * TRIALS):
        row, column = (int(random.integers(0, size - side + 1)) for size in (rows, valid.shape[1]))
        block = Block(row, column, side, side)
        if valid[block.slices].mean() >= LEAST_VALID:
            blocks.append(block)
        if len(blocks) == BLOCKS:
            break
    return sorted(blocks, key=lambda block: (block.row, block.column))


def train_network(
    network: DnCNN,
    examples: Examples,
    steps: int,
    device: torch.device,
    random: np.random.Generator,
    advance: Advance | None = None,
) -> list[float]:
    """Train in place with noise of random kinds and levels, drawn at each step; returns the loss of each step.

    The loss is the mean absolute error of the predicted noise; with the squared error of the paper, the few dead
    columns would dominate. Raises :class:`TrainingError` when the loss is not finite.
    """
    network.to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=max(2, steps))
    losses = []
    with retain_freed_memory():
        for step in range(steps):
            clean, noisy = (torch.from_numpy(part).to(device) for part in noisy_batch(examples, random))
            loss = F.l1_loss(network(noisy), clean)
            losses.append(float(loss.detach()))
            if not np.isfinite(losses[-1]):
                raise TrainingError(f"the denoiser's loss is {losses[-1]} after {step} steps: use mnf or tv")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if advance:
                advance(step + 1, steps, f"loss {np.mean(losses[-20:]):.4f}")
    network.eval()
    return losses


def noisy_batch(examples: Examples, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Clean and noisy patches ``(N, stack, side, side)``, rotated and mirrored at random."""
    pairs = []
    for i in random.integers(0, len(examples.patches), BATCH):
        patch = np.rot90(examples.patches[i], int(random.integers(4)), axes=(1, 2))
        patch = patch[:, :, ::-1] if random.random() < 0.5 else patch
        pairs.append(add_random_noise(patch.transpose(1, 2, 0), examples.dead[i], random))
    clean, noisy = (np.stack(part).transpose(0, 3, 1, 2) for part in zip(*pairs, strict=True))
    return np.ascontiguousarray(clean), np.ascontiguousarray(noisy)


def add_random_noise(
    patch: NDArray[np.float32], dead: NDArray[np.float32], random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A patch ``(h, w, stack)`` and the same with noise, whose level is drawn for each band.

    Both are divided by the standard deviation of the noisy band, as a noisy band of a scene is.
    """
    _, width, bands = patch.shape
    sigma = random.random((bands,)) * (GAUSSIAN * random.random())
    noisy: NDArray[np.float32] = patch + gaussian_noise(patch.shape, sigma, random)
    variance = sigma**2
    if random.random() < STRIPED_PATCHES:
        share, offsets = STRIPED * random.random(), random.random((bands,)) * (STRIPES * random.random())
        noisy += stripes(width, offsets, share, random)
        variance = variance + share * offsets**2
    scale = (1 / np.sqrt(1 + variance)).astype(np.float32)
    if random.random() < DEAD_PATCHES:
        gone = random.random((width, bands)) < DEAD * random.random()
        noisy = np.where(gone, dead, noisy)
    return patch * scale, noisy * scale
