"""What ``make structure`` measures, and that no module imports itself by way of others."""

import pytest

from tests import structure
from tests.structure import MOST_LINES, MOST_MODULES


def test_a_circle_is_found():
    assert structure.find_circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    circle = structure.find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    assert circle in (["b", "c", "b"], ["c", "b", "c"])


def test_nothing_imports_in_a_circle():
    assert structure.find_circle(structure.read_imports()) == []


def test_all_measures_are_printed(capsys, monkeypatch):
    monkeypatch.setattr(structure, "seconds_of_help", lambda: 0.25)
    monkeypatch.setattr(structure, "count_modules", lambda: {"hsi": 15})
    with pytest.raises(SystemExit) as stop:
        structure.main()
    assert stop.value.code == 1
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert (first, second.split()) == ("modules per folder:", ["hsi", "15", "(too", "many)"])
    assert [line.split(":")[0] for line in lines] == [
        *("longest command file", "import circles", "options of hsi classify", "product code", "tests", "hsi --help")
    ]


def test_folders_commands_and_help_are_short():
    assert (
        2 <= structure.count_modules()["hsi/preprocessing"] <= max(structure.count_modules().values()) <= MOST_MODULES
    )
    assert structure.count_lines(structure.longest_command()) <= MOST_LINES
    options, lines = structure.help_of_classify()
    assert 20 < options <= 55 and options < lines <= 108
