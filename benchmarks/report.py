"""How every benchmark leaves its figures: JSON for programs, Markdown for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


def write_results(out: Path, record: dict[str, Any], text: str) -> None:
    """Write the record to ``out`` and its table beside it as ``.md``, and show the table."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(text, encoding="utf-8")
    click.echo(text)
