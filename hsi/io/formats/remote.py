"""Scenes behind a network, named as GDAL names them: read by window over HTTP or from object storage."""

from __future__ import annotations

import re
from pathlib import Path

from hsi.core.scene import Scene
from hsi.io.formats.gdal_files import opened, scaled_scene

PREFIXES = ("/vsicurl/", "/vsis3/", "/vsigs/", "/vsiaz/")
# what is read by window, by the name's end; a virtual raster could name any other file
DRIVERS = {".jp2": "JP2OpenJPEG"}
USUAL_DRIVER = "GTiff"
TITLE = "a GeoTIFF or JPEG 2000 behind a network"


def is_remote(path: Path) -> bool:
    """Whether a path is one of GDAL's names for what lies behind a network, such as ``/vsis3/bucket/scene.tif``."""
    return path.as_posix().startswith(PREFIXES)


def remote_name(path: Path) -> str:
    """The name as GDAL takes it; a path has lost one of the two slashes of ``/vsicurl/https://…``."""
    return re.sub(r"^(/vsicurl/[a-z]+):/+", r"\1://", path.as_posix())


def open_remote(path: Path) -> Scene:
    """A raster behind a network as a scene that is read by window.

    GDAL takes access keys and regions from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_NO_SIGN_REQUEST``, …). Raises
    :class:`SceneFileError` when it cannot be reached or is no GeoTIFF or JPEG 2000.
    """
    driver = DRIVERS.get(path.suffix.lower(), USUAL_DRIVER)
    return scaled_scene(path, lambda: opened(path, remote_name(path), driver, TITLE), "remote raster")
