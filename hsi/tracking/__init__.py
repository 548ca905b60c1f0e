"""Trainings that are followed in another program: its store of runs, settings and metrics."""
