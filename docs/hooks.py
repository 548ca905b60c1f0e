"""What mkdocs makes of the code: the pages of the command line and of the settings, and links in docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import yaml
from mkdocs.structure.files import File

from hsi.settings import Declaration, declarations
from pipelines.cli import cli

ROOT = Path(__file__).resolve().parent.parent
ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):<code>([^<]+)</code>")
ELSEWHERE = re.compile(rb"https://(?:unpkg\.com|api\.github\.com)/")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made from code."""
    pages = {"reference/command_line.md": command_line_page(), "reference/settings.md": settings_page()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Names of classes and functions in docstrings, which are written for Sphinx as well, become links."""
    return ROLE.sub(lambda found: _link(found[1]), html)


def on_post_build(config: Any) -> None:
    """The theme's scripts would load rarely used parts from another host; pages use none of them."""
    for script in Path(config["site_dir"]).rglob("*.js"):
        content = script.read_bytes()
        if ELSEWHERE.search(content):
            script.write_bytes(ELSEWHERE.sub(b"not-here/", content))


def command_line_page() -> str:
    """Every command with its options, from the commands themselves."""
    return "\n".join(["# Command line", "", *_command_lines()]) + "\n"


def settings_page() -> str:
    """Every setting with its default and the reason for it, and the ways to change it."""
    return (
        "# Settings\n\nEvery setting has a dotted name, such as `training.lr`. It is changed by "
        "`--set training.lr=1e-3`, by its own option where the [command line](command_line.md) has one, in a YAML file "
        "for `--config`, and in `settings=` of [`hsi.classify`](python.md). Options win over the file, the file over "
        "these defaults; a misspelt name is refused.\n\n"
        f"{_settings_tables()}\n## As a file\n\n```yaml\n{default_yaml()}```\n"
    )


def _settings_tables() -> str:
    """A table for each section of the settings."""
    lines = []
    for section, settings in _sections():
        lines += [
            f"## {section or 'General'}",
            "",
            "| setting | option | what it does | default |",
            "|---|---|---|---|",
        ]
        for setting in settings:
            option = f"`{setting.extra('option')}`" if setting.extra("option") else ""
            default = setting.extra("why") if setting.field.default is None else f"`{_yaml(setting.field.default)}`"
            lines.append(f"| `{setting.name}` | {option} | {setting.help} | {default} |")
        lines.append("")
    return "\n".join(lines)


def default_yaml() -> str:
    """``configs/default.yaml``: every setting with its default and the reason for it."""
    lines = [
        "# The default settings, with the reason for each; written by 'python docs/hooks.py' from hsi/settings.py.",
        "# Copy it, change what you need, and give it to --config. null stands for what the comment says.",
    ]
    for section, settings in _sections():
        lines += ["", f"{section}:"] if section else [""]
        for setting in settings:
            line = f"{'  ' * bool(section)}{setting.name.rpartition('.')[2]}: {_yaml(setting.field.default)}"
            lines.append(f"{line:<28} # {setting.extra('why')}" if setting.extra("why") else line)
    return "\n".join(lines) + "\n"


def _sections() -> Iterator[tuple[str, list[Declaration]]]:
    for section, settings in groupby(declarations(), lambda setting: setting.name.rpartition(".")[0]):
        yield section, list(settings)


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value).splitlines()[0]


def _command_lines() -> Iterator[str]:
    context = click.Context(cli, info_name="hsi")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(inner))
        yield f"## hsi {name}\n\n    hsi {name} {usage}\n"
        yield f"{_text(command.help)}\n"
        yield "| option | what it does |\n|---|---|"
        for parameter in command.params:
            record = parameter.get_help_record(inner) if isinstance(parameter, click.Option) else None
            if record:
                yield f"| `{_cell(record[0])}` | {_escaped(_cell(record[1]))} |"
        examples = (command.epilog or "").partition("Examples:\n")[2]
        if examples:
            yield f"\n```sh\n{_dedented(examples)}\n```\n"


def _text(help_text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (help_text or "").split("\n\n"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", r"\*")


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in text.rstrip().splitlines())


def _link(name: str) -> str:
    """A cross-reference where the name has a page, plain code where not."""
    bare = name.lstrip("~")
    return f'<autoref identifier="{_full(bare)}" optional><code>{bare}</code></autoref>'


def _full(name: str) -> str:
    import hsi

    if name.startswith("hsi."):
        return name
    first, _, rest = name.partition(".")
    found = getattr(hsi, first, None) or getattr(__import__("hsi.errors").errors, first, None)
    module = getattr(found, "__module__", "")
    return ".".join(part for part in (module, first, rest) if part)


if __name__ == "__main__":
    from integrations.qgis.build import write_parameters

    (ROOT / "configs" / "default.yaml").write_text(default_yaml(), encoding="utf-8")
    write_parameters()
