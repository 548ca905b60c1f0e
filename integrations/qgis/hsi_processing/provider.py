"""The plugin, its provider, and its setting: the environment of ``hsi``."""

from __future__ import annotations

import json
from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsApplication, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import HsiAlgorithm
from .command import CommandError, find_command

FOLDER = Path(__file__).resolve().parent
NAME = "hsi"
ENVIRONMENT = "HSI_ENVIRONMENT"


class Plugin:
    """Adds the provider to QGIS, with or without its windows, and removes it."""

    def __init__(self) -> None:
        self.provider: HsiProvider | None = None

    def initProcessing(self) -> None:
        """Add the provider."""
        self.provider = HsiProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Add the provider to QGIS with windows."""
        self.initProcessing()

    def unload(self) -> None:
        """Remove the provider."""
        if self.provider:
            QgsApplication.processingRegistry().removeProvider(self.provider)


class HsiProvider(QgsProcessingProvider):
    """The algorithms in ``parameters.json``."""

    def id(self) -> str:
        """As in ``hsi:classify``."""
        return "hsi"

    def name(self) -> str:
        """The name in the toolbox."""
        return NAME

    def longName(self) -> str:
        """The name in full."""
        return "hsi: land cover from hyperspectral scenes"

    def icon(self) -> QIcon:
        """The picture in the toolbox."""
        return QIcon(str(FOLDER / "icon.svg"))

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Maps are GeoTIFFs."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Polygons and samples."""
        return ["gpkg", "geojson"]

    def load(self) -> bool:
        """Declare the setting and list the algorithms."""
        text = "Folder of the Python environment with hsi (empty: search for it)"
        ProcessingConfig.settingIcons[NAME] = self.icon()
        ProcessingConfig.addSetting(Setting(NAME, ENVIRONMENT, text, "", valuetype=Setting.FOLDER, validator=check))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Remove the setting."""
        ProcessingConfig.removeSetting(ENVIRONMENT)

    def loadAlgorithms(self) -> None:
        """Add an algorithm for each command."""
        described = json.loads((FOLDER / "parameters.json").read_text(encoding="utf-8"))
        for about in described["algorithms"]:
            self.addAlgorithm(HsiAlgorithm(about, environment, self.icon()))


def environment() -> str:
    """What the user set as the environment; empty where nothing is set."""
    return str(ProcessingConfig.getSetting(ENVIRONMENT) or "")


def check(value: str) -> None:
    """Raise ``ValueError``, which the settings dialog shows, for an environment without ``hsi``."""
    if value:
        try:
            find_command(value)
        except CommandError as error:
            raise ValueError(str(error)) from None
