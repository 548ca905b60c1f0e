"""STAC Items of maps and of models, to publish them in a catalog; :mod:`hsi.io.stac` reads those of scenes."""
