"""From a saved model and a scene to a map."""
