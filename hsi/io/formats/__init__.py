"""One file a format; it registers itself in READERS."""
