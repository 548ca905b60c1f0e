"""Commands that take several scenes, each with its labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hsi.settings import InputSettings, declarations

from .help import Command
from .options import SettingOption

LABELS = "--labels"


def several_labels(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--labels``, which may be given several times; it arrives as ``labels``, a tuple of paths."""
    declared = next(entry for entry in declarations(InputSettings) if entry.name == "labels")
    parameters: list[click.Parameter] = function.__dict__.setdefault("__click_params__", [])
    parameters.append(SettingOption(declared, multiple=True))
    return function


class CommandOfScenes(Command):
    """A command whose ``--labels`` also takes several values: ``a.hdr b.hdr --labels a.gpkg b.gpkg``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with as many values after ``--labels`` as there are scenes elsewhere.

        Raises :class:`click.UsageError` where there are several of both, and not as many of one as of the other.
        """
        repeated = repeat_labels(args)
        if repeated != args:
            found, _, _ = self.make_parser(ctx).parse_args(list(repeated))
            given = found.get("scene_paths")  # click's own object where there is none
            scenes, labels = len(given) if isinstance(given, (list, tuple)) else 0, len(found["labels"])
            if scenes == labels:
                args = repeated
            elif scenes > 1:
                raise click.UsageError(
                    f"{scenes} scenes and {labels} labels are given: one for each scene, or one for all", ctx
                )
        return super().parse_args(ctx, args)


def repeat_labels(args: list[str]) -> list[str]:
    """The arguments with ``--labels`` before each of the values that follow the only one."""
    places = [i for i, word in enumerate(args) if word == LABELS or word.startswith(f"{LABELS}=")]
    if len(places) != 1:
        return args
    first = places[0] + (1 if args[places[0]] == LABELS else 0)  # where the first value is
    last = next((i for i, word in enumerate(args) if i > first and word.startswith("-")), len(args))
    more = [word for value in args[first + 1 : last] for word in (LABELS, value)]
    return [*args[: first + 1], *more, *args[last:]]
