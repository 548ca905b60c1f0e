"""Options that are settings of a run; commands that train share them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import click

from .completion import COMPLETED

# option name -> (setting, what the option takes, help)
SETTING_OPTIONS: dict[str, tuple[str, Any, str]] = {
    "--model": ("model.name", str, "Network or baseline; 'hsi models' lists them. [default: hybridsn-bn]"),
    "--window": ("model.window", int, "Side of the window around each pixel, odd. [default: 11 or 15, by the scene]"),
    "--second-window": (
        "model.second_window",
        int,
        "Side of the window of a second network, whose probabilities are averaged with the first's; 0 for none. "
        "[default: 25 or 0, by the scene; 0 beside --window]",
    ),
    "--width": (
        "model.width",
        float,
        "Multiplies the channels of mobilenet-v1 and other tables of blocks. [default: 1]",
    ),
    "--resolution": (
        "model.resolution",
        float,
        "Multiplies the side that their windows are resampled to. [default: 1]",
    ),
    "--denoise": ("denoising.method", str, "Clean the scene first, by dncnn, mnf or tv. [default: as it is]"),
    "--denoise-bands": ("denoising.bands", str, "Bands to clean: all, noisiest:20, or 104-108,220. [default: all]"),
    "--denoise-stack": ("denoising.stack", int, "dncnn: neighbouring bands that are cleaned together. [default: 5]"),
    "--denoise-steps": ("denoising.steps", int, "dncnn: steps of its training. [default: 800]"),
    "--denoise-components": (
        "denoising.components",
        int,
        "mnf: components to keep. [default: those with more signal than noise]",
    ),
    "--denoise-strength": ("denoising.strength", float, "tv: times the noise of each band. [default: 0.5]"),
    "--reducer": ("reducer.name", str, "mnf, pca, or identity to keep all bands. [default: mnf, or the method's own]"),
    "--components": ("reducer.components", int, "Components to keep. [default: mnf 15, pca 30, or the method's own]"),
    "--split": (
        "split.rule",
        str,
        "Which pixels train and test: random, blocks, polygons, kfold-random, kfold-blocks, kfold-polygons, "
        "given:FILE or given:TRAIN,TEST. [default: random]",
    ),
    "--train": (
        "split.train",
        str,
        "Training pixels of each class: 10% is a share, 50 a number, 50/15 also, but 15 of classes with fewer than "
        "100. [default: 10% if random, else all there are]",
    ),
    "--val": (
        "split.validation",
        str,
        "Validation pixels of each class, likewise; they choose the epoch. [default: none]",
    ),
    "--block": ("split.block", int, "Side of the blocks in pixels. [default: twice the window]"),
    "--buffer": (
        "split.buffer",
        int,
        "Pixels left out on each side of a border between training and test. [default: half the window for blocks, "
        "which keeps windows apart; 0 for polygons]",
    ),
    "--min-per-class": (
        "split.minimum",
        int,
        "Training and test pixels that blocks and polygons give each class if they can. [default: 5]",
    ),
    "--folds": ("split.folds", int, "Number of folds of a kfold split. [default: 5]"),
    "--fold": ("split.fold", int, "The fold of a kfold split to test, from 1."),
    "--seed": ("seed", int, "Decides split, weights and order. [default: 0]"),
    "--engine": ("training.engine", str, "dense (shared trunk), patch (textbook) or auto. [default: auto]"),
    "--epochs": ("training.epochs", int, "Passes over the training pixels. [default: by engine]"),
    "--steps": ("training.steps", int, "Steps of the optimiser, in whole epochs, instead of --epochs."),
    "--batch": ("training.batch", int, "Most windows in a step. [default: patch 256, dense 2048 or fewer]"),
    "--optimiser": ("training.optimiser", str, "adam or adamw. [default: adamw]"),
    "--lr": ("training.lr", float, "Highest learning rate. [default: by engine, network and schedule]"),
    "--lr-schedule": ("training.lr_schedule", str, "constant, step, cosine, one-cycle, plateau. [default: one-cycle]"),
    "--weight-decay": ("training.weight_decay", float, "Weight decay. [default: 0.01]"),
    "--label-smoothing": ("training.label_smoothing", float, "Share of each label spread over all classes."),
    "--balance": ("training.balance", float, "Weight of rare classes: 0 none, 1 all classes alike. [default: 0.5]"),
    "--clip": ("training.clip", float, "Largest norm of the gradient. [default: 1]"),
    "--context-dropout": (
        "training.context_dropout",
        float,
        "Largest share of unlabelled pixels that a step takes out of windows. [default: 0 or 1, by the scene]",
    ),
    "--amp": ("training.amp", str, "bfloat16 in training where the device has it: auto or off. [default: auto]"),
    "--spectral": (
        "mapping.spectral",
        str,
        "Linear classifier of the pixel's own components that the network is joined with: none, discriminant or "
        "logistic. [default: by the scene]",
    ),
    "--device": ("device", str, "auto, cpu, cuda, cuda:1 or mps. [default: auto]"),
}
FLAG_OPTIONS = {
    "--whiten/--no-whiten": ("reducer.whiten", "Scale components to unit variance. [default: whiten]"),
    "--standardise/--no-standardise": ("reducer.standardise", "pca: scale bands first. [default: no]"),
    "--symmetries/--no-symmetries": (
        "mapping.symmetries",
        "Average the map over the eight symmetries of the square, at eight times the cost. [default: yes for HybridSN]",
    ),
    "--blend/--no-blend": (
        "mapping.blend",
        "Average class probabilities over the neighbours that look alike. [default: HybridSN, by the scene]",
    ),
    "--calibrate/--no-calibrate": (
        "mapping.calibrate",
        "Fit the temperature of probabilities on the pixels of --val. [default: no]",
    ),
    "--deterministic/--no-deterministic": (
        "deterministic",
        "On CUDA, only algorithms that give the same numbers each time: slower. [default: no; a CPU has no others]",
    ),
    "--augment/--no-augment": ("training.augment", "Random flips and transpositions. [default: augment]"),
}


def resume_options(function: Callable[..., None]) -> Callable[..., None]:
    """``--resume`` and ``--checkpoint-every``, for commands that train; they arrive under these names."""
    text = "Seconds between checkpoints of the training; 0 is after each step."
    every = click.option("--checkpoint-every", type=click.FloatRange(0), default=30.0, show_default=True, help=text)
    text = "Go on with a run of these settings that was interrupted; if there is none, start it."
    return click.option("--resume", is_flag=True, help=text)(every(function))


def setting_options(function: Callable[..., None], without: Collection[str] = ()) -> Callable[..., None]:
    """Every option that is a setting, but for those of the settings in ``without``; see :func:`overrides_of`."""
    for flag, (setting, text) in reversed(FLAG_OPTIONS.items()):
        function = click.option(flag, setting.replace(".", "__"), default=None, help=text)(function)
    for option, (setting, kind, text) in reversed(SETTING_OPTIONS.items()):
        if setting in without:
            continue
        how: dict[str, Any] = {"type": kind, "default": None, "help": text, "shell_complete": COMPLETED.get(setting)}
        function = click.option(option, setting.replace(".", "__"), **how)(function)
    return function


def overrides_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given as options, keyed by their dotted names."""
    return {name.replace("__", "."): value for name, value in options.items() if value is not None}
