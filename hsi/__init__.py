"""hsi: land-cover maps and believable accuracy tables from hyperspectral cubes.

The library holds the nouns (scenes, labels, splits, networks, metrics); the commands live in ``hsi.pipelines``.
"""

from hsi.version import __version__

__all__ = ["__version__"]
