"""``hsi``: finds the command, imports only that one, and turns errors into one line and an exit code."""

from __future__ import annotations

import faulthandler
import importlib
import io
import os
import sys
import warnings
from typing import Any

import click
from click.shell_completion import CompletionItem

from hsi.core.events import report_to
from hsi.core.interrupts import exit_code, interrupts_on_termination
from hsi.errors import HsiError, UnknownNameError
from hsi.version import __version__

from .cli_support.help import Command
from .cli_support.supervise import supervise
from .cli_support.terminal import Terminal, plain, reset_verbosity, verbosity_options, warn

# shown by --help without importing what they need
COMMANDS = {
    "classify": "Train on labelled pixels, map the scene, report accuracy.",
    "compare": "Compare methods over splits and seeds, with tests.",
    "rerun": "Run a finished run again and say whether the result is the same.",
    "train": "Train on labelled pixels and save the model.",
    "predict": "Map a scene of any size with a saved model.",
    "label": "Draw labels in the browser and see the map at once.",
    "denoise": "Write a scene with less noise, and say how much it helped.",
    "export": "Write a saved model as ONNX or TorchScript, for other programs.",
    "sample": "Draw random pixels of a map, to be labelled for evaluate.",
    "evaluate": "Compare a map with reference labels.",
    "plot": "Draw the figures of a finished run or comparison again.",
    "fetch": "Get a benchmark scene by name.",
    "inspect": "Say what is in a file: shape, bands, classes, bad pixels, memory.",
    "models": "List the networks and baselines that --model takes.",
    "doctor": "Say what this installation has and can do.",
    "completion": "Print a script for completion in bash, zsh or fish.",
}

OF_INSTALLATION = {"doctor", "completion"}  # commands whose modules are in cli_support
READING = {*COMMANDS} - {"fetch", "models", *OF_INSTALLATION}  # files that may be damaged
GLOBAL = {flag for option in verbosity_options() for flag in option.opts}

EPILOG = """\b
Examples:
  hsi fetch indian_pines --to data
  hsi classify data/indian_pines.mat --model hybridsn-se
  hsi inspect data/indian_pines.mat
"""


class LazyGroup(Command, click.Group):
    """Commands are modules of this package, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of :data:`COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; raises :class:`UnknownNameError`, but for a shell that completes a line."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise UnknownNameError("command", cmd_name, COMMANDS)
        module = f"cli_support.{cmd_name}" if cmd_name in OF_INSTALLATION else cmd_name
        command = importlib.import_module(f".{module}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of all commands, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands with what they do, from the table instead of from the modules; options after a dash."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table instead of from the modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hsi")
def cli() -> None:
    """Land-cover maps and believable accuracy tables from hyperspectral cubes."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 failure, 2 usage, 130 interrupted, 143 terminated."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop
    given = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in given  # to be known where the rest cannot be understood
    if arguments is None and READING.intersection(given[:1]) and "_HSI_COMPLETE" not in os.environ:
        if debug:
            faulthandler.enable()
        supervise(lambda: main(given), _complain)
    if all(word in GLOBAL for word in given):
        given.append("--help")
    reset_verbosity()
    try:
        with warnings.catch_warnings(), report_to(Terminal()):
            warnings.showwarning = _warn_in_one_line
            with interrupts_on_termination():
                code = cli.main(args=given, prog_name="hsi", standalone_mode=False)
    except click.ClickException as error:
        if debug:
            raise
        _complain(f"{error.format_message()} ({_help_of(error)} --help says more)")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        interrupt = error.__cause__ or error  # click turns one into an Abort
        _complain(f"interrupted: {_notes(interrupt) or 'nothing was left half-written'}")
        sys.exit(exit_code(interrupt))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except HsiError as error:
        if debug:
            raise
        _complain("; ".join(filter(None, (str(error), _notes(error)))))
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        _complain("; ".join(filter(None, (_unforeseen(error), _notes(error)))))
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)  # of a command that ended itself


def _notes(error: BaseException) -> str:
    """What was added to an error on its way."""
    return "; ".join(getattr(error, "__notes__", ()))


def _unforeseen(error: Exception) -> str:
    """What to say of an error that nothing in this package raised on purpose."""
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "out of memory: try a smaller --window or fewer --components, or a machine with more"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}: check the path, its permissions and the space left"
    return f"{type(error).__name__}: {text}; this was not foreseen: --debug shows where it happened"


def _warn_in_one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """Show what a library warns of as this package's own warnings are shown."""
    warn(" ".join(str(message).split()))


def _help_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "hsi"


def _complain(text: str) -> None:
    click.echo(f"error: {' '.join(plain(text).split())}", err=True)


if __name__ == "__main__":
    main()
