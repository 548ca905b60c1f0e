"""A program for the Python of QGIS: what QGIS makes of a map, and what the plugin does. Prints JSON.

``in_qgis.py map MAP`` or ``in_qgis.py cancel SCENE FIELDS OUT``.
"""

import json
import os
import sys

from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)


def describe_map(path):
    layer = QgsRasterLayer(path, "map")
    renderer = layer.renderer()
    provider = layer.dataProvider()
    entries = [[one.value, one.label, one.color.name()] for one in renderer.classes()]
    nodata = [pixel for pixel in (provider.sourceNoDataValue(1),) if provider.sourceHasNoDataValue(1)]
    return {"renderer": renderer.type(), "entries": entries, "nodata": nodata, "crs": layer.crs().authid()}


class Cancels(QgsProcessingFeedback):
    """Cancels when the command starts to work."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def pushConsoleInfo(self, line):
        self.lines.append(line)

    def reportError(self, line, fatal=False):
        self.lines.append(line)

    def setProgressText(self, text):
        self.lines.append(text)
        if text == "train":
            self.cancel()


def run_cancelled(scene, fields, out):
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("hsi:classify")
    context, feedback = QgsProcessingContext(), Cancels()
    context.setProject(QgsProject.instance())
    layer = QgsVectorLayer(fields, "fields")
    small = {"WINDOW": 11, "COMPONENTS": 13, "EPOCHS": 100000, "SET": "mapping.spectral=none"}
    parameters = {"SCENE": scene, "LABELS": layer, "LABEL_FIELD": "landcover", **small, "OUTPUT": out}
    results, ok = algorithm.run(parameters, context, feedback)
    return {"results": results, "ok": ok, "lines": feedback.lines}


def words_of_layers(fields):
    """The options for labels: a file, and layers that differ from it."""
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("hsi:classify")
    one = next(one for one in algorithm.about["parameters"] if one["name"] == "LABELS")
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()

    def words(value):
        found = algorithm._vector_words(one, {"LABELS": value}, context, feedback)
        copy = QgsVectorLayer(found[1], "copy")
        where = "the file" if found[1] == fields.split("|")[0] else "copy"
        return [where, *found[2:], copy.featureCount(), copy.crs().authid()]

    names = ("plain", "filtered", "edited", "moved", "selected")
    layers = {name: QgsVectorLayer(fields, name) for name in names}
    context.setProject(QgsProject.instance())
    QgsProject.instance().addMapLayers(layers.values())
    layers["filtered"].setSubsetString("landcover = 'water'")
    added = QgsFeature(next(layers["edited"].getFeatures()))
    added["fid"] = None
    layers["edited"].startEditing()
    assert layers["edited"].addFeature(added)
    layers["moved"].setCrs(layers["plain"].crs().fromEpsgId(32633))
    layers["selected"].selectByIds([3])
    values = {**layers, "selected": QgsProcessingFeatureSourceDefinition(layers["selected"].id(), True)}
    return {name: words(value) for name, value in values.items()}


def main():
    application = QgsApplication([], False)
    application.initQgis()
    sys.path += [f"{application.pkgDataPath()}/python/plugins", os.environ["QGIS_PLUGINPATH"]]
    what, *arguments = sys.argv[1:]
    if what != "map":
        import hsi_processing
        from processing.core.Processing import Processing
        from processing.core.ProcessingConfig import ProcessingConfig

        Processing.initialize()
        plugin = hsi_processing.classFactory(None)
        plugin.initProcessing()
        ProcessingConfig.settings["HSI_ENVIRONMENT"].setValue(os.environ["HSI_ENVIRONMENT"])
    found = {"map": describe_map, "cancel": run_cancelled, "words": words_of_layers}[what](*arguments)
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # QGIS crashes at times where objects of Python outlive it


main()
