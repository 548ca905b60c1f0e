"""The document of a STAC Item, from a file or over HTTP, and where its assets are.

Items of STAC 1.0 and 1.1 are read as plain JSON: https://github.com/radiantearth/stac-spec/blob/master/item-spec.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urljoin, urlsplit

from hsi.core.events import progress
from hsi.errors import SceneFileError, UnknownNameError, UsageError
from hsi.io.formats.gdal import RasterReader, web_address
from hsi.io.reader import check_file, first_bytes

LARGEST = 1 << 24  # bytes of an Item
WAIT, MOST_SECONDS, CHUNK = 30.0, 120.0, 1 << 16  # seconds without a byte, and for all of it
WEB = ("http", "https")
DATA, MASKS = "data", ("data-mask", "cloud")
OTHER_ROLES = {"thumbnail", "overview", "metadata", "visual", *MASKS}
BANDS = ("bands", "eo:bands", "raster:bands")  # of STAC 1.1, and of extensions to 1.0
DATES = ("datetime", "start_datetime", "end_datetime")
URL_CHARACTERS = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True)
class Asset:
    """An asset of an Item; ``bands`` are empty where the Item does not describe them."""

    name: str
    href: str
    roles: frozenset[str]
    bands: tuple[Mapping[str, Any], ...]
    nodata: Any = None


@dataclass(frozen=True)
class Item:
    """A STAC Item.

    ``base`` is the web address that its links are relative to, None for a file. ``dates`` are the properties with its
    time, as texts in RFC 3339.
    """

    path: Path
    name: str
    base: str | None
    assets: Mapping[str, Asset]
    dates: Mapping[str, str]

    def choose_asset(self, name: str | None = None) -> Asset:
        """The asset of that name, or the one with the role "data" that has most bands.

        Raises :class:`UsageError` where several have as many, and for a name that the Item does not have.
        """
        if name is not None:
            if name not in self.assets:
                raise UsageError(f"{self.path}: {UnknownNameError('asset', name, self.assets)}")
            return self.assets[name]
        data = [asset for asset in self.assets.values() if DATA in asset.roles]
        data = data or [asset for asset in self.assets.values() if not asset.roles & OTHER_ROLES]
        most = max((len(asset.bands) for asset in data), default=0)
        data = [asset for asset in data if len(asset.bands) == most]
        if len(data) == 1:
            return data[0]
        listed = ", ".join(asset.name for asset in data or self.assets.values())
        found = f"{len(data)} assets may be the cube" if data else "no asset has the role data"
        raise UsageError(f"{self.path}: {found}: choose one by --asset: {listed or 'it has none'}")

    def masks_for(self, chosen: Asset) -> list[Asset]:
        """The other assets that mark pixels with data, or clouds."""
        return [asset for asset in self.assets.values() if asset.roles & {*MASKS} and asset.href != chosen.href]

    def locate(self, asset: Asset) -> str:
        """The path of an asset, or GDAL's name of one on the web, with its signature.

        Raises :class:`SceneFileError` for an address that is neither a file's nor of HTTP, and for a file that an Item
        from the web names.
        """
        href = asset.href.strip()
        parts = urlsplit(href)
        if href.isprintable() and (self.base or parts.scheme.lower() in WEB):
            url = urlsplit(urljoin(self.base, href) if self.base else href)
            if url.scheme.lower() in WEB and url.hostname:
                return "/vsicurl/" + url._replace(path=quote(url.path, URL_CHARACTERS)).geturl()
        elif href.isprintable() and parts.scheme.lower() == "file" and parts.netloc in ("", "localhost"):
            return unquote(parts.path)
        elif href.isprintable() and len(parts.scheme) < 2 and not href.startswith("/vsi"):
            path, decoded = self.path.parent / href, self.path.parent / unquote(href)
            return str(decoded if decoded.exists() and not path.exists() else path)
        bucket = "; give /vsis3/BUCKET/NAME instead of the Item" if parts.scheme == "s3" else ""
        raise SceneFileError(
            f"{self.path}: its asset {asset.name} is at {asset.href[:80]!r}, expected a file or an address of HTTP"
            f"{' , as the Item is from the web' if self.base and parts.scheme == 'file' else ''}{bucket}"
        )


def is_item(path: Path) -> bool:
    """Whether a path is that of a STAC Item: a file of JSON with a STAC version, or a web address that is no raster."""
    if address := web_address(path):
        return not RasterReader().has_suffix(Path(urlsplit(address).path))
    return path.suffix.lower() == ".json" and b'"stac_version"' in first_bytes(path, LARGEST)


def read_item(path: Path) -> Item:
    """The STAC Item in a file or at a web address.

    Raises :class:`SceneFileError` for what is no Item, larger than 16 MB or cannot be reached.
    """
    base, address = None, web_address(path)
    if address:
        with progress("item"):
            content, base = _fetch(address)
    else:
        check_file(path)
        content = first_bytes(path, LARGEST + 1)
    where = address or str(path)
    if len(content) > LARGEST:
        raise SceneFileError(f"{where}: is larger than {LARGEST >> 20} MB, which no STAC Item is: give one Item")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SceneFileError(f"{where}: is no JSON, as a STAC Item is ({str(error)[:80]}): give its address") from None
    kind = document.get("type") if isinstance(document, dict) else None
    if kind != "Feature" or not isinstance(document.get("assets"), dict):
        raise SceneFileError(f"{where}: is no STAC Item but {str(kind)[:40] if kind else 'other JSON'}: give one Item")
    properties = document.get("properties")
    dates = {name: properties.get(name) for name in DATES} if isinstance(properties, dict) else {}
    return Item(
        path,
        re.sub(r"[^\w.+-]+", "_", str(document.get("id") or path.stem))[:120],
        base,
        {name: asset for name, content in document["assets"].items() if (asset := _read_asset(name, content))},
        {name: value for name, value in dates.items() if isinstance(value, str)},
    )


def _read_asset(name: str, content: Any) -> Asset | None:
    """None for what is no asset."""
    if not isinstance(content, dict) or not isinstance(content.get("href"), str):
        return None
    lists = {key: value for key, value in content.items() if isinstance(value, list) and value}
    return Asset(
        name,
        content["href"],
        frozenset(role for role in lists.get("roles", ()) if isinstance(role, str)),
        tuple(
            band if isinstance(band, dict) else {} for band in next((lists[key] for key in BANDS if key in lists), ())
        ),
        content.get("nodata"),
    )


def _fetch(address: str) -> tuple[bytes, str]:
    """What is at a web address, and the address that it is from in the end."""
    opener = urllib.request.OpenerDirector()  # without handlers of files, FTP and data
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPRedirectHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    content, end = bytearray(), time.monotonic() + MOST_SECONDS
    try:
        request = urllib.request.Request(address, headers={"Accept": "application/geo+json, application/json"})
        with opener.open(request, timeout=WAIT) as answer:
            while len(content) <= LARGEST and (part := answer.read1(CHUNK)):
                content += part
                if time.monotonic() > end:
                    raise SceneFileError(f"{address}: took more than {MOST_SECONDS:.0f} s: download it first")
            return bytes(content), answer.geturl()
    except HTTPError as error:
        hint = "sign its address, or download it" if error.code in (401, 403) else "check its address"
        raise SceneFileError(f"{address}: the server answers {error.code} {_shorten(error)}: {hint}") from None
    except SceneFileError:
        raise
    except (OSError, ValueError, HTTPException) as error:
        reason = _shorten(error)
        raise SceneFileError(f"{address}: cannot be reached ({reason}): check the address and the network") from None


def _shorten(error: Exception) -> str:
    """The reason of an error in a line."""
    return " ".join(str(getattr(error, "reason", error)).split())[:200]
