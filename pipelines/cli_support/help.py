"""A command whose help has its options under headings, and that takes the options that all commands take."""

from __future__ import annotations

from typing import Any

import click

from .terminal import verbosity_options

GENERAL = "General"
# heading -> the options of its own, in the order of the help; those of settings say their heading themselves
HEADINGS = {
    "Options": (),
    "Input": ("config", "assignments", "confidence"),
    "Comparison": ("models", "seeds", "only", "jobs", "dry_run"),
    "Split": (),
    "Model": (),
    "Training": (),
    "Mapping": (
        *(
            "max_memory",
            "reject",
            "reject_rate",
            "smooth",
            "min_area",
            "symmetries",
            "blend",
            "resample_bands",
            "engine",
        ),
        *("device", "probabilities", "novelty"),
    ),
    "Workers": ("scheduler", "workers", "block_timeout"),
    "Export": ("form", "shape", "values", "int8", "check"),
    "Output": (
        "out",
        "overwrite",
        "resume",
        "folder",
        "figures",
        "no_report",
        "cog",
        "names",
        "kind",
        "as_json",
        "vector",
    ),
    GENERAL: ("quiet", "verbose", "debug"),
}


def heading_of(option: click.Parameter) -> str:
    """Under which heading an option stands."""
    if {"--help", "--version"} & {*option.opts}:
        return GENERAL
    own = next((heading for heading, names in HEADINGS.items() if option.name in names), "Options")
    return str(getattr(option, "heading", own))


class Command(click.Command):
    """A command with grouped help and the options of :func:`verbosity_options`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params += verbosity_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; an option that is no option but a setting is answered with the way to set it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = _setting_like(error.option_name)
            if name and any(parameter.name == "assignments" for parameter in self.params):
                hint = f"no option {error.option_name}: give --set {name}=VALUE"
                raise click.UsageError(hint, error.ctx) from None
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, a section for each heading that has some."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections[heading_of(option)].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _setting_like(option: str) -> str | None:
    """The setting that an option could mean: ``training.clip`` for ``--clip``, ``denoising.bands`` for
    ``--denoise-bands``."""
    from hsi.settings import declarations

    words = option.removeprefix("--").removeprefix("no-").replace("-", "_").replace("min_per_class", "minimum")
    names = [entry.name for entry in declarations()]
    if words.startswith("denoise_"):
        return next((name for name in names if name == f"denoising.{words.removeprefix('denoise_')}"), None)
    return next((name for name in names if name.rpartition(".")[2] == words), None)
