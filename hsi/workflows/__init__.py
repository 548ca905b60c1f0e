"""The flow from a scene and labels to a finished run, which the commands and the Python interface share."""
