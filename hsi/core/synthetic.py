"""Synthetic scenes with known ground truth: fields, plausible spectra, mixed borders and sensor noise.

For tests, benchmarks and trying the commands without data. The spectra have the red edge, water and clay absorption and
atmospheric gaps of real ones; an accuracy on such a scene says nothing about a real one.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsi.core.scene import Georeference
from hsi.errors import UsageError

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Cube = NDArray[np.float32] | NDArray[np.uint16]
BLOCK_ROWS = 32
DARK, GAIN = 1000.0, 8000.0  # digital numbers: DARK + GAIN x reflectance
GAPS_NM = ((760, 8, 0.3), (940, 20, 0.25), (1130, 25, 0.3), (1380, 35, 0.92), (1880, 50, 0.95))  # centre, width, depth
UTM_16N = (
    'PROJCS["WGS 84 / UTM zone 16N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],'
    'AUTHORITY["EPSG","4326"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
    'PARAMETER["central_meridian",-87],PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],'
    'PARAMETER["false_northing",0],UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH],'
    'AUTHORITY["EPSG","32616"]]'
)


def make_scene(
    height: int,
    width: int,
    bands: int = 200,
    classes: int = 6,
    field: float = 24,
    seed: int = 0,
    *,
    noise: float = 0.01,
    mixed: bool = True,
    labelled_share: float = 0.6,
    dtype: Literal["uint16", "float32"] = "uint16",
) -> tuple[Cube, NDArray[np.uint8], Double]:
    """A cube ``(H, W, B)``, its ground truth ``(H, W)`` uint8 and the wavelengths ``(B,)`` in nm, 400 to 2,500.

    Fields are about ``field`` pixels wide (1 to 5 is like a coarse sensor), smaller where ``classes`` would not fit.
    Class ids are 1 to ``classes``; the innermost ``labelled_share`` of the pixels of every class is ground truth, so
    that strips between the fields are background (0). Classes 1 and 2, 3 and 4, … are spectrally close.
    ``noise`` is the sensor's standard deviation in the middle of the spectrum, as a share of the mean signal; it is
    four times that at both ends. ``mixed`` blurs the borders between fields. uint16 cubes are digital numbers around
    1,000 to 7,000, float32 cubes reflectance. The same arguments give the same scene.

    Raises :class:`UsageError` when there are fewer pixels than classes or a number is out of its range.
    """
    _check(height, width, bands, classes, field, noise, labelled_share)
    random = np.random.default_rng(seed)
    wavelengths = np.linspace(400.0, 2500.0, bands)
    truth = _fields(height, width, classes, field, random)
    spectra = class_spectra(classes, wavelengths, random) * _atmosphere(wavelengths)
    labels = _labelled(truth, classes, labelled_share, random)
    abundances = _abundances(truth, classes, mixed)
    cube = _measure(abundances, spectra.astype(np.float32), noise, np.dtype(dtype), random)
    return cube, labels, wavelengths


def synthetic_georeference(pixel_size: float = 20.0) -> Georeference:
    """A north-up place for a synthetic scene: UTM zone 16 north, square pixels of ``pixel_size`` metres."""
    return Georeference(UTM_16N, (pixel_size, 0.0, 500000.0, 0.0, -pixel_size, 4480000.0))


def class_spectra(classes: int, wavelengths: Double, random: np.random.Generator) -> Double:
    """Reflectance ``(classes, B)`` at ``wavelengths`` in nm; each even class is a small variation of the one before."""
    families = (_vegetation, _soil, _straw, _built, _water)
    spectra = np.empty((classes, wavelengths.size))
    for i in range(classes):
        if i % 2 == 0:
            parent = families[(i // 2) % len(families)](wavelengths, random)
            spectra[i] = parent
        else:
            centres, widths = random.uniform(500, 2300, 3), random.uniform(80, 300, 3)
            bumps = _bell(wavelengths[:, None], centres, widths) @ random.choice((-0.1, 0.1), 3)
            spectra[i] = parent * (1 + bumps + random.uniform(-0.04, 0.04)) + 0.01 * _bell(wavelengths, 600, 150)
    return np.clip(spectra, 0.005, 0.95)


def _check(
    height: int, width: int, bands: int, classes: int, field: float, noise: float, labelled_share: float
) -> None:
    if height < 1 or width < 1 or bands < 1 or field < 1 or noise < 0 or not 0 < labelled_share <= 1:
        raise UsageError(
            "a synthetic scene needs height, width, bands and field of at least 1, noise of at least 0 and a labelled "
            f"share above 0 and up to 1, found {height}, {width}, {bands}, {field}, {noise} and {labelled_share}"
        )
    if not 1 <= classes <= min(254, height * width):
        raise UsageError(f"{height} x {width} pixels fit 1 to {min(254, height * width)} classes, found {classes}")


def _bell(x: Double, centre: Double | float, width: Double | float) -> Double:
    return np.exp(-0.5 * ((x - centre) / width) ** 2)


def _step(x: Double, centre: float, width: float) -> Double:
    return 1 / (1 + np.exp(-np.clip((x - centre) / width, -60, 60)))


def _leaf_water(x: Double, content: float) -> Double:
    """The transmittance of liquid water in leaves and damp ground."""
    dips = 0.1 * _bell(x, 975, 25) + 0.2 * _bell(x, 1190, 40) + 0.75 * _bell(x, 1450, 70) + 0.9 * _bell(x, 1940, 90)
    return (1 - content * dips) * (1 - 0.35 * content * _step(x, 1400, 60)) * (1 - 0.3 * content * _step(x, 1900, 80))


def _vegetation(x: Double, random: np.random.Generator) -> Double:
    green, edge, plateau = random.uniform(0.03, 0.09), random.uniform(708, 724), random.uniform(0.28, 0.5)
    leaf = 0.03 + green * _bell(x, 550, 32) + plateau * _step(x, edge, 14)
    return leaf * _leaf_water(x, random.uniform(0.7, 1.0))


def _soil(x: Double, random: np.random.Generator) -> Double:
    rise = random.uniform(0.2, 0.4) * (1 - np.exp(-(x - 350) / random.uniform(450, 800)))
    clay, iron = 1 - 0.12 * _bell(x, 2205, 30), 1 - random.uniform(0.02, 0.12) * _bell(x, 890, 90)
    return (0.04 + rise) * clay * iron * _leaf_water(x, random.uniform(0.1, 0.3))


def _straw(x: Double, random: np.random.Generator) -> Double:
    rise = random.uniform(0.3, 0.45) * _step(x, random.uniform(640, 760), 130)
    return (0.06 + rise) * (1 - 0.15 * _bell(x, 2100, 60)) * _leaf_water(x, random.uniform(0.2, 0.4))


def _built(x: Double, random: np.random.Generator) -> Double:
    flat, slope = random.uniform(0.12, 0.3), random.uniform(-0.04, 0.08)
    return flat + slope * (x - 400) / 2100 - 0.06 * _bell(x, 2330, 45) + 0.03 * _step(x, 560, 40)


def _water(x: Double, random: np.random.Generator) -> Double:
    murky = random.uniform(0.03, 0.08)
    return 0.012 + murky * _bell(x, random.uniform(520, 580), 90) + 0.02 * (1 - _step(x, 750, 30))


def _atmosphere(wavelengths: Double) -> Double:
    """The transmittance of the atmosphere, with the gaps of water vapour near 1,400 and 1,900 nm."""
    through = np.ones_like(wavelengths)
    for centre, width, depth in GAPS_NM:
        through *= 1 - depth * _bell(wavelengths, centre, width)
    return through


def _smooth_field(height: int, width: int, sigma: float, random: np.random.Generator) -> Float:
    """Spatially correlated noise ``(H, W)`` of mean 0 and variance 1."""
    values: Float = ndimage.gaussian_filter(
        random.standard_normal((height, width), dtype=np.float32), sigma, mode="wrap"
    )
    values -= values.mean()
    values /= max(float(values.std()), 1e-12)
    return values


def _fields(height: int, width: int, classes: int, field: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Positions of classes ``(H, W)``: warped Voronoi fields, each of one class, with every class present."""
    from scipy.spatial import cKDTree

    spacing = min(field, max(1.0, (height * width / (3 * classes)) ** 0.5))
    rows, columns = np.mgrid[0:height:spacing, 0:width:spacing] if spacing > 1 else np.mgrid[0:height, 0:width]
    seeds = np.stack([rows.ravel(), columns.ravel()], axis=1) + random.uniform(0, spacing, (rows.size, 2))
    warp = [0.2 * spacing * _smooth_field(height, width, max(0.7, spacing / 5), random) for _ in range(2)]
    tree = cKDTree(seeds)
    cells = np.empty((height, width), np.int64)
    across = np.arange(width)
    for start in range(0, height, BLOCK_ROWS):
        down = np.arange(start, min(height, start + BLOCK_ROWS))
        points = np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1).astype(np.float64)
        points += np.stack([part[down] for part in warp], axis=-1)
        cells[down] = tree.query(points)[1]
    cells = np.unique(cells, return_inverse=True)[1].reshape(height, width)
    if cells.max() + 1 < classes:  # a scene too small for fields: single pixels instead
        cells = np.arange(height * width).reshape(height, width)
    rounds = -(-int(cells.max() + 1) // classes)
    return np.concatenate([random.permutation(classes) for _ in range(rounds)])[cells]


def _labelled(truth: NDArray[np.int64], classes: int, share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Class ids from 1 for the innermost pixels of every class, the ground truth, 0 elsewhere."""
    border = ndimage.maximum_filter(truth, 3) != ndimage.minimum_filter(truth, 3)
    depth = ndimage.distance_transform_edt(~border) if border.any() else np.ones(truth.shape)
    depth = np.asarray(depth) + random.uniform(0, 0.5, truth.shape)
    labels = np.zeros(truth.size, np.uint8)
    for i in range(classes):
        pixels = np.flatnonzero(truth == i)
        deepest = pixels[np.argsort(-depth.ravel()[pixels], kind="stable")]
        labels[deepest[: max(1, round(share * pixels.size))]] = i + 1
    return labels.reshape(truth.shape)


def _abundances(truth: NDArray[np.int64], classes: int, mixed: bool) -> Float:
    """The shares of the classes in a pixel ``(H, W, classes)``, which add up to 1."""
    shares = np.empty((*truth.shape, classes), np.float32)
    for i in range(classes):
        pure = (truth == i).astype(np.float32)
        shares[:, :, i] = ndimage.gaussian_filter(pure, 0.7) if mixed else pure
    shares /= shares.sum(axis=2, keepdims=True)
    return shares


def _measure(
    abundances: Float, spectra: Float, noise: float, dtype: np.dtype[np.generic], random: np.random.Generator
) -> Cube:
    """The cube ``(H, W, B)``: mixed spectra, texture within the classes and sensor noise, a few rows at a time."""
    height, width = abundances.shape[:2]
    bands = spectra.shape[1]
    position = np.linspace(-1, 1, bands, dtype=np.float32) if bands > 1 else np.zeros(1, np.float32)
    sigma = noise * float(spectra.mean()) * (1 + 3 * np.abs(position) ** 3)
    brightness = 1 + 0.06 * _smooth_field(height, width, 1.5, random)
    modes = np.stack([position, np.cos(np.pi * position)]).astype(np.float32)  # (2, B) spectral variability
    amounts = np.stack([0.03 * _smooth_field(height, width, 2.5, random) for _ in modes], axis=-1)
    cube = np.empty((height, width, bands), dtype)
    for start in range(0, height, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = (abundances[rows] @ spectra) * (brightness[rows, :, None] + amounts[rows] @ modes)
        block += sigma * random.standard_normal(block.shape, dtype=np.float32)
        cube[rows] = np.clip(np.rint(DARK + GAIN * block), 1, 65535) if dtype.kind == "u" else block
    return cube
