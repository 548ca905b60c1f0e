"""``report.html``: a run as one file that any browser opens, without installation and without a network."""

from hsi.io.geotiff import raster_colours
from hsi.report.html.map_view import MapView
from hsi.report.html.page import PageSection, Provenance, Report, ordinal, render_report, write_report_page
from hsi.report.html.spectra import Spectra, sample_spectra, sampled_class_spectra, spectra_step
from hsi.report.html.subsample import read_subsampled, subsample_scene, track_reads, view_step

__all__ = [
    "MapView",
    "PageSection",
    "Provenance",
    "Report",
    "Spectra",
    "ordinal",
    "raster_colours",
    "read_subsampled",
    "render_report",
    "sample_spectra",
    "sampled_class_spectra",
    "spectra_step",
    "subsample_scene",
    "track_reads",
    "view_step",
    "write_report_page",
]
