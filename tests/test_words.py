"""Names, comments, messages and pages use the words of the field; some that this project once used are refused."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

REFUSED = {"told", "said", "kept", "keeping", "settle", "settled", "settles", "settling", "beside", "anew", "farm",
           "handed", "apart", "alike", "whole"}  # fmt: skip
WORD = re.compile(r"looks at|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # also those of kept_scene and KeptScene
# keys of records and saved models, which older files have as well
STORED = ('"kept"', '"kept_epoch"', "self.beside")
SUFFIXES = {".py", ".md", ".html", ".js", ".css"}


def text_files() -> Iterator[Path]:
    """The files whose words are checked."""
    yield ROOT / "README.md"
    for folder in ("hsi", "pipelines", "integrations", "docs"):
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES)


def refused_words(text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and the refused words in them."""
    for number, line in enumerate(text.splitlines(), 1):
        for key in STORED:
            line = line.replace(key, "")
        for word in WORD.findall(line):
            if word.lower() in REFUSED or word == "looks at":
                yield number, word


def test_words_in_identifiers_are_found():
    text = "kept_scene = 1\nclass KeptScene: ...\nWHOLE = besides.wholesale\n# it looks at\n"
    assert list(refused_words(text)) == [(1, "kept"), (2, "Kept"), (3, "WHOLE"), (4, "looks at")]


def test_only_plain_words_are_used():
    refused = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in text_files()
        for number, word in refused_words(path.read_text(encoding="utf-8"))
    ]
    assert not refused
