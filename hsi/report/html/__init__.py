"""``report.html``: a run as one file that any browser opens, with nothing installed and nothing fetched."""

from hsi.io.geotiff import raster_colours
from hsi.report.html.page import Facts, Report, Tables, ordinal, render_report, write_report_page
from hsi.report.html.spectra import (
    ClassSpectra,
    Spectra,
    class_spectra_of_kept,
    classes_as_told,
    keep_spectra,
    spectra_step,
)
from hsi.report.html.subsample import follow, read_thinned, thin_scene, view_step
from hsi.report.html.view import MapView

__all__ = [
    "ClassSpectra",
    "Facts",
    "MapView",
    "Report",
    "Spectra",
    "Tables",
    "class_spectra_of_kept",
    "classes_as_told",
    "follow",
    "keep_spectra",
    "ordinal",
    "raster_colours",
    "read_thinned",
    "render_report",
    "spectra_step",
    "thin_scene",
    "view_step",
    "write_report_page",
]
