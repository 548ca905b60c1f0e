"""The confidence below which pixels are rejected, chosen on validation pixels whose classes are known.

Chow's rule rejects where the confidence is below a threshold (1970, doi:10.1109/TIT.1970.1054406); how much of the
pixels it leaves and how right they are is the trade-off that El-Yaniv and Wiener (2010, JMLR 11:1605-1641) describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsi.errors import UsageError

MOST_STORED = 100_000  # confidences of a model's validation pixels
FEW = 100  # validation pixels that make a threshold uncertain
SYNTAX = "give accuracy:95%, or a confidence between 0 and 1"
Kind = Literal["confidence", "accuracy", "rate"]


@dataclass(frozen=True)
class Rejection:
    """What was asked for: a ``confidence``, the ``accuracy`` of the pixels that are left, or the ``rate`` of validation
    pixels to reject; ``value`` is a fraction."""

    kind: Kind
    value: float

    def __str__(self) -> str:
        return f"{self.value:g}" if self.kind == "confidence" else f"{self.kind}:{100 * self.value:g}%"


def parse_rejection(reject: float | str | None, rate: float | str | None = None) -> Rejection | None:
    """What ``--reject`` and ``--reject-rate`` ask for; None for neither.

    Raises :class:`UsageError` for both, and for what is no share between 0 and 1.
    """
    if reject is not None and rate is not None:
        raise UsageError("reject and reject_rate both choose a threshold: leave one out")
    if rate is not None:
        return Rejection("rate", parse_share(rate, "reject_rate", "give a share such as 5%"))
    if reject is None:
        return None
    kind, colon, share = str(reject).partition(":")
    if not colon:
        return Rejection("confidence", parse_share(kind, "reject", SYNTAX))
    if kind.strip() != "accuracy":
        raise UsageError(f"reject {reject}: is no target: {SYNTAX}")
    return Rejection("accuracy", parse_share(share, "reject", SYNTAX))


def parse_share(text: float | str, name: str, hint: str) -> float:
    """A share such as ``0.05`` or ``"5%"``; raises :class:`UsageError` for what is none between 0 and 1."""
    words = str(text).strip()
    try:
        value = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
    except ValueError:
        raise UsageError(f"{name} {words}: is no share: {hint}") from None
    if not 0 < value < 1:
        raise UsageError(f"{name} is a share between 0 and 1, found {words}: {hint}")
    return value


@dataclass(frozen=True, eq=False)
class ValidationConfidence:
    """The confidence of validation pixels that the model has ``right`` ``(n,)`` and ``wrong`` ``(m,)``, float32 in
    ascending order. Raises :class:`ValueError` for what are no probabilities in order."""

    right: NDArray[np.float32]
    wrong: NDArray[np.float32]

    def __post_init__(self) -> None:
        for values in (self.right, self.wrong):
            if values.ndim != 1 or not ((values >= 0) & (values <= 1.001)).all() or (np.diff(values) < 0).any():
                raise ValueError("the confidence of validation pixels is no list of ascending probabilities")
        if not self.pixels:
            raise ValueError("there is no validation pixel")

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.right.size + self.wrong.size

    def threshold(self, asked: Rejection) -> float:
        """The confidence below which pixels are rejected; 0 where none has to be.

        For an ``accuracy`` it is the smallest one that leaves validation pixels of which that share is right, for a
        ``rate`` the largest one that rejects no more than that share of all. Raises :class:`UsageError` for an accuracy
        that no threshold reaches.
        """
        if asked.kind == "confidence":
            return asked.value
        every = np.sort(np.concatenate([self.right, self.wrong]))
        if asked.kind == "rate":
            return float(every[int(np.floor(asked.value * every.size + 1e-9))])
        steps = np.unique(every)
        right, wrong = (values.size - np.searchsorted(values, steps) for values in (self.right, self.wrong))
        enough = np.flatnonzero(right >= asked.value * (right + wrong) - 1e-9)
        if not enough.size:
            best = float((right / (right + wrong)).max())
            raise UsageError(
                f"reject {asked}: no threshold leaves validation pixels of which so many are right, "
                f"at most {best:.1%}: give a lower target"
            )
        return 0.0 if enough[0] == 0 else float(steps[enough[0]])

    def measure(self, threshold: float) -> dict[str, Any]:
        """What a threshold does to the validation pixels: the shares that it rejects of all ``pixels``
        (``rejected``) and of the wrong ones (``errors_rejected``, None without any), and the share that is right
        (``accuracy``) of all and of those that are left (``accuracy_left``, None without any)."""
        right, wrong = (values.size - int(np.searchsorted(values, threshold)) for values in (self.right, self.wrong))
        left = right + wrong
        return {
            "pixels": self.pixels,
            "accuracy": self.right.size / self.pixels,
            "rejected": 1 - left / self.pixels,
            "errors_rejected": 1 - wrong / self.wrong.size if self.wrong.size else None,
            "accuracy_left": right / left if left else None,
        }


def validation_confidence(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> ValidationConfidence:
    """The confidence ``(n,)`` of validation pixels by whether they are ``right`` ``(n,)``; of very many every k-th."""
    step = -(-confidence.size // MOST_STORED)
    parts = (np.sort(confidence[where]).astype(np.float32)[::step] for where in (right, ~right))
    return ValidationConfidence(*parts)
