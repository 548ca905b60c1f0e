"""Files that hold their training and their test labels as two arrays, as published fixed splits often do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hsi.io.reader import ArrayInfo, LabelContent, Reader

WHAT = r"[_ ]?(?:gt|labels?|mask|map|set)?"
TRAINING = re.compile(rf"(?:.*_)?(?:tr|train|training){WHAT}", re.IGNORECASE)
TEST = re.compile(rf"(?:.*_)?(?:te|ts|test|testing){WHAT}", re.IGNORECASE)


def training_and_test(planes: Sequence[ArrayInfo]) -> tuple[ArrayInfo, ArrayInfo] | None:
    """The plane named like training labels (``TR``, ``train_gt``, …) and the one named like test labels (``TE``, …);
    None unless there is exactly one of each."""
    found = [[plane for plane in planes if pattern.fullmatch(plane.name)] for pattern in (TRAINING, TEST)]
    if len(found[0]) != 1 or len(found[1]) != 1:
        return None
    return found[0][0], found[1][0]


def read_together(reader: Reader, path: Path, pair: tuple[ArrayInfo, ArrayInfo]) -> LabelContent | None:
    """Training and test labels ``(H, W)`` as one; None when a pixel is in both, so that they are no split."""
    train, test = (np.nan_to_num(reader.read_labels(path, plane).values) for plane in pair)
    if np.any((train != 0) & (test != 0)):
        return None
    return LabelContent(np.where(train != 0, train, test))
