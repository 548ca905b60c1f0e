"""Vector labels outside GDAL's formats: archives, tables of coordinates and ENVI's regions of interest."""
