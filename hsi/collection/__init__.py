"""Several scenes, each with its labels, for one training."""
