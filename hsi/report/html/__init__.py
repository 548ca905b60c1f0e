"""``report.html``: a run as one file that any browser opens, with nothing installed and nothing fetched."""

from hsi.io.geotiff import raster_colours
from hsi.report.html.map_view import MapView
from hsi.report.html.page import Provenance, Report, Tables, ordinal, render_report, write_report_page
from hsi.report.html.spectra import (
    ClassSpectra,
    Spectra,
    classes_as_told,
    sample_spectra,
    sampled_class_spectra,
    spectra_step,
)
from hsi.report.html.subsample import follow, read_subsampled, subsample_scene, view_step

__all__ = [
    "ClassSpectra",
    "MapView",
    "Provenance",
    "Report",
    "Spectra",
    "Tables",
    "classes_as_told",
    "follow",
    "ordinal",
    "raster_colours",
    "read_subsampled",
    "render_report",
    "sample_spectra",
    "sampled_class_spectra",
    "spectra_step",
    "subsample_scene",
    "view_step",
    "write_report_page",
]
