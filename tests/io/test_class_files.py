"""Ids, names and colours of classes from styles, tables, maps and models, and what labels make of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from safetensors.numpy import save_file

from hsi import open_labels
from hsi.core.labels import ClassTable, label_map
from hsi.core.memory import resident_memory
from hsi.core.scene import scene_from_array
from hsi.core.synthetic import make_scene
from hsi.errors import LabelError, SceneFileError
from hsi.io.class_files import ClassEntry, apply_class_file
from hsi.io.geotiff import gdal_env, write_class_map
from hsi.io.open import open_classes
from hsi.settings import InputSettings
from hsi.workflows.inputs import open_any_labels

BLUE, GREEN, RED = (31, 111, 180), (11, 93, 42), (200, 64, 47)
TABLE = ((3, "Wasser", BLUE), (7, "Wald & <Forst>", GREEN), (20, "Dach", RED))
HEXES = ["#1f6fb4", "#0b5d2a", "#c8402f"]
ESCAPED = ["Wasser", "Wald &amp; &lt;Forst&gt;", "Dach"]


def each(text, values=("3", "7", "20"), labels=ESCAPED):
    """The text for each class."""
    rows = zip(values, labels, HEXES, (BLUE, GREEN, RED), strict=True)
    return "\n".join(text.format(i, v, n, h, ",".join(map(str, rgb))) for i, (v, n, h, rgb) in enumerate(rows))


def raster_qml():
    """As QGIS 3.34 saves a paletted raster."""
    entries = each('<paletteEntry value="{1}" label="{2}" color="{3}" alpha="255"/>')
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis hasScaleBasedVisibilityFlag="0" version="3.34.4-Prizren" styleCategories="LayerConfiguration|Symbology">
 <pipe><rasterrenderer band="1" type="paletted" nodataColor="" opacity="1" alphaBand="-1">
  <rasterTransparency/><colorPalette>{entries}</colorPalette>
  <colorramp type="randomcolors" name="[source]"><Option/></colorramp></rasterrenderer></pipe>
 <blendMode>0</blendMode></qgis>"""


def vector_qml(values=("3", "7", "20"), new=True):
    """As QGIS 3.40 or 3.10 saves a layer styled by categories."""
    categories = each('<category symbol="{0}" value="{1}" label="{2}" render="true" type="string"/>', values)
    option = '<Option type="Map"><Option type="QString" name="color" value="{4},255,rgb:0.1,0.4,0.7,1"/></Option>'
    colour = option if new else '<prop k="color" v="{4},255"/>'
    symbols = each(f'<symbol type="fill" name="{{0}}"><layer class="SimpleFill">{colour}</layer></symbol>', values)
    other = '<category symbol="0" value="" label="" render="true"/>'
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.40.1-Bratislava"><renderer-v2 type="categorizedSymbol" attr="class">
<categories>{categories}{other}</categories><symbols>{symbols}</symbols></renderer-v2></qgis>"""


def values_sld():
    """As QGIS saves a paletted raster."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<StyledLayerDescriptor xmlns="http://www.opengis.net/sld" xmlns:sld="http://www.opengis.net/sld" version="1.0.0">
<UserLayer><sld:UserStyle><sld:FeatureTypeStyle><sld:Rule><sld:RasterSymbolizer><sld:ColorMap type="values">
{each('<sld:ColorMapEntry quantity="{1}" label="{2}" color="{3}"/>')}
</sld:ColorMap></sld:RasterSymbolizer></sld:Rule></sld:FeatureTypeStyle></sld:UserStyle></UserLayer>
</StyledLayerDescriptor>"""


def rules_sld():
    """As QGIS saves a layer styled by categories."""
    rule = """<se:Rule><se:Name>{2}</se:Name><se:Description><se:Title>{2}</se:Title></se:Description><ogc:Filter>
<ogc:PropertyIsEqualTo><ogc:PropertyName>class</ogc:PropertyName><ogc:Literal>{1}</ogc:Literal></ogc:PropertyIsEqualTo>
</ogc:Filter><se:PolygonSymbolizer><se:Fill><se:SvgParameter name="fill">{3}</se:SvgParameter></se:Fill><se:Stroke>
<se:SvgParameter name="stroke">#232323</se:SvgParameter></se:Stroke></se:PolygonSymbolizer></se:Rule>"""
    return f"""<StyledLayerDescriptor xmlns="http://www.opengis.net/sld" xmlns:se="http://www.opengis.net/se"
xmlns:ogc="http://www.opengis.net/ogc" version="1.1.0"><NamedLayer><UserStyle><se:FeatureTypeStyle>{each(rule)}
</se:FeatureTypeStyle></UserStyle></NamedLayer></StyledLayerDescriptor>"""


def rows(head, form, separator=","):
    return "\n".join([head, *(separator.join(form(*row)) for row in TABLE)])


def quoted(name):
    return f'"{name}"'


FILES = {
    "raster.qml": raster_qml(),
    "vector.qml": vector_qml(),
    "old.qml": vector_qml(new=False),
    "values.sld": values_sld(),
    "rules.sld": rules_sld(),
    "hex.csv": rows("id,name,colour", lambda i, n, c: (str(i), quoted(n), "#{:02x}{:02x}{:02x}".format(*c))),
    "rgb.csv": "\ufeff" + rows("Value;Class_name;Red;Green;Blue", lambda i, n, c: (str(i), n, *map(str, c)), ";"),
    "german.csv": rows("Klasse\tBezeichnung\tFarbe", lambda i, n, c: (str(i), n, ",".join(map(str, c))), "\t"),
    "order.csv": rows("Color,Class,Code", lambda i, n, c: ("#{:02X}{:02X}{:02X}".format(*c), quoted(n), str(i))),
    "plain.csv": rows("", lambda i, n, c: (str(i), quoted(n), "#{:02x}{:02x}{:02x}".format(*c))).strip(),
}


@pytest.mark.parametrize("name", FILES)
def test_the_classes_of_a_file_are_read(name, tmp_path):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    file = open_classes(tmp_path / name)
    assert file.numbered and [(one.id, one.name, one.colour) for one in file.entries] == list(TABLE)


def class_table():
    return ClassTable(*(tuple(column) for column in zip(*TABLE, strict=True)))


@pytest.mark.parametrize("side_file", [True, False])
def test_the_classes_of_an_earlier_map_are_read_with_and_without_its_side_file(side_file, tmp_path):
    write_class_map(tmp_path / "map.tif", np.array([[3, 7]]), class_table(), georeference=None, nodata_mask=None)
    if not side_file:
        (tmp_path / "map.tif.aux.xml").unlink()
    for path in (tmp_path / "map.tif", tmp_path / "map.qml"):
        assert [(one.id, one.name, one.colour) for one in open_classes(path).entries] == list(TABLE)


def test_the_classes_of_a_model_are_read_without_its_weights(tmp_path):
    ids, names, colours = zip(*TABLE, strict=True)
    facts = {"hsi": json.dumps({"classes": {"ids": ids, "names": names, "colours": colours}})}
    save_file({"x": np.zeros(1)}, tmp_path / "model.safetensors", metadata=facts)
    assert [(one.id, one.name, one.colour) for one in open_classes(tmp_path / "model.safetensors").entries] == [*TABLE]
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(SceneFileError, match="no complete model"):
        open_classes(tmp_path / "model.safetensors")


REFUSED = {
    "ramp.sld": (values_sld().replace('"values"', '"ramp"'), "ramp of colours"),
    "none.qml": ("<!DOCTYPE qgis PUBLIC 'a' 'b'><qgis/>", "holds no classes"),
    "other.xml": ("<kml/>", "no style of QGIS and no SLD"),
    "entity.qml": ("<!DOCTYPE qgis [<!ENTITY a 'b'>]><qgis>&a;</qgis>", "DOCTYPE"),
    "second.qml": ("<!DOCTYPE qgis PUBLIC 'a' 'b'><!DOCTYPE qgis [<!ENTITY a 'b'>]><qgis/>", "DOCTYPE"),
    "broken.qml": ("<qgis><a></qgis>", "cannot be read as a style"),
    "twice.csv": ("id,name\n1,a\n1,b\n", "class 1 is there twice, as 'a' and 'b'"),
    "large.csv": ("id,name\n70000,a\n", "from 0 to 65534, found 70000"),
    "colour.csv": ("id,colour\n1,bluish\n", "'bluish' is no colour"),
    "columns.csv": ("foo,bar\nx,y\n", "no column of ids or names"),
    "broken.csv": ('"fo\no",bar\nx,y\n', "its first line has fo o, bar"),
    "empty.csv": ("id,name\n", "holds no classes"),
    "lines.csv": ("id,name,colour\n1,a\n", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_classes_is_refused_in_one_line(name, tmp_path):
    content, words = REFUSED[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    if words is None:
        assert open_classes(tmp_path / name).entries == (ClassEntry(1, "a", None, "1"),)
        return
    with pytest.raises((LabelError, SceneFileError), match=words) as caught:
        open_classes(tmp_path / name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def write(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return open_classes(tmp_path / name)


def test_labels_have_the_names_and_colours_of_the_file(tmp_path):
    named = ClassTable((3, 7, 9), ("x", "Wald & <Forst>", "z"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    labels = label_map(np.array([[3, 7, 9, 0]]), table=named)
    applied = apply_class_file(labels, write(tmp_path, "a.qml", raster_qml()))
    assert applied.table == ClassTable((3, 7, 9), ("Wasser", "Wald & <Forst>", "z"), (BLUE, GREEN, (7, 8, 9)))
    assert applied.notes == (f"{tmp_path / 'a.qml'}: lacks 9 'z' of the labels' classes, which are added",)


def test_a_file_of_other_numbers_is_refused_and_of_swapped_numbers_warned_of(tmp_path):
    file = write(tmp_path, "a.csv", "id,name\n1,Wald\n2,Wasser\n")
    with pytest.raises(LabelError, match="none of the classes of the labels, 5 class 5; it has 1 Wald, 2 Wasser"):
        apply_class_file(label_map(np.array([[5]])), file)
    swapped = label_map(np.array([[1, 2]]), table=ClassTable((1, 2), ("Wasser", "Wald"), ((1, 1, 1), (2, 2, 2))))
    applied = apply_class_file(swapped, file)
    assert applied.table.names == ("Wald", "Wasser")
    words = "gives other names to classes, and counts: 1 is 'Wasser' in the labels, 2 is 'Wald' in the labels"
    assert applied.notes == (f"{file.path}: {words}",)


def test_a_file_without_colours_gives_those_of_the_names(tmp_path):
    applied = apply_class_file(label_map(np.array([[1, 2]])), write(tmp_path, "a.csv", "id,name\n1,Wald\n2,Wasser\n"))
    red, green, blue = np.array(applied.table.colours).T
    assert applied.table.names == ("Wald", "Wasser") and green[0] > max(red[0], blue[0]) and blue[1] > green[1]


def test_a_file_without_ids_names_by_name(tmp_path):
    file = write(tmp_path, "a.csv", "name,colour\nwasser,#1f6fb4\nWald,#0b5d2a\n")
    table = ClassTable((4, 9), ("Wald", "Wasser"), ((1, 1, 1), (2, 2, 2)))
    applied = apply_class_file(label_map(np.array([[4, 9]]), table=table), file)
    assert not file.numbered and applied.table == ClassTable((4, 9), ("Wald", "wasser"), (GREEN, BLUE))


def test_arrays_have_the_classes_of_a_file_too(tmp_path):
    write(tmp_path, "a.csv", rows("id,name", lambda i, n, c: (str(i), quoted(n))))
    options = InputSettings(classes=tmp_path / "a.csv")
    labels = open_any_labels(np.array([[3, 7], [0, 20]]), scene_from_array(np.ones((2, 2, 3), np.float32)), options)
    assert labels.table.names == ("Wasser", "Wald & <Forst>", "Dach")


def test_names_of_vector_labels_take_the_ids_of_the_file(tmp_path):
    makers = pytest.importorskip("tests.io.vector_makers")
    shapes = [makers.rectangle(0, 0, 2, 2), makers.rectangle(4, 0, 6, 2), makers.rectangle(8, 0, 10, 2)]
    names = ["dach", "Wald & <Forst>", "Moor"]
    path = makers.vector(tmp_path / "a.gpkg", shapes, name=names)
    write(tmp_path, "a.qml", raster_qml())
    labels = makers.drawn(path, classes=tmp_path / "a.qml", field="name")
    assert labels.table.ids == (1, 7, 20) and labels.table.names == ("Moor", "Wald & <Forst>", "Dach")
    assert labels.table.colours[1:] == (GREEN, RED) and makers.noted(labels, "lacks 1 'Moor' of the labels' classes")
    assert labels.values[0, 0] == 20 and labels.values[4, 0] == 7 and labels.values[8, 0] == 1
    # categories of texts: the value is what the field holds, the label is what the class is called
    write(tmp_path, "b.qml", vector_qml(("dach", ESCAPED[1], "Moor")))
    labels = makers.drawn(path, classes=tmp_path / "b.qml", field="name")
    assert labels.table.names == ("Wasser", "Wald & <Forst>", "Dach") and labels.values[0, 0] == 1


def test_a_class_with_the_id_0_is_a_class_of_vector_labels(tmp_path):
    makers = pytest.importorskip("tests.io.vector_makers")
    path = makers.vector(tmp_path / "a.gpkg", [makers.rectangle(0, 0, 2, 2)], name=["Wasser"])
    write(tmp_path, "a.csv", "id,name\n0,Wasser\n1,Wald\n")
    labels = makers.drawn(path, classes=tmp_path / "a.csv", field="name")
    assert labels.counts == {0: 4} and labels.background == -1


def test_a_run_has_the_classes_of_the_file_throughout(tmp_path, run, no_figures):
    cube, labels, _ = make_scene(24, 24, bands=16, classes=3, field=8)
    np.save(tmp_path / "scene.npy", cube)
    np.save(tmp_path / "scene_gt.npy", np.array([0, 3, 7, 20], np.uint8)[labels])
    (tmp_path / "c.qml").write_text(raster_qml(), encoding="utf-8")
    options = ("--model", "sam", "--out", "run", "--classes", "c.qml")
    done = run("classify", "scene.npy", *options)
    assert done.code == 0, done.stderr
    again = open_classes(tmp_path / "run" / "map.tif")
    assert [(one.id, one.name, one.colour) for one in again.entries] == list(TABLE)
    report = json.loads((tmp_path / "run" / "accuracy.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in report["classes"]] == ["Wasser", "Wald & <Forst>", "Dach"]
    for command in (("inspect", "scene.npy"), ("evaluate", "run/map.tif", "--labels", "scene_gt.npy")):
        assert "Wasser" in (done := run(*command, "--classes", "run/map.tif")).stdout, done.stderr
    done = run("inspect", "scene.npy", "--classes", "absent.qml")
    assert done.code == 1 and done.complaints == ["error: absent.qml: no such file; nothing in . has a name like it"]


def test_a_map_of_any_declared_size_gives_its_classes_without_its_pixels(tmp_path):
    size = {"width": 20_000, "height": 20_000, "count": 1, "dtype": "uint8", "compress": "deflate", "tiled": True}
    with gdal_env(), rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", sparse_ok=True, **size) as raster:
        raster.write_colormap(1, {3: (*BLUE, 255)})
        raster.update_tags(CLASS_NAMES='{"3": "Wasser"}')
    before = resident_memory()
    assert open_classes(tmp_path / "a.tif").entries == (ClassEntry(3, "Wasser", BLUE, "3"),)
    assert resident_memory() - before < 100 * 2**20


def test_black_in_a_palette_is_no_colour_of_several_classes(tmp_path):
    write_class_map(
        tmp_path / "map.tif", np.array([[3, 7]]), replace(class_table(), colours=((0, 0, 0),) * 3),
        georeference=None, nodata_mask=None,
    )  # fmt: skip
    labels = open_labels(tmp_path / "map.tif", scene_from_array(np.ones((1, 2, 3), np.float32)))
    assert len({*labels.table.colours, (0, 0, 0)}) == 3
