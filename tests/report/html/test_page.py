"""The page: what it shows of a report, and what it does not run or fetch."""

import base64
import json
import re
import zlib

import numpy as np

from hsi.accuracy.metrics import confusion_matrix, measure_accuracy
from hsi.core.labels import ClassTable
from hsi.report.html import MapView, Provenance, Report, ordinal, render_report
from hsi.report.html.page import confusion_rows

NASTY = "<script>alert(1)</script>"


def decoded(field):
    """The numbers of an encoded array, in one axis."""
    return np.frombuffer(zlib.decompress(base64.b64decode(field["data"])), f"<{np.dtype(field['dtype']).str[1:]}")


def a_view(**more):
    table = ClassTable((3, 9), ("corn", NASTY), ((200, 30, 40), (10, 20, 250)))
    ids = np.array([[3, 9, 0], [9, 9, 3]])
    return MapView(height=2, width=3, step=1, table=table, ids=ids, pixels={3: 2, 9: 3}, **more)


def a_page(**more):
    provenance = Provenance(
        f"hsi classify {NASTY}", {"Data": {"scene": f"{NASTY}.mat"}}, {"read": 1.0}, {f"{NASTY}.mat": "00"}
    )
    given = {
        "view": a_view(),
        "files": (f"{NASTY} #1.tif",),
        "areas": ({"id": 9, "name": NASTY, "pixels": 3, "hectares": None},),
    }
    report = Report(title=NASTY, kind="Classification", lead=NASTY, provenance=provenance, **(given | more))
    return render_report(report)


def test_names_from_files_are_text_wherever_they_stand():
    page = a_page()
    assert "<script>alert" not in page
    assert page.count("</script>") == 2  # of the data and of the page's own
    assert json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["classes"][1]["name"] == NASTY
    assert 'href="%3Cscript%3Ealert%281%29%3C/script%3E%20%231.tif"' in page


def test_nothing_is_fetched_and_no_other_script_runs():
    page = a_page()
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;") and "script-src 'sha256-" in policy
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:|%3Cscript)""", page)


def test_what_is_missing_is_left_out():
    page = a_page(view=None, areas=(), files=())
    assert all(f'id="{name}"' not in page for name in ("map", "data", "accuracy", "areas", "training", "spectrum"))


def test_accuracy_without_a_test_pixel_is_no_number():
    none = np.array([], int)
    page = a_page(accuracy=measure_accuracy(confusion_matrix(none, none, 2), a_view().table, [4, 0]))
    assert re.search(r"<span>Overall accuracy</span><b>–</b><em>95 % interval –</em>", page)
    assert page.count('<td class="r" data-value="-1">–<') == 8


def test_rows_of_the_confusion_matrix_count_what_is_unclassified():
    entry = {"id": 1, "name": "corn", "unclassified": 2}
    (row,) = confusion_rows({"classes": [entry], "confusion_matrix": [[6]]})
    assert (row["total"], row["cells"][0], row["missed"]["share"]) == (8, {"count": 6, "share": 0.75}, 0.25)


def test_counting():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 22, 103, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "22nd", "103rd", "111th",
    ]  # fmt: skip
