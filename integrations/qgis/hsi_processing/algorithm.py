"""A Processing algorithm that runs one command of ``hsi``, made from its description in ``parameters.json``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsFields,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QIcon

from .command import PROGRESS, Cancelled, CommandError, find_command, run_command, version_of

VECTORS = [QgsProcessing.TypeVectorPolygon, QgsProcessing.TypeVectorPoint]
VECTOR_FORMATS = ["gpkg", "geojson", "shp", "fgb", "kml"]  # that hsi reads as they are
COPIES = "fgb"  # a copied GeoPackage lacks features whose identifiers collide, and GeoJSON lacks some CRSs
# QGIS lists those of "html", reports and tables, in its Results Viewer, with links to open them
OUTPUTS = {"raster": QgsProcessingOutputRasterLayer, "file": QgsProcessingOutputFile, "html": QgsProcessingOutputHtml}
FROM_PATH = ("raster", "rasters", "layer")  # also files that QGIS cannot open, such as .mat
SPACES = re.compile(r"^ +| {2,}")
Words = list[str]


class StyleFromFile(QgsProcessingLayerPostProcessorInterface):
    """Applies the style next to a map, whatever style Processing is set to give to rasters."""

    def postProcessLayer(self, layer: Any, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> None:
        """Called when the layer is loaded."""
        style = Path(layer.source()).with_suffix(".qml")
        if style.is_file():
            layer.loadNamedStyle(str(style))
            layer.triggerRepaint()


class HsiAlgorithm(QgsProcessingAlgorithm):
    """``about`` describes the command, and ``environment()`` is the setting of its environment."""

    def __init__(self, about: dict[str, Any], environment: Callable[[], str], icon: QIcon) -> None:
        super().__init__()
        self.about, self.environment, self.picture = about, environment, icon
        self.written: dict[str, str] = {}  # paths by the names of output parameters
        self.styles: list[StyleFromFile] = []  # referenced until the layers are loaded

    def createInstance(self) -> HsiAlgorithm:
        """Another of the same kind."""
        return HsiAlgorithm(self.about, self.environment, self.picture)

    def name(self) -> str:
        """As in ``hsi:classify``."""
        return str(self.about["name"])

    def displayName(self) -> str:
        """The name in the toolbox."""
        return str(self.about["title"])

    def icon(self) -> QIcon:
        """The picture in the toolbox."""
        return self.picture

    def shortHelpString(self) -> str:
        """What the command does, and the program that does it."""
        return f"{self.about['help']}\n\nThis runs the command hsi {self.name()}."

    def canExecute(self) -> tuple[bool, str]:
        """Whether ``hsi`` is found; if not, how to set it."""
        try:
            find_command(self.environment())
        except CommandError as error:
            return False, str(error)
        return True, ""

    def initAlgorithm(self, configuration: Any = None) -> None:
        """Declare the parameters and outputs."""
        for one in self.about["parameters"]:
            parameter = make_parameter(one)
            parameter.setHelp(one.get("help", ""))
            if one.get("advanced"):
                parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
            self.addParameter(parameter)
        for one in self.about["outputs"]:
            self.addOutput(OUTPUTS[one["kind"]](one["name"], one["label"]))

    def checkParameterValues(self, parameters: dict[str, Any], context: QgsProcessingContext) -> tuple[bool, str]:
        """As QGIS does, but for scenes in files that QGIS cannot open and ``hsi`` can."""
        known = {one["name"]: one for one in self.about["parameters"]}
        for definition in self.parameterDefinitions():
            value, one = parameters.get(definition.name()), known[definition.name()]
            as_path = one["kind"] in FROM_PATH and isinstance(value, str) and Path(value).exists()
            if not as_path and not definition.checkValueIsAcceptable(value, context):
                return False, f"{one['label']}: give a value that can be read, found {value!r}"
        if parameters.get("LABELS") and parameters.get("LABEL_RASTER"):
            return False, "Labels are polygons or points, or a class raster: leave one of them out"
        return True, ""

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the command, pass on what it prints, and load the map."""
        try:
            command = find_command(self.environment())
        except CommandError as error:
            raise QgsProcessingException(str(error)) from None
        options: Words = []
        arguments: Words = []
        for one in self.about["parameters"]:
            words = list(self._words(one, parameters, context, feedback))
            (options if one["option"] else arguments).extend(words)
        feedback.pushInfo(f"hsi {version_of(command)} in {command.parent.parent}")
        line = [str(command), self.name(), *arguments, *options]
        feedback.pushCommandInfo(shlex.join(line))
        try:
            run_command(line, LineReader(feedback), feedback.isCanceled)
        except CommandError as error:
            raise QgsProcessingException(str(error)) from None
        except Cancelled:
            return {}
        return self._results(context, feedback)

    def _words(
        self, one: dict[str, Any], parameters: dict[str, Any], context: QgsProcessingContext, feedback: Any
    ) -> Iterator[str]:
        """The words of the command line for one parameter: none where it has no value."""
        name, kind, option = one["name"], one["kind"], one["option"]
        if parameters.get(name) in (None, "", []):
            return
        before = [option] if option else []
        if kind == "flag":
            yield from before if self.parameterAsBool(parameters, name, context) else ()
        elif kind == "choice" and "no_option" in one:
            yield option if self.parameterAsEnumString(parameters, name, context) == "yes" else one["no_option"]
        elif kind == "lines":
            for text in filter(None, map(str.strip, self.parameterAsString(parameters, name, context).splitlines())):
                yield from (option, text)
        elif kind == "vectors":
            yield from self._vector_words(one, parameters, context, feedback)
        elif kind == "rasters":
            for layer in self.parameterAsLayerList(parameters, name, context):
                yield raster_path(layer, feedback)
        else:
            text = self._text(one, parameters, context, feedback)
            if kind.startswith("new_"):
                self.written[name] = text
            if text != one.get("default"):
                yield from (*before, text)

    def _text(self, one: dict[str, Any], parameters: dict[str, Any], context: Any, feedback: Any) -> str:
        """One value as ``hsi`` takes it."""
        name, kind = one["name"], one["kind"]
        if kind == "raster":
            layer = self.parameterAsRasterLayer(parameters, name, context)
            return raster_path(layer, feedback) if layer else str(parameters[name])
        if kind == "layer":
            layer = self.parameterAsLayer(parameters, name, context)
            if isinstance(layer, QgsVectorLayer):
                return self._exported(layer, name, parameters, context, feedback)
            return raster_path(layer, feedback) if layer else str(parameters[name])
        if kind == "crs":
            crs = self.parameterAsCrs(parameters, name, context)
            return str(crs.authid() or crs.toWkt())
        if kind == "choice":
            return str(self.parameterAsEnumString(parameters, name, context))
        if kind == "integer":
            return str(self.parameterAsInt(parameters, name, context))
        if kind == "number":
            return repr(self.parameterAsDouble(parameters, name, context))
        if kind in ("new_vector", "new_raster"):
            return str(self.parameterAsOutputLayer(parameters, name, context))
        if kind == "new_file":
            return str(self.parameterAsFileOutput(parameters, name, context))
        return str(self.parameterAsString(parameters, name, context))

    def _vector_words(self, one: dict[str, Any], parameters: dict[str, Any], context: Any, feedback: Any) -> Words:
        """Labels as their file and layer; as a copy where the file does not hold what QGIS shows."""
        name = one["name"]
        layer = vector_layer(parameters[name], context)
        if layer is None:
            return [one["option"], str(parameters[name])]
        if differs_from_file(layer, parameters[name]):
            return [one["option"], self._exported(layer, name, parameters, context, feedback)]
        path, layer_name = self.parameterAsCompatibleSourceLayerPathAndLayerName(
            parameters, name, context, VECTOR_FORMATS, COPIES, feedback
        )
        return [one["option"], path, *((one["layer_option"], layer_name) if layer_name else ())]

    def _exported(
        self, layer: QgsVectorLayer, name: str, parameters: dict[str, Any], context: Any, feedback: Any
    ) -> str:
        """A copy of a vector layer as it is in QGIS: with its edits, filter, selection, CRS and computed fields."""
        path = str(self.parameterAsCompatibleSourceLayerPath(parameters, name, context, [], COPIES, feedback))
        features = layer.getSelectedFeatures() if only_selected(parameters[name]) else layer.getFeatures()
        expected, found = sum(one.hasGeometry() for one in features), QgsVectorLayer(path, name).featureCount()
        if found < expected:
            raise QgsProcessingException(
                f"{layer.name()}: {found} of {expected} features could be copied: save the layer to a GeoPackage first"
            )
        return path

    def _results(self, context: QgsProcessingContext, feedback: Any) -> dict[str, Any]:
        """The outputs that were written, by their names; maps are loaded, and reports and tables linked in the log."""
        results: dict[str, Any] = {**self.written}
        out = Path(results["OUTPUT"])
        for one in self.about["outputs"]:
            folder = out if out.is_dir() else out.parent
            path = folder / one["file"].format(stem=out.stem)
            if not path.is_file():
                continue
            results[one["name"]] = str(path)
            if one["kind"] in ("html", "file"):
                feedback.pushInfo(f"{one['label']}: {QUrl.fromLocalFile(str(path)).toString()}")
            if one.get("load") and context.project():
                details = QgsProcessingContext.LayerDetails(f"{out.name} map", context.project(), one["name"])
                context.addLayerToLoadOnCompletion(str(path), details)
        for path in context.layersToLoadOnCompletion():
            if Path(path).with_suffix(".qml").is_file():
                self.styles.append(StyleFromFile())
                context.layerToLoadOnCompletionDetails(path).setPostProcessor(self.styles[-1])
        return results


def make_parameter(one: dict[str, Any]) -> QgsProcessingParameterDefinition:
    """The parameter of QGIS for a described one."""
    name, label, kind, default = one["name"], one["label"], one["kind"], one.get("default")
    optional = not one.get("required", False)
    if kind == "raster":
        return QgsProcessingParameterRasterLayer(name, label, None, optional)
    if kind == "rasters":
        return QgsProcessingParameterMultipleLayers(name, label, QgsProcessing.TypeRaster, None, optional)
    if kind == "vectors":
        return QgsProcessingParameterFeatureSource(name, label, VECTORS, None, optional)
    if kind == "layer":
        kinds = [QgsProcessing.TypeVectorPolygon, QgsProcessing.TypeRaster]
        return QgsProcessingParameterMapLayer(name, label, None, optional, kinds)
    if kind == "field":
        any_field = QgsProcessingParameterField.Any
        return QgsProcessingParameterField(name, label, None, "LABELS", any_field, False, optional)
    if kind == "choice":
        parameter = QgsProcessingParameterEnum(name, label, one["choices"], False, default, optional)
        parameter.setUsesStaticStrings(True)
        return parameter
    if kind == "flag":
        return QgsProcessingParameterBoolean(name, label, False)
    if kind in ("integer", "number"):
        number = QgsProcessingParameterNumber
        parameter = number(
            name, label, getattr(number, "Integer" if kind == "integer" else "Double"), default, optional
        )
        if "minimum" in one:
            parameter.setMinimum(one["minimum"])
        return parameter
    if kind == "crs":
        return QgsProcessingParameterCrs(name, label, None, optional)
    if kind == "file":
        return QgsProcessingParameterFile(
            name, label, QgsProcessingParameterFile.File, "", None, optional, one.get("filter", "")
        )
    if kind == "new_folder":
        return QgsProcessingParameterFolderDestination(name, label)
    if kind == "new_file":
        return QgsProcessingParameterFileDestination(name, label, one["filter"])
    if kind == "new_raster":
        return QgsProcessingParameterRasterDestination(name, label)
    if kind == "new_vector":
        kind_of = QgsProcessing.TypeVectorPoint if not optional else QgsProcessing.TypeVectorPolygon
        return QgsProcessingParameterVectorDestination(name, label, kind_of, None, optional, not optional)
    return QgsProcessingParameterString(name, label, default, kind == "lines", optional)


class LineReader:
    """Shows what the command prints: progress in the bar and its stages in words, all else in the log.

    The log in a window is HTML, in which only spaces that do not break leave the columns of a table in line.
    """

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self.feedback, self.stage = feedback, ""
        self.in_window = QgsApplication.platform() == "desktop"

    def __call__(self, line: str) -> None:
        """Show one line."""
        progress = PROGRESS.fullmatch(line)
        if progress:
            self.feedback.setProgress(float(progress[1]))
            if progress[2] != self.stage:
                self.stage = progress[2]
                self.feedback.setProgressText(self.stage)
        elif line.startswith("warning: "):
            self.feedback.pushWarning(line)
        else:  # errors too, which QGIS shows once more as the reason of the failure
            self.feedback.pushConsoleInfo(
                SPACES.sub(lambda run: "\u00a0" * len(run[0]), line) if self.in_window else line
            )


def raster_path(layer: QgsRasterLayer, feedback: QgsProcessingFeedback) -> str:
    """The file of a raster layer; raises ``QgsProcessingException`` for one that is not a file."""
    if layer.dataProvider() is None or layer.dataProvider().name() != "gdal":
        raise QgsProcessingException(f"{layer.name()}: is not a layer from a file: save it as a GeoTIFF first")
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    if parts.get("layerName"):
        raise QgsProcessingException(
            f"{layer.name()}: is an array of {parts['path']}: give the file as the scene and the name of the array"
        )
    if layer.dataProvider().crs() != layer.crs():
        feedback.pushWarning(f"{layer.name()}: its CRS was changed in QGIS: hsi uses that of the file")
    return str(parts["path"])


def only_selected(value: Any) -> bool:
    """Whether the value of a parameter is the selection of a layer."""
    return isinstance(value, QgsProcessingFeatureSourceDefinition) and bool(value.selectedFeaturesOnly)


def vector_layer(value: Any, context: QgsProcessingContext) -> QgsVectorLayer | None:
    """The layer in the value of a parameter; None where it is no layer that QGIS opens."""
    if isinstance(value, QgsVectorLayer):
        return value
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source.valueAsString(context.expressionContext())[0]
    return QgsProcessingUtils.mapLayerFromString(str(value), context, True, QgsProcessingUtils.LayerHint.Vector)


def differs_from_file(layer: QgsVectorLayer, value: Any) -> bool:
    """Whether a layer has edits, a CRS or fields that its file does not have, or only its selection counts."""
    fields = layer.fields()
    computed = any(fields.fieldOrigin(i) != QgsFields.OriginProvider for i in range(fields.count()))
    moved = layer.dataProvider().crs() != layer.crs()
    return bool(only_selected(value) or layer.isModified() or computed or moved)
