"""ENVI's regions of interest as XML and as text."""

import numpy as np
import pytest

from hsi import open_labels
from hsi.core.scene import scene_from_array
from hsi.errors import HsiError, SceneFileError
from tests.io.file_makers import small_cube
from tests.io.helpers import refuse_labels, utm_scene
from tests.io.vector_makers import drawn, ground, noted, rectangle

FLAT = scene_from_array(small_cube())
HEADER = """; ENVI Output of ROIs (4.7) [Wed Jun 10 10:12:06 2009]
; Number of ROIs: 2
; File Dimension: 7 x 11
;
; ROI name: oats
; ROI rgb value: {255, 0, 0}
; ROI npts: 2
;
; ROI name: winter wheat
; ROI rgb value: {0, 139, 0}
; ROI npts: 1
"""
TEXT = f"""{HEADER};   ID    X    Y        Map X      Map Y     Lat       Lon  B1  B2
     1    1    1  500015.00 3999985.0   36.14   15.00  17  18
     2    7   11  500195.00 3999685.0   36.14   15.00  17  18

     1    3    4  500075.00 3999895.0   36.14   15.00  17  18
"""


def roi_xml(crs, square, points):
    """Two regions: one polygon and two points."""

    def listed(places):
        return " ".join(f"{x} {y}" for x, y in places)

    return f"""<?xml version="1.0" encoding="UTF-8"?>
<RegionsOfInterest version="1.1">
  <Region name="oats" color="255,0,0"><GeometryDef><CoordSysStr>{crs}</CoordSysStr><Polygon>
    <Exterior><LinearRing><Coordinates>{listed(square)}</Coordinates></LinearRing></Exterior>
  </Polygon></GeometryDef></Region>
  <Region name="beet" color="0,9,0"><GeometryDef><CoordSysStr>{crs}</CoordSysStr><Point>
    <Coordinates>{listed(points)}</Coordinates></Point></GeometryDef></Region>
</RegionsOfInterest>"""


@pytest.fixture
def xml(tmp_path):
    path = tmp_path / "roi.xml"
    square, points = rectangle(1.3, 1.3, 4.7, 3.7).exterior.coords, [ground(6.5, 5.5), ground(6.5, 6.5)]
    path.write_text(roi_xml(utm_scene().georeference.crs, square, points))
    return path


def check(labels):
    assert (labels.table.names, labels.table.colours) == (("beet", "oats"), ((0, 9, 0), (255, 0, 0)))
    assert labels.counts == {1: 2, 2: 12}
    assert labels.values[6, 5] == labels.values[6, 6] == 1 and np.all(labels.values[1:5, 1:4] == 2)
    assert len(np.unique(labels.polygons)) == 4  # a polygon, two points, none


def test_polygons_and_points_of_xml_with_their_colours(xml):
    check(drawn(xml))


def test_pixel_coordinates_of_a_scene_without_a_place(xml):
    square = [(1.3, 1.3), (3.7, 1.3), (3.7, 4.7), (1.3, 4.7)]
    xml.write_text(roi_xml("none", square, [(5.5, 6.5), (6.5, 6.5)]))
    check(open_labels(xml, FLAT))
    check(drawn(xml))


def test_xml_that_is_damaged_or_has_no_shapes(xml):
    whole = xml.read_text()
    xml.write_text(whole.replace("Polygon>", "PixelROI>").replace("Point>", "PixelROI>"))
    refuse_labels(xml, utm_scene(), "no polygons or points (oats, beet)", "save them in ENVI as polygons")
    xml.write_text(whole.replace("Polygon>", "PixelROI>"))
    assert noted(drawn(xml), "are left out: oats")
    xml.write_text(whole[:-30])
    refuse_labels(xml, utm_scene(), "cannot be read as ENVI regions as XML", error=SceneFileError)
    xml.write_text(whole.replace("<RegionsOf", '<!DOCTYPE a [<!ENTITY b "c">]><RegionsOf', 1))
    refuse_labels(xml, utm_scene(), "DOCTYPE", error=SceneFileError)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("scene", [FLAT, utm_scene()], ids=["flat", "placed"])
def test_the_pixels_of_text(scene, end, tmp_path):
    path = tmp_path / "roi.txt"
    path.write_bytes(TEXT.replace("\n", end).encode())
    labels = open_labels(path, scene)
    expected = np.zeros((11, 7))
    expected[0, 0] = expected[10, 6] = 1
    expected[3, 2] = 2
    np.testing.assert_array_equal(labels.values, expected)
    assert (labels.table.names, labels.table.colours) == (("oats", "winter wheat"), ((255, 0, 0), (0, 139, 0)))
    assert not labels.notes


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("7 x 11", "70 x 110", ["made on an image of 110 x 70 pixels, the scene has 11 x 7"]),
        ("npts: 2", "npts: 3", ["declares 4 pixels of 9 columns, found 3 rows"]),
        ("    7   11", "    8   11", ["pixel 8, 11 (from 1) is not in the scene"]),
        ("ID    X    Y        Map X      Map Y ", "a  b  c  d  e", ["no columns X and Y"]),
    ],
)
def test_text_that_does_not_fit(old, new, words, tmp_path):
    path = tmp_path / "roi.txt"
    path.write_text(TEXT.replace(old, new))
    refuse_labels(path, FLAT, *words, error=HsiError)
