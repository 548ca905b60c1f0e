"""A command whose help has its options under headings, and that takes the options that all commands take."""

from __future__ import annotations

from typing import Any

import click

from .verbosity import verbosity_options

GENERAL = "General"
# heading -> what its options are called, in the order of the help; the rest of a setting's name is behind the dots
HEADINGS = {
    "Options": (),
    "Input": (
        *("labels", "label_variable", "background", "label_field", "label_layer", "all_touched", "align"),
        *("variable", "georef", "mask", "drop_bands", "drop_wavelengths", "keep_bad_bands", "config", "confidence"),
    ),
    "Denoising": ("denoising", "method", "bands", "stack", "steps", "components", "strength"),
    "Comparison": ("models", "seeds", "only", "jobs", "dry_run"),
    "Split": ("split", "seed"),
    "Model": ("model", "reducer"),
    "Training": ("training", "device", "deterministic", "checkpoint_every"),
    "Mapping": (
        *("mapping", "max_memory", "reject", "smooth", "symmetries", "blend", "resample_bands", "engine"),
        *("probabilities", "novelty"),
    ),
    "Workers": ("scheduler", "workers", "block_timeout"),
    "Export": ("form", "shape", "values", "int8", "check"),
    "Output": ("resume", "out", "folder", "overwrite", "cog", "names", "kind", "as_json"),
    GENERAL: ("quiet", "verbose", "debug"),
}


def heading_of(option: click.Parameter) -> str:
    """Under which heading an option stands."""
    if {"--help", "--version"} & {*option.opts}:
        return GENERAL
    section = str(option.name).partition("__")[0]
    return next((heading for heading, names in HEADINGS.items() if section in names), "Options")


class Command(click.Command):
    """A command with grouped help and the options of :mod:`pipelines.verbosity`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params += verbosity_options()

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
