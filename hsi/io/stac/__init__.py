"""STAC Items as scenes: the document of an Item and its assets, and what it says of their bands and masks."""
