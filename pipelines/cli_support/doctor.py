"""``hsi doctor``: what this installation has, what it can do here, and what is missing for which feature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from hsi.core.installation import BROKEN, GOOD, LACKING, Finding, check_installation, versions

from .help import Command
from .terminal import say_wrapped

EPILOG = """\b
Examples:
  hsi doctor
  hsi doctor --json
"""


@click.command("doctor", cls=Command, epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(as_json: bool) -> None:
    """Say which versions, formats, devices, memory and extras there are, and what to install for what is missing.

    It ends with 1 only where hsi could not work.
    """
    findings = check_installation()
    works = all(finding.state != BROKEN for finding in findings)
    if as_json:
        entries = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"works": works, "versions": versions(), "findings": entries}, indent=2))
    else:
        show_findings(findings)
    if not works:
        raise click.exceptions.Exit(1)


def show_findings(findings: Sequence[Finding]) -> None:
    """Print a line for each finding, marked by its state unless that is good."""
    section = ""
    for finding in findings:
        marked = "" if finding.state == GOOD else f"{finding.state}: "
        say_wrapped("" if finding.section == section else finding.section, f"{marked}{finding.name}: {finding.text}")
        section = finding.section
    broken, lacking = (sum(finding.state == state for finding in findings) for state in (BROKEN, LACKING))
    missing = f"; {lacking} things are missing for some features" if lacking else ""
    cannot = f"hsi cannot work here: {broken} things are broken, see above"
    say_wrapped("verdict", cannot if broken else f"hsi works here{missing}")
