"""Options of the commands, made from the declarations in :mod:`hsi.settings`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import click

from hsi.core.files import find_config, shipped_configs
from hsi.settings import (
    LABEL_INPUTS,
    PIXEL_INPUTS,
    SCENE_INPUTS,
    Declaration,
    InputSettings,
    OutputSettings,
    RunSettings,
    declarations,
    display_name,
    input_settings,
    parse_assignment,
    validated,
)

from .completion import COMPLETED, complete_assignment, completes

METAVARS = {int: "N", float: "X", str: "TEXT", Path: "FILE"}
VECTOR = "Also write the map as polygons: .gpkg, .geojson."
RUN = "run."  # prefix of the settings that have no effect on the result
Function = Callable[..., Any]


class SettingOption(click.Option):
    """The option of one declared setting; ``name`` is the setting's dotted name."""

    def __init__(self, setting: Declaration, **more: Any) -> None:
        self.heading = setting.heading
        option, kind = setting.extra("option"), setting.kind
        default = f" [default: {setting.default}]" if setting.default else ""
        more |= {"type": click.Path(path_type=Path) if kind is Path else kind}
        more["metavar"] = setting.extra("metavar") or METAVARS.get(kind)
        names = [option]
        if kind is bool:
            more = {"is_flag": True}
            if "." in setting.name and setting.field.default is not False:
                names = [f"{option}/--no-{option.removeprefix('--')}"]
        complete = COMPLETED.get(setting.name) or (completes(lambda: setting.choices) if setting.choices else None)
        identifier = setting.name.replace(".", "__")
        super().__init__(
            [*names, identifier], default=None, help=setting.help + default, shell_complete=complete, **more
        )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """As click's, with both forms of a switch in one word: ``--[no-]blend``."""
        if self.secondary_opts:
            return f"--[no-]{self.opts[0].removeprefix('--')}", self.help or ""
        return super().get_help_record(ctx)


def input_options(function: Function, without: Collection[str] = ()) -> Function:
    """Add the options of :class:`hsi.settings.InputSettings`; they arrive together as ``inputs``."""
    settings = [entry for entry in declarations(InputSettings) if entry.name not in without]

    @functools.wraps(function)
    def gather(**given: Any) -> Any:
        return function(inputs=input_settings(**{entry.name: given.pop(entry.name) for entry in settings}), **given)

    return _with_options(gather, map(SettingOption, settings))


def output_options(function: Function) -> Function:
    """Add the options of :class:`hsi.settings.OutputSettings`; they arrive together as ``outputs``."""
    settings = list(declarations(OutputSettings))

    @functools.wraps(function)
    def gather(**given: Any) -> Any:
        values = {entry.name: given.pop(entry.name) for entry in settings}
        values = {name: value for name, value in values.items() if value is not None}
        return function(outputs=OutputSettings(**values), **given)

    return _with_options(gather, map(SettingOption, settings))


scene_options = functools.partial(input_options, without=LABEL_INPUTS)
pixel_options = functools.partial(input_options, without={*InputSettings.model_fields} - PIXEL_INPUTS)
map_options = functools.partial(input_options, without=SCENE_INPUTS - PIXEL_INPUTS)


def resume_option(function: Function) -> Function:
    """Add ``--resume``, for commands that can continue interrupted work."""
    text = "Continue interrupted work of the same settings."
    return click.option("--resume", is_flag=True, help=text)(function)


def setting_options(function: Function, without: Collection[str] = ()) -> Function:
    """Add ``--config``, ``--set`` and the options of settings, but for those in ``without``.

    They arrive as ``config``, a path or None, ``overrides``, a mapping of dotted names to values, and ``run_settings``
    (not with ``"run."`` in ``without``).
    Raises :class:`UsageError` for a setting that is given twice.
    """
    of_run = () if RUN in without else declarations(RunSettings, RUN)
    settings = [entry for entry in (*declarations(), *of_run) if entry.extra("option") and entry.name not in without]
    settings.sort(key=lambda entry: not entry.name.startswith("model."))  # the model before its input

    @functools.wraps(function)
    def gather(assignments: tuple[str, ...], **given: Any) -> Any:
        options = {entry.name: given.pop(entry.name.replace(".", "__")) for entry in settings}
        overrides = {name: value for name, value in options.items() if value is not None}
        return function(**_assigned(overrides, assignments, without), **given)

    config = click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE|NAME", callback=_found,
        shell_complete=completes(shipped_configs),
        help="Settings as YAML, below options; 'hsi models --recipes' lists names.",
    )  # fmt: skip
    assign = click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE", shell_complete=complete_assignment,
        help="Another setting, such as training.clip=0.5.",
    )  # fmt: skip
    return config(assign(_with_options(gather, map(SettingOption, settings))))


def _found(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """The settings file that a path or a name means."""
    return path and find_config(path)


def _assigned(overrides: dict[str, Any], assignments: Iterable[str], without: Collection[str]) -> dict[str, Any]:
    from hsi.errors import UsageError

    of_run: dict[str, Any] = {}
    assigned: dict[str, Any] = {}
    for name, value in map(parse_assignment, assignments):
        if name in without or (RUN in without and name.startswith(RUN)):
            raise UsageError(f"--set {name}: this command decides it: leave it out")
        if name in overrides:
            raise UsageError(f"{display_name(name)} is given as an option and by --set: leave one out")
        (of_run if name.startswith(RUN) else assigned)[name] = value
    of_run |= {name: overrides.pop(name) for name in [*overrides] if name.startswith(RUN)}
    overrides |= assigned
    if RUN in without:
        return {"overrides": overrides}
    values = {name.removeprefix(RUN): value for name, value in of_run.items()}
    return {"overrides": overrides, "run_settings": validated(RunSettings, values, "--set")}


def _with_options(function: Function, options: Iterable[click.Option]) -> Function:
    """Add options in their order, as decorators of click do."""
    declared: list[click.Parameter] = getattr(function, "__click_params__", [])
    function.__click_params__ = [*declared, *reversed(list(options))]  # type: ignore[attr-defined]
    return function
