"""The contract of every split rule, and requests that are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hsi.core.labels import LabelMap, ScenePlace, label_map
from hsi.core.scene import Block
from hsi.errors import ConfigError, SplitError, UnknownNameError, UsageError
from hsi.settings import Settings, load_settings
from hsi.splits import SPLITS, SampleSize, Split, expand_folds, make_split, parse_sample_size, split_request
from hsi.splits.make import OPTIONS
from tests.splits.label_maps import fields, strip


def split_by(rule: str, labels: LabelMap, seed: int, **more: object) -> Split:
    """A split by any rule, with the parameters that it requires."""
    needs: dict[str, object] = {}
    if "given" in SPLITS[rule].uses:
        needs["given"] = make_split(labels, train=parse_sample_size("30%"), seed=seed).codes()
    if "fold" in SPLITS[rule].uses:
        needs |= {"fold": 2}
    if "folds" in SPLITS[rule].uses:
        needs |= {"folds": 3}
    if rule.endswith("scenes"):
        height, width = labels.values.shape
        halves = (Block(row, 0, height // 2, width) for row in (0, height // 2))
        labels = replace(labels, scenes=tuple(ScenePlace(str(block.row), block) for block in halves))
    return make_split(labels, rule=rule, seed=seed, window=3, **{**needs, **more})


@pytest.mark.parametrize("rule", list(SPLITS))
class TestEveryRule:
    labels = fields(36, 45, 9, 3)

    def test_same_request_same_split_in_any_memory_order(self, rule):
        turned = label_map(np.asfortranarray(self.labels.values))
        hashes = {split_by(rule, labels, 3).hash for labels in (self.labels, self.labels, turned)}
        assert len(hashes) == 1

    def test_masks_are_bool_disjoint_labelled_and_read_only(self, rule):
        split = split_by(rule, self.labels, 3)
        parts = (split.train, split.validation, split.test)
        for mask in parts:
            assert (mask.dtype, mask.shape) == (bool, self.labels.values.shape)
            assert not np.any(mask & ~self.labels.labelled)
        assert np.sum(parts, axis=0).max() == 1
        assert split.codes().max() == (1 if rule == "all" else 3)
        assert set(split.counts(self.labels)) == set(self.labels.table.ids)
        with pytest.raises(ValueError, match="read-only"):
            split.train[0, 0] = True
        with pytest.raises(AttributeError):
            split.seed = 4

    def test_every_class_is_trained_and_tested(self, rule):
        split = split_by(rule, self.labels, 3)
        assert split.rule.startswith(rule)
        for part in split.counts(self.labels).values():
            assert part.train >= 5
            assert part.test >= 5 or rule == "all"

    def test_validation_is_taken_from_what_would_train(self, rule):
        plain, split = (split_by(rule, self.labels, 3, **m) for m in ({}, {"validation": parse_sample_size("5%")}))
        for class_id, part in split.counts(self.labels).items():
            wanted = SampleSize(percent=5).of(self.labels.counts[class_id])
            assert part.validation >= wanted if rule == "given" else part.validation == wanted
        if rule == "random":  # of which the training pixels do not depend on validation
            np.testing.assert_array_equal(split.train, plain.train)
        else:
            np.testing.assert_array_equal(split.train | split.validation, plain.train)
            np.testing.assert_array_equal(split.test, plain.test)

    def test_fields_that_it_does_not_use_are_refused(self, rule):
        values = {"train": parse_sample_size("5"), "validation": parse_sample_size("5"), "given": np.ones((36, 45))}
        values |= {"block": 9, "buffer": 2, "minimum": 3, "folds": 3, "fold": 1, "scenes": "a"}
        assert set(values) == set(OPTIONS)
        for field in set(values) - SPLITS[rule].uses:
            with pytest.raises(UsageError, match=f"'{rule}' has no use for {OPTIONS[field]}: leave"):
                split_by(rule, self.labels, 3, **{field: values[field]})

    def test_its_record_is_json_and_counts_every_labelled_pixel(self, rule):
        split = split_by(rule, self.labels, 3)
        record = split.to_dict(self.labels)
        assert json.loads(json.dumps(record)) == record
        assert (record["hash"], record["rule"]) == (split.hash, split.rule)
        for entry in record["classes"]:
            parts = sum(entry[part] for part in ("train", "validation", "test", "unused"))
            assert parts == self.labels.counts[entry["id"]]


@pytest.mark.parametrize(
    ("rule", "digest"),
    [
        ("blocks", "34b89f80cb0b9da46f9ed4c8de543af4b78a66c49556d1916cd30f4ac274cfa8"),
        ("polygons", "9e670e95fe7f239b90c97e45c7cc2fc78c9be7d5723cc166812aaea943a09e3a"),
        ("kfold-random", "566eab488db0a7cc4e897fe764d176bd8491f9c37d1be22556a202792ee59952"),
        ("kfold-blocks", "7293dede39a9f5666dca75b0047cac84ce47f36618ce673d6861a00c5f72cce0"),
        ("kfold-polygons", "7a959d5722aa2ecb48f7e6809318e5cfee66a801788e0d526459cb8595b78963"),
    ],
)
def test_these_splits_stay_the_same_on_every_machine(rule, digest):
    split = split_by(rule, fields(36, 45, 9, 3), 7, train=parse_sample_size("10%"), validation=parse_sample_size("5%"))
    assert split.hash == digest


class TestRefusals:
    labels = strip(20, 20)

    @pytest.mark.parametrize(
        ("labels", "there"), [(strip(20), "only 'class 1'"), (labels.masked(np.zeros((1, 42), bool)), "none")]
    )
    def test_fewer_than_two_classes(self, labels, there):
        with pytest.raises(SplitError, match=f"2 or more classes are needed, found {there}"):
            make_split(labels, seed=0)

    def test_an_unknown_rule(self):
        with pytest.raises(UnknownNameError, match="did you mean random"):
            make_split(self.labels, rule="randon", seed=0)

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({"seed": -1}, "seed"),
            ({"given": np.ones((1, 42))}, "'random' has no use for --split given:FILE: .*it is for given"),
            ({"train": SampleSize(60), "validation": SampleSize(40)}, "leave no pixel for the test"),
            ({"validation": SampleSize(90)}, "training 10% and validation 90% leave no pixel"),
            ({"rule": "given"}, "needs its pixels"),
            ({"window": 4}, "odd number of pixels, found 4"),
            ({"rule": "blocks", "window": 5, "block": 0}, "split.block is 1 or more, found 0"),
            ({"rule": "blocks"}, "give the window or a buffer"),
            ({"rule": "blocks", "window": 25, "buffer": 11}, "lets windows of 25 pixels overlap: give 12 or more"),
            ({"rule": "blocks", "window": 5, "train": SampleSize(count=5), "minimum": 6}, "more than the 5 training"),
            ({"rule": "kfold-random"}, "name it with --fold 1 to 5"),
            ({"rule": "kfold-blocks", "window": 3, "folds": 3, "fold": 4}, "--fold 4 is not one of the 3 folds"),
            ({"rule": "kfold-polygons", "folds": 1, "fold": 1}, "2 or more are needed"),
        ],
    )
    def test_invalid_requests(self, request_, message):
        with pytest.raises(UsageError, match=message):
            make_split(self.labels, **{"seed": 0, **request_})


class TestSettings:
    def test_the_request_of_settings(self):
        overrides = {"split.rule": "blocks", "split.train": 50, "split.buffer": 9, "model.window": 11, "seed": 4}
        request = split_request(load_settings(None, overrides))
        assert (request.seed, request.window, request.buffer) == (4, 11, 9)
        assert request.train == SampleSize(count=50)
        assert (request.validation, request.minimum, request.fold) == (None, None, None)

    def test_every_fold_of_an_open_k_fold_split_becomes_a_run(self):
        runs = expand_folds(load_settings(None, {"split.rule": "kfold-blocks", "split.folds": 3}))
        assert [run.split.fold for run in runs] == [1, 2, 3]
        assert expand_folds(runs[1]) == [runs[1]]
        assert expand_folds(Settings()) == [Settings()]

    def test_files_may_follow_the_rule(self):
        short, long = (load_settings(None, values) for values in (
            {"split.rule": "given:a.tif,b.tif"}, {"split.rule": "given", "split.given": "a.tif,b.tif"}))  # fmt: skip
        assert short == long
        assert short.split.given == "a.tif,b.tif"

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ({"split.rule": "given"}, "needs its pixels: given:split.tif"),
            ({"split.rule": "given:"}, "needs its pixels"),
            ({"split.given": "a.tif"}, "'random' has no use for the file a.tif"),
            ({"split.folds": 1}, "split.folds"),
        ],
    )
    def test_invalid_settings(self, overrides, message):
        with pytest.raises(ConfigError, match=message):
            load_settings(None, overrides)
