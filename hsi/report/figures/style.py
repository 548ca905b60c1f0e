"""What all figures have in common: resolution, letters, axes, and how they are written.

Matplotlib's object-oriented interface throughout, so no figure is shared between threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsi.core.colours import FAINT, GRID, INK
from hsi.core.files import write_atomically
from hsi.errors import UnknownNameError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 300
Progress = Callable[[int, int], None]  # takes what is done and the total
FORMATS = ("png", "pdf", "svg")
TITLE, LABEL, SMALL = 9.0, 8.0, 7.0  # points
# letters stay letters that can be searched and edited, and the same figure is the same file
VECTOR_SETTINGS: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "hsi"}
UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
FITTED = "page"  # marks a figure whose page is laid out and not to be cropped
_saving = threading.Lock()


def literal(text: str) -> str:
    """A name as it is: matplotlib would read text between dollar signs as a formula."""
    return text.replace("$", r"\$")


def shortened(text: str, most: int) -> str:
    """A name of at most so many letters, cut with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes) -> None:
    """Faint grid, no frame at the top and right, thin lines."""
    axes.tick_params(labelsize=SMALL, colors=INK, width=0.6)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    for edge in ("bottom", "left"):
        axes.spines[edge].set(color=FAINT, linewidth=0.6)
    for line in axes.lines:
        line.set_linewidth(1.3)
        line.set_markersize(3)


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure in the format of its suffix: png at 300 dpi, pdf with embedded TrueType letters, or svg.

    A figure that :func:`hsi.report.figures.layout.fit` has laid out is written as it is, another one cropped to what it
    shows. Raises :class:`hsi.errors.UsageError` for another suffix and :class:`hsi.errors.OutputError` when the file
    cannot be written.
    """
    from matplotlib import rc_context

    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise UnknownNameError("format of figures", kind, FORMATS)
    how: dict[str, Any] = {"dpi": DPI, "format": kind, "metadata": UNDATED.get(kind)}
    if kind == "png":
        how["pil_kwargs"] = {"compress_level": 6}
    if figure.get_gid() != FITTED:
        how |= {"bbox_inches": "tight", "pad_inches": 0.08}
    with write_atomically(path) as part:
        if kind == "png":
            figure.savefig(part, **how)
        else:
            with _saving, rc_context(VECTOR_SETTINGS):  # settings are global to the process
                figure.savefig(part, **how)
