"""Completion: choices that suggest near ones, the names that a shell completes, and ``hsi completion`` itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from .help import Command

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_HSI_COMPLETE"
EPILOG = """\b
Examples:
  hsi completion bash > ~/.local/share/bash-completion/completions/hsi
  hsi completion fish > ~/.config/fish/completions/hsi.fish
  hsi completion zsh >> ~/.zshrc
"""


class Choice(click.Choice[str]):
    """One of a few words; another is answered with the near ones."""

    def __init__(self, choices: Iterable[str]) -> None:
        super().__init__(tuple(choices))

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """The nearest and all the choices."""
        from hsi.errors import UnknownNameError

        return str(UnknownNameError("choice", str(value), self.choices))


def completes(names: Callable[[], Iterable[str]], listed: bool = False) -> Completer:
    """A completion of the words that ``names`` gives; with ``listed`` several of them, with commas between them."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, word = incomplete.rpartition(",") if listed else ("", "", incomplete)
        return [CompletionItem(f"{before}{comma}{name}") for name in names() if name.startswith(word)]

    return complete


def model_names() -> list[str]:
    """The networks and baselines, remembered between processes because networks take seconds to import."""
    import hsi
    from hsi.core.files import cache_folder
    from hsi.version import __version__

    package = Path(hsi.__file__).parent
    files = sorted(path for folder in ("models", "baselines") for path in (package / folder).glob("*.py"))
    key = [__version__, *(f"{path} {path.stat().st_mtime_ns}" for path in files)]
    store = cache_folder() / "models.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(store.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return [str(name) for name in stored["names"]]
    from hsi.baselines import BASELINES
    from hsi.core.files import write_atomically
    from hsi.errors import OutputError
    from hsi.models import MODELS

    names = [*MODELS, *BASELINES]
    with suppress(OutputError), write_atomically(store) as part:
        part.write_text(json.dumps({"key": key, "names": names}), encoding="utf-8")
    return names


def split_names() -> list[str]:
    """The split rules that --split takes, ``given:`` with the colon that a file's name follows."""
    from hsi.io.benchmark_scenes import published_splits
    from hsi.splits import SPLITS

    return [*(f"{name}:" if name == "given" else name for name in SPLITS if name != "all"), *published_splits()]


def registered(package: str, registry: str) -> Callable[[], list[str]]:
    """The names in a registry of plug-ins, which is imported when they are asked for."""
    return lambda: list(getattr(import_module(package), registry))


COMPLETED: dict[str, Completer] = {
    "model.name": completes(model_names),
    "denoising.method": completes(registered("hsi.preprocessing.denoisers", "DENOISERS")),
    "reducer.name": completes(registered("hsi.preprocessing.reducers", "REDUCERS")),
    "split.rule": completes(split_names),
    "device": completes(lambda: ("auto", "cpu", "cuda", "mps")),
}


def complete_assignment(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of settings and an equals sign, then the words that the setting may be."""
    from hsi.settings import RunSettings, declarations

    settings = {entry.name: entry for entry in (*declarations(), *declarations(RunSettings, "run."))}
    name, equals, word = incomplete.partition("=")
    if not equals:
        return [CompletionItem(f"{known}=") for known in settings if known.startswith(name)]
    if name not in settings:
        return []
    words = settings[name].choices or (("true", "false") if settings[name].kind is bool else ())
    values = COMPLETED[name](context, parameter, word) if name in COMPLETED else map(CompletionItem, words)
    return [CompletionItem(f"{name}={value.value}") for value in values if value.value.startswith(word)]


@click.command("completion", cls=Command, epilog=EPILOG)
@click.argument("shell", type=Choice(SHELLS), metavar="|".join(SHELLS))
def command(shell: str) -> None:
    """Print a script after which the shell completes commands, options, and the names of models, splits and figures.

    Save it where the shell looks for it, as below, and start a new shell. bash needs version 4.4.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "one of the shells that click knows"
    script = kind(click.get_current_context().find_root().command, {}, "hsi", VARIABLE)
    click.echo(script.source_template % script.source_vars())  # source() would ask the bash that is installed here
