"""The bands of one scene for a model that was trained on another: by wavelength where both have wavelengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsi.core.scene import Scene
from hsi.errors import BundleError, UsageError

TOLERANCE = 1.0  # nm; the wavelengths of a sensor drift by less between scenes
MAX_LISTED = 5


@dataclass(frozen=True)
class BandList:
    """The bands of a model: positions from 0 in a file of ``of`` bands, and nanometres where known."""

    bands: tuple[int, ...]
    of: int
    wavelengths: tuple[float, ...] | None
    fwhm: tuple[float, ...] | None


@dataclass(frozen=True)
class BandMatch:
    """A scene with the bands to read, the conversion to the bands of the model, and a description.

    ``matrix`` ``(bands of the model, bands of the scene)`` float64 resamples; None where bands are used unchanged. For
    a scene that is denoised as it is read, ``stored`` is the scene without denoising, ``working`` the bytes it takes.
    """

    scene: Scene
    matrix: NDArray[np.float64] | None
    note: str
    stored: Scene | None = None
    working: int = 0

    def convert(self, cube: NDArray[Any]) -> NDArray[Any]:
        """``(h, w, bands of the scene) -> (h, w, bands of the model)``."""
        if self.matrix is None:
            return cube
        resampled: NDArray[np.float64] = cube.astype(np.float64) @ self.matrix.T
        return resampled


def match_bands(trained: BandList, scene: Scene, resample: bool = False, owner: str = "") -> BandMatch:
    """The bands of the scene for a model, or for another scene, which is then named as the ``owner`` of the bands.

    With wavelengths on both sides, bands within 1 nm match, where several do those at the same place in the file;
    otherwise ``resample`` interpolates the bands of the model from the good bands of the scene by their widths. Without
    wavelengths the files must have the same number of bands.
    Raises :class:`BundleError` for bands that do not match, :class:`UsageError` for ``resample`` without wavelengths.
    """
    if trained.wavelengths is None or scene.wavelengths is None:
        return _by_position(trained, scene, resample, owner)
    wanted, have = np.asarray(trained.wavelengths), np.asarray(scene.wavelengths)
    nearest = np.abs(wanted[:, None] - have[None]).argmin(axis=1)
    own = np.asarray(trained.bands)
    # where detectors overlap, two bands have about one wavelength: the nearest may be one of them twice, or be swapped
    if len(have) == trained.of and (np.diff(nearest) <= 0).any() and np.abs(have[own] - wanted).max() <= TOLERANCE:
        nearest = own
    distance = np.abs(have[nearest] - wanted)
    if distance.max() <= TOLERANCE:
        note = f"{len(wanted)} bands by wavelength, {distance.max():.2g} nm difference at most"
        return BandMatch(scene.keep_bands(nearest.tolist()), None, note + _marked_bad(scene, nearest))
    if resample:
        return _resampled(trained, trained.wavelengths, scene)
    far = np.flatnonzero(distance > TOLERANCE)
    listed = ", ".join(f"{wanted[i]:.1f} nm (nearest {have[nearest[i]]:.1f})" for i in far[:MAX_LISTED])
    more = f" and {len(far) - MAX_LISTED} more" if len(far) > MAX_LISTED else ""
    remedy = "--drop-wavelengths leaves them out" if owner else "--resample-bands interpolates them"
    bands = f"{len(wanted)} bands of {owner}" if owner else f"model's {len(wanted)} bands"
    where = scene.source or scene.name
    raise BundleError(f"{where}: lacks {len(far)} of the {bands} within {TOLERANCE:g} nm: {listed}{more}; {remedy}")


def _by_position(trained: BandList, scene: Scene, resample: bool, owner: str) -> BandMatch:
    where = scene.source or scene.name
    lacking = owner or "the model" if trained.wavelengths is None else str(where)
    if resample:
        raise UsageError(f"--resample-bands needs wavelengths on both sides, and {lacking} has none")
    if len(scene.bands) != trained.of:
        turned = scene.axes is not None and trained.of in (scene.height, scene.width)
        hint = f"; it is read as {scene.axes}: --axes gives another order of its axes" if turned else ""
        of = f"{owner} has" if owner else "the model was trained on a file of"
        raise BundleError(
            f"{where}: has {len(scene.bands)} bands, {of} {trained.of}, and {lacking} has no wavelengths to match them "
            f"by{hint}"
        )
    taken = scene.keep_bands(trained.bands)
    return BandMatch(taken, None, f"{len(trained.bands)} bands by position, because {lacking} has no wavelengths")


def _marked_bad(scene: Scene, taken: NDArray[np.intp]) -> str:
    """The end of a note about ``taken`` bands that the file of the scene marks as bad."""
    bad = 0 if scene.good is None else sum(not scene.good[i] for i in taken)
    return f"; the file marks {bad} of them as bad" if bad else ""


def _resampled(trained: BandList, wanted: tuple[float, ...], scene: Scene) -> BandMatch:
    """Gaussian responses of the bands of the model over those of the scene; unused bands are not read."""
    from spectral import BandResampler

    good = scene.good or (True,) * len(scene.bands)
    scene = scene.keep_bands([i for i in np.argsort(scene.wavelengths or (), kind="stable").tolist() if good[i]])
    have = scene.wavelengths or ()
    widths = (_widths(have, scene.fwhm), _widths(wanted, trained.fwhm))
    matrix = np.asarray(BandResampler(list(have), list(wanted), *widths).matrix, np.float64)
    uncovered = np.flatnonzero(~np.isfinite(matrix).all(axis=1) | (matrix == 0).all(axis=1))
    if uncovered.size:
        listed = ", ".join(f"{wanted[i]:.1f} nm" for i in uncovered[:MAX_LISTED])
        raise BundleError(
            f"{scene.source or scene.name}: covers {have[0]:.1f} to {have[-1]:.1f} nm, which cannot make "
            f"{uncovered.size} of the model's {len(matrix)} bands, such as {listed}"
        )
    used = np.flatnonzero(matrix.any(axis=0))
    note = f"{len(matrix)} bands resampled from {len(used)} by wavelength and width"
    return BandMatch(scene.keep_bands(used.tolist()), matrix[:, used], note)


def _widths(wavelengths: tuple[float, ...], fwhm: tuple[float, ...] | None) -> list[float]:
    """FWHM of bands in nm: as known, else the distance to the nearest neighbour, clipped around the median."""
    if fwhm is not None and min(fwhm) > 0:
        return list(fwhm)
    centres = np.asarray(wavelengths)
    if len(centres) == 1:
        return [TOLERANCE]
    order = np.argsort(centres, kind="stable")
    gaps = np.diff(centres[order])
    nearer = np.empty(len(centres))
    nearer[order] = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    middle = float(np.median(nearer))
    return [float(width) for width in np.clip(nearer, middle / 2, middle * 2)]
