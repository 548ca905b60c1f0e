"""The record of the benchmark as Markdown."""

from __future__ import annotations

from typing import Any


def to_markdown(record: dict[str, Any]) -> str:
    """All tables as Markdown."""
    rates = record["rates"]
    head = (
        f"{record['date']}, {record['device']}, {record['machine']['processor']}, "
        f"PyTorch {record['versions']['torch']}; scene {record['scene']}, 30 components, window 25. "
        f"This machine does {rates['gigamultiply_adds_s']:.0f} billion multiply-adds a second in matrix products "
        f"and copies {rates['gigabytes_s']:.1f} GB a second, read and written; a floor is the time at these rates."
    )
    parts = [
        head,
        maps(record),
        averages(record),
        training(record),
        large(record),
        memory(record),
        target(record),
        commands(record),
    ]
    return "\n\n".join(parts) + "\n"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headings, rule, *rows))


def maps(record: dict[str, Any]) -> str:
    """Maps of the scene."""
    headings = [
        "map",
        "conventional",
        "dense",
        "first time",
        "ratio",
        "floor",
        "largest difference",
        "same class",
    ]
    rows = [
        [
            f"`{row['model']}`", f"{row['conventional']:.1f} s", f"{row['dense']:.2f} s", f"{row['first']:.2f} s",
            f"{row['ratio']:.0f} ×", f"{row['floor']:.2f} s", f"{row['largest_difference']:.0e}",
            f"{row['same_class']:.2%}",
        ]
        for row in record["map"]
    ]  # fmt: skip
    timed, pixels = record["map"][0]["timed"], record["map"][0]["pixels"]
    note = f"The conventional way was timed on {timed:,} of {pixels:,} pixels and scaled; differences are of these."
    return f"{table(headings, rows)}\n\n{note}"


def averages(record: dict[str, Any]) -> str:
    """Maps with and without averages."""
    seconds = record["averages"]["seconds"]
    rows = [[way, f"{spent:.2f} s", f"{spent / seconds['plain']:.1f} ×"] for way, spent in seconds.items()]
    return table([f"map by `{record['averages']['model']}`", "dense", "of a plain map"], rows)


def training(record: dict[str, Any]) -> str:
    """Passes over all labelled pixels and over the training pixels."""
    headings = ["every pixel once", "pixels", "conventional", "patch engine", "dense engine", "in one step", "ratio",
                "floor"]  # fmt: skip
    rows = [
        [f"`{row['model']}`", f"{row['pixels']:,}", f"{row['conventional']:.1f} s", f"{row['patch']:.1f} s",
         f"{row['dense']:.2f} s in {row['steps']}", f"{row['together']:.2f} s", f"{row['ratio']:.0f} ×",
         f"{row['floor']:.2f} s"]
        for row in record["training"]
    ]  # fmt: skip
    note = (
        f"All labelled pixels, and the training pixels of `--train 10%`, forward and backward. Patches were timed on "
        f"{record['training'][0]['timed']:,} pixels and scaled up. The dense engine takes the steps that it takes by "
        "default, and one (`--batch` with that many pixels), which the ratio is of."
    )
    return f"{table(headings, rows)}\n\n{note}"


def large(record: dict[str, Any]) -> str:
    """Maps of large scenes."""
    headings = ["large map", "window", "conventional", "dense", "ratio", "floor", "pixels a second"]
    rows = [
        [f"{row['side']} × {row['side']}", str(row["window"]), f"{row['conventional']:,.0f} s", f"{row['dense']:.1f} s",
         f"{row['ratio']:.0f} ×", f"{row['floor']:.1f} s", f"{row['pixels'] / row['dense']:,.0f}"]
        for row in record["large"]
    ]  # fmt: skip
    first = record["large"][0]
    return f"{table(headings, rows)}\n\n`{first['model']}`, 15 random components; the conventional way by two rows."


def memory(record: dict[str, Any]) -> str:
    """Peak memory."""
    rows = [[row["way"], f"{row['peak_bytes'] / 1e6:,.0f} MB"] for row in record["memory"]]
    stored = ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in record["materialised_patches"].items())
    note = f"`{record['memory'][0]['model']}`. Patches stored as float64, as in published notebooks: {stored}."
    return f"{table(['peak memory of a process', 'bytes'], rows)}\n\n{note}"


def target(record: dict[str, Any]) -> str:
    """Time to the published accuracy."""
    result = record["target"]
    rows = [
        [
            str(run["epochs"]),
            f"{run['overall_accuracy']:.2%}",
            f"{run['stages']['train']:.1f} s",
            f"{run['wall']:.1f} s",
        ]
        for run in result["tried"]
    ]
    reached = f": {result['ratio']:.0f} × as long" if result["reached"] else "; the target was not reached"
    note = (
        f"To {result['target']:.1%} on the test pixels of seed 0, with `hsi classify --train 10% --window 15` and "
        f"fewer epochs. The published 100 epochs the conventional way, by the epoch over training pixels above: "
        f"{result['conventional']:,.0f} s{reached}."
    )
    return f"{table(['epochs', 'OA', 'training', 'command'], rows)}\n\n{note}"


def commands(record: dict[str, Any]) -> str:
    """Seconds of commands."""
    run = record["classify"]
    rows = [[f"`hsi classify`, {stage}", f"{seconds:.2f} s"] for stage, seconds in run["stages"].items()]
    rows.append(["`hsi classify`, everything", f"{run['wall']:.1f} s"])
    rows += [[f"`{name}`", f"{seconds:.2f} s"] for name, seconds in record["start"].items()]
    for other in record["others"]:
        name = " ".join(["hsi classify", *other["options"]])
        rows.append([f"`{name}`, training", f"{other['stages']['train']:.1f} s"])
        rows.append([f"`{name}`, everything, {other['wall'] / run['wall']:.2f} ×", f"{other['wall']:.1f} s"])
    peak = f"Overall accuracy {run['overall_accuracy']:.2%}, peak memory {run['peak_bytes'] / 1e6:,.0f} MB."
    return f"{table(['command', 'wall time'], rows)}\n\n{peak}"
