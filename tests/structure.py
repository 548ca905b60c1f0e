"""``make structure``: sizes and limits of the code's structure; it exits with 1 where a limit is exceeded."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import click
import grimp

from pipelines.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parent.parent
MOST_MODULES = 14  # in a folder, without its entry point
MOST_LINES = 130  # of the file of a command
ENTRY_POINTS = ("__init__.py", "cli.py")


def python_files(*folders: str) -> list[Path]:
    """All Python files below folders of the checkout."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def count_modules() -> dict[str, int]:
    """Modules by folder, without the folder's entry point."""
    modules = (path for path in python_files("hsi", "pipelines") if path.name not in ENTRY_POINTS)
    return dict(Counter(path.parent.relative_to(ROOT).as_posix() for path in modules))


def count_lines(*paths: Path) -> int:
    """Lines of all files together."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def read_imports() -> dict[str, set[str]]:
    """Which modules each module imports, also in functions."""
    graph = grimp.build_graph("hsi", "pipelines", exclude_type_checking_imports=True, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def longest_command() -> Path:
    """The command with the longest file."""
    files = (ROOT / "pipelines" / f"{name}.py" for name in COMMANDS)
    return max((file for file in files if file.exists()), key=count_lines)


def find_circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first also last; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def help_of_classify() -> tuple[int, int]:
    """The number of options of ``hsi classify`` and the lines of its help on a terminal of 80 columns."""
    command = cli.get_command(click.Context(cli), "classify")
    context = click.Context(command, info_name="hsi classify", terminal_width=80, max_content_width=80)
    options = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    return len(options), len(command.get_help(context).splitlines())


def seconds_of_help(repeats: int = 5) -> float:
    """Median wall seconds of ``hsi --help``."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pipelines.cli", "--help"], cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    """Print all measures."""
    modules, circle = count_modules(), find_circle(read_imports())
    print("modules per folder:")
    for folder, count in sorted(modules.items()):
        print(f"  {folder:<30} {count:>3}{' (too many)' if count > MOST_MODULES else ''}")
    longest = longest_command()
    options, lines = help_of_classify()
    print(f"longest command file:            {longest.relative_to(ROOT)}, {count_lines(longest)} lines")
    print(f"import circles:                  {' -> '.join(circle) or 'none'}")
    print(f"options of hsi classify:         {options}, {lines} lines of help")
    print(f"product code:                    {count_lines(*python_files('hsi', 'pipelines')):,} lines")
    print(f"tests:                           {count_lines(*python_files('tests')):,} lines")
    print(f"hsi --help:                      {seconds_of_help():.2f} s")
    sys.exit(bool(circle) or max(modules.values()) > MOST_MODULES)


if __name__ == "__main__":
    main()
