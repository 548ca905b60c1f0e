"""Arrays and pictures as text inside a page."""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = ("uint8", "uint16", "float32")  # of those that JavaScript has typed arrays of, the ones in use
UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def encode_array(array: NDArray[Any]) -> dict[str, str]:
    """An array of :data:`DTYPES` as base64 of its zlib-compressed little-endian bytes in C order.

    A canvas may alter the pixels of an image, by colour management or against fingerprinting, so values that scripts
    read are not stored as images. Raises :class:`ValueError` for another dtype.
    """
    if array.dtype.name not in DTYPES:
        raise ValueError(f"a page holds arrays of {', '.join(DTYPES)}, found {array.dtype}")
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return {"dtype": array.dtype.name, "data": base64.b64encode(zlib.compress(data, 6)).decode()}


def encode_picture(picture: NDArray[np.uint8]) -> str:
    """A picture ``(h, w, 3)`` uint8 as a data URL of a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=6)
    return png_url(file.getvalue())


def png_url(data: bytes) -> str:
    """The bytes of a PNG as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def embedded_json(value: Any) -> str:
    """JSON that ends no ``<script>`` element and opens none, whatever names it holds.

    Raises :class:`ValueError` for NaN and infinity, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter, escaped in UNSAFE.items():
        text = text.replace(letter, escaped)
    return text
