"""Labelling a scene in a loop of strokes, a map within seconds, and the next place worth labelling."""
