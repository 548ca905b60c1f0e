"""How much is told: the options that every command takes, before its name or after it."""

from __future__ import annotations

from dataclasses import dataclass

import click


@dataclass
class Verbosity:
    """``quiet`` leaves out all but warnings and errors, ``verbose`` adds details, ``debug`` tracebacks."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


chosen = Verbosity()  # of the command that this process runs


def reset() -> None:
    """Back to what a command line begins with."""
    chosen.quiet = chosen.verbose = chosen.debug = False


def _choose(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        setattr(chosen, str(option.name), True)
        if chosen.quiet and chosen.verbose:
            raise click.UsageError("--quiet and --verbose ask for opposites: give one of them", context)


def verbosity_options() -> list[click.Option]:
    """``--quiet``, ``--verbose`` and ``--debug``."""
    texts = {
        ("-q", "--quiet"): "Tell nothing but warnings and errors; files are still written.",
        ("-v", "--verbose"): "Tell more: what settings came to, and the time and memory of each stage.",
        ("--debug",): "Show the traceback of an error.",
    }
    return [
        click.Option(flags, is_flag=True, expose_value=False, is_eager=True, callback=_choose, help=text)
        for flags, text in texts.items()
    ]
