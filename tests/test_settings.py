"""Settings: safe YAML in, one clear line out when something does not fit."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hsi.errors import ConfigError, UsageError
from hsi.settings import InputSettings, Settings, declarations, load_settings, parse_assignment


def write(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_sets_values_and_options_win_over_it(tmp_path):
    path = write(tmp_path, "seed: 4\nsplit: {train: 50}\nmodel: {name: hybridsn-se, window: 15}\n")
    settings = load_settings(path, {"model.window": 17, "training.lr": 0.01})
    assert (settings.seed, settings.split.train, settings.model.name) == (4, "50", "hybridsn-se")
    assert (settings.model.window, settings.training.lr) == (17, 0.01)


def test_an_empty_file_means_the_defaults(tmp_path):
    assert load_settings(write(tmp_path, "# nothing yet\n")) == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {epoch: 3}", "unknown setting 'training.epoch': did you mean epochs"),
        ("modle: {}", "unknown setting 'modle': did you mean model"),
        ("training: {lr_schedule: one_cycle}", "training.lr_schedule.*did you mean one-cycle"),
        ("model: {window: 24}", "model.window: the window is 24; it must be odd"),
        ("seed: -1", "seed: .*greater than or equal to 0.*found -1"),
        ("training: {lr: .nan}", "training.lr: .*finite"),
        ("training: {lr_schedule: plateau}", "give --val"),
        ("mapping: {calibrate: true}", "--calibrate fits on validation pixels: give --val"),
        ("- 1\n- 2", "expected settings such as 'seed: 0', found a list"),
        ("seed: [", "is not YAML"),
        ("seed: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("split: 3", "split: .*found 3"),
        ("split: {train: true}", "split.train"),
        ("training: {epochs: 3, steps: 40}", "epochs and steps both say how long a training is"),
        ('"\\ud800": 1', "unable to parse raw data as a unicode string"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line_with_the_file(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inside", ["seed", "model", "split: {given", "model: {name"])
def test_aliases_that_grow_without_end_are_refused_at_once(inside, tmp_path):
    """Nine lines stand for 9^8 words."""
    lines = [f"{inside}: &a [x, x]{'}' * inside.count('{')}"]
    for below, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}{name}: &{name} {{{', '.join(f'k{i}: *{below}' for i in range(9))}}}")
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, "\n".join(lines)))
    assert time.monotonic() - started < 2 and len(str(caught.value)) < 1000


def test_missing_and_oversized_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_settings(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="larger than"):
        load_settings(write(tmp_path, "#" * (1 << 20) + "\n"))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)


def test_an_option_below_something_that_is_no_section_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="model is a section"):
        load_settings(write(tmp_path, "model: hybridsn"), {"model.window": 15})


@pytest.mark.parametrize("key", ["command", "overall_accuracy"])
def test_a_record_as_configuration_names_the_command_that_repeats_it(key, tmp_path):
    path = write(tmp_path, f'{{"{key}": [1], "settings": {{}}}}')
    with pytest.raises(ConfigError, match=f"is a record .* not a configuration: 'hsi rerun {tmp_path}'") as caught:
        load_settings(path)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=80))
@hypothesis_settings(max_examples=150, deadline=None)
def test_any_text_gives_settings_or_a_config_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("config") / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ConfigError):
        assert isinstance(load_settings(path), Settings)


def test_every_setting_has_help_and_a_name_of_its_own():
    entries = [*declarations(), *declarations(InputSettings)]
    options = [entry.extra("option") for entry in entries if entry.extra("option")]
    assert len(set(options)) == len(options)
    assert all(entry.help.endswith(".") for entry in entries)
    assert all(entry.extra("why") for entry in declarations() if entry.field.default is None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.clip=0.5", ("training.clip", 0.5)),
        ("training.clip=null", ("training.clip", None)),
        ("split.train=50", ("split.train", "50")),
        ("split.rule=given:a.tif,b.tif", ("split.rule", "given:a.tif,b.tif")),
        ("mapping.blend=false", ("mapping.blend", False)),
        ("run.checkpoint_seconds=0", ("run.checkpoint_seconds", 0)),
    ],
)
def test_an_assignment_is_a_name_and_a_value(text, expected):
    assert parse_assignment(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training.clp=1", "unknown setting 'training.clp': did you mean training.clip"),
        ("training.clip", "give a value: training.clip=VALUE"),
        ("training.clip=[", "is not YAML"),
    ],
)
def test_what_is_no_assignment_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        parse_assignment(text)


def test_settings_of_labels_in_files_are_refused_for_others(tmp_path):
    with pytest.raises(UsageError, match="leave label_field out, for vector files only"):
        InputSettings(label_field="crop").check_raster(tmp_path)
    with pytest.raises(UsageError, match="leave label_variable and align out"):
        InputSettings(label_variable="gt", align=True).check_vector(tmp_path)
    InputSettings(background=3).check_in_memory()
