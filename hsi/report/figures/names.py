"""What the figures are called; light to import, for help and completion."""

RUN_FIGURES = {
    "map": "the class map with a legend",
    "false_colour": "three bands of the scene",
    "ground_truth": "the labels",
    "truth_and_map": "the labels beside the map",
    "difference": "test pixels that are right and wrong",
    "split": "pixels that train, validate and test",
    "confidence": "the largest class probability",
    "spectra": "mean spectra of the classes' training pixels",
    "confusion_matrix": "test pixels by class and mapped class",
    "reliability": "accuracy against confidence",
    "training_curves": "loss, accuracy and learning rate",
}
COMPARISON_FIGURES = {
    "comparison": "overall accuracy of every run",
    "pareto": "accuracy against what networks cost",
}
