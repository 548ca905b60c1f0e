"""Text from files made safe to print."""

from __future__ import annotations


def plain(text: str) -> str:
    """One line without control characters: names in files may hold line breaks or codes that steer a terminal."""
    return "".join(_plain_character(character) for character in text)


def _plain_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"
