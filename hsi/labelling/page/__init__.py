"""The page of ``hsi label``, made of Bokeh's widgets and tools."""

from hsi.labelling.page.page import Page

__all__ = ["Page"]
