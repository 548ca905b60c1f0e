"""Several scenes and their labels on a command line."""

import pytest

from pipelines.cli_support.several import repeat_labels


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a b --labels x y --out m", "a b --labels x --labels y --out m"),
        ("--out m a b --labels x y", "--out m a b --labels x --labels y"),
        ("a b --labels=x y -q", "a b --labels=x --labels y -q"),
        ("a --labels x --out m", "a --labels x --out m"),
        ("a b --labels x --labels y z", "a b --labels x --labels y z"),
        ("a b", "a b"),
        ("a --labels", "a --labels"),
    ],
)
def test_values_after_labels_become_options(given, expected):
    assert " ".join(repeat_labels(given.split())) == expected


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a.hdr", "b.hdr", "c.hdr", "--labels", "a.tif", "b.tif"), "3 scenes and 2 labels are given"),
        (("a.hdr", "b.hdr", "--labels", "a.tif", "--labels", "b.tif", "--labels", "c.tif"), "2 scenes and 3 labels"),
        (("--labels", "a.tif", "no.hdr"), "no.hdr"),  # as ever: one scene with its labels before it
        (("a.yaml", "--labels", "a.tif"), "a.yaml: lists scenes and their labels: give it alone"),
    ],
)
def test_numbers_that_differ_are_refused(run, words, complaint):
    done = run("train", *words, "--out", "m.safetensors")
    assert done.code in (1, 2) and complaint in " ".join(done.complaints)
