"""``hsi completion``: a script that makes a shell complete commands, options and names."""

from __future__ import annotations

import click

from .cli_support.completion import Choice
from .cli_support.help import Command

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_HSI_COMPLETE"
EPILOG = """\b
Examples:
  hsi completion bash > ~/.local/share/bash-completion/completions/hsi
  hsi completion fish > ~/.config/fish/completions/hsi.fish
  hsi completion zsh >> ~/.zshrc
"""


@click.command("completion", cls=Command, epilog=EPILOG)
@click.argument("shell", type=Choice(SHELLS), metavar="|".join(SHELLS))
def command(shell: str) -> None:
    """Print a script after which the shell completes commands, options, and the names of models, splits and figures.

    Save it where the shell looks for it, as below, and start a new shell. bash needs version 4.4.
    """
    from click.shell_completion import get_completion_class

    from .cli import cli

    kind = get_completion_class(shell)
    assert kind is not None, "one of the shells that click knows"
    script = kind(cli, {}, "hsi", VARIABLE)
    click.echo(script.source_template % script.source_vars())  # source() would ask the bash that is installed here
