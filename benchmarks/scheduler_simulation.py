"""A map of 10 TB on up to 1,000 workers, simulated from measured times: ``python -m benchmarks.scheduler_simulation``.

Events in order of time: a worker takes a block, reads it from storage that all share, works on it, and sends the
result to its client, which stores and writes it and assigns the next block. Storage, a client's network and the
client itself serve one after the other at a rate; the scheduler needs a time for each block. A worker has at most two
unfinished blocks. Times of work, of writing and of the scheduler are those in
``results/block_times.json``; rates of storage and network, and how often workers are lost, are assumptions, which the
table names.
"""

from __future__ import annotations

import heapq
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.report import RESULTS, write_results

AHEAD = 2  # unfinished blocks of a worker
WORKER_LINK = 1.25e9  # bytes a second of a worker's network, 10 Gbit/s
RESTART_SECONDS = 60.0
ARCHIVE = 10e12


@dataclass(frozen=True)
class Costs:
    """Of a block: bytes to read, seconds of work of one worker (several, to draw from), bytes of its result, seconds of
    the client to store and write it and of the scheduler; and the probability that its worker is lost in the middle."""

    read: float
    work: tuple[float, ...]
    result: float
    write: float
    schedule: float
    lost: float = 0.0


@dataclass
class Line:
    """Serves one after the other: at ``rate`` a second."""

    rate: float
    free: float = 0.0
    busy: float = 0.0

    def serve(self, now: float, amount: float) -> float:
        """When an amount that is asked for now has been served."""
        seconds = amount / self.rate
        self.free, self.busy = max(now, self.free) + seconds, self.busy + seconds
        return self.free


@dataclass
class Outcome:
    """How long a simulated map took, and the shares of that time in which each line and the workers were busy."""

    seconds: float
    lost: int
    busy: dict[str, float] = field(default_factory=dict)


def simulate(
    blocks: int, workers: int, costs: Costs, storage: float, network: float, clients: int = 1, seed: int = 0
) -> Outcome:
    """Map ``blocks`` on ``workers``; ``storage`` and each client's ``network`` are in bytes a second.

    With several ``clients`` each has a scheduler and an equal part of the workers; blocks go to whoever is free.
    """
    draw = random.Random(seed)
    shared = Line(storage)
    lines = {"network": [Line(network) for _ in range(clients)]}
    lines |= {name: [Line(1.0) for _ in range(clients)] for name in ("client", "scheduler")}
    events: list[tuple[float, int, str, int]] = []
    number = 0
    left, done, lost, working, end = blocks, 0, 0, 0.0, 0.0
    mine = [0] * workers  # blocks of each that are assigned and wait for it
    idle = set(range(workers))

    def later(when: float, what: str, worker: int) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (when, number, what, worker))

    def assign(now: float, worker: int) -> None:
        nonlocal left
        if left:
            left -= 1
            later(lines["scheduler"][worker % clients].serve(now, costs.schedule), "arrive", worker)

    def begin(now: float, worker: int) -> None:
        idle.discard(worker)
        mine[worker] -= 1
        ready = max(shared.serve(now, costs.read), now + costs.read / WORKER_LINK)
        later(ready, "read", worker)

    for _ in range(AHEAD):
        for worker in range(workers):
            assign(0.0, worker)
    while done < blocks:
        now, _, what, worker = heapq.heappop(events)
        if what == "arrive":
            mine[worker] += 1
            if worker in idle:
                begin(now, worker)
        elif what == "read":
            seconds = draw.choice(costs.work)
            gone = draw.random() < costs.lost
            working += seconds * (0.5 if gone else 1.0)
            later(now + (seconds * 0.5 + RESTART_SECONDS if gone else seconds), "lose" if gone else "work", worker)
        elif what == "lose":  # started again, it does the same block
            lost += 1
            mine[worker] += 1
            begin(now, worker)
        elif what == "work":
            later(lines["network"][worker % clients].serve(now, costs.result), "bring", worker)
            idle.add(worker)
            if mine[worker]:
                begin(now, worker)
        elif what == "bring":
            later(lines["client"][worker % clients].serve(now, costs.write), "write", worker)
        else:
            done, end = done + 1, now
            assign(now, worker)
    busy = {name: sum(line.busy for line in several) / clients / end for name, several in lines.items()}
    return Outcome(end, lost, {"workers": working / end / workers, "storage": shared.busy / end, **busy})


def costs_of(measured: dict[str, Any], kind: str, rows: int, lost: float) -> Costs:
    """Costs of blocks of so many rows, from the blocks that were measured."""
    times = measured["runs"][kind]["blocks"]
    width = int(measured["scene"].split(", ")[1].split()[0])
    larger = rows * width / measured["block_pixels"]
    return Costs(
        read=measured["block_bytes"] * larger,
        work=tuple((block["read_and_reduce"] + block["classify"]) * larger for block in times),
        result=times[0]["result_bytes"] * larger,
        write=max(block["write"] for block in times) * larger,
        schedule=measured["scheduler_seconds"],
        lost=lost,
    )


def limit_of(outcome: Outcome) -> str:
    """What is busy most of the time."""
    return max(outcome.busy, key=lambda name: outcome.busy[name])


def to_markdown(record: dict[str, Any]) -> str:
    """The record as a table."""
    lines = [
        f"Simulated from block times measured {record['measured']}: {record['archive'] / 1e12:g} TB in blocks of "
        f"{record['rows']} rows, map {record['kind']}; assumed: {record['network'] / 1e9:g} GB/s to the client, "
        f"{WORKER_LINK / 1e9:g} GB/s to each worker, one block in {1 / record['lost']:,.0f} loses its worker.",
        "",
        "| workers | clients | storage | hours | speed-up of workers | busy: workers | storage | client | limit |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for run in record["runs"]:
        busy = run["busy"]
        lines.append(
            f"| {run['workers']:,} | {run['clients']} | {run['storage'] / 1e9:g} GB/s | {run['hours']:,.2f} "
            f"| {run['speed_up']:,.0f} | {busy['workers']:.0%} | {busy['storage']:.0%} | {busy['client']:.0%} "
            f"| {run['limit']} |"
        )
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--kind", default="half turn and blended", show_default=True, help="The map, as measured.")
@click.option("--rows", default=512, show_default=True, help="Rows of a block.")
@click.option("--network", default=1.25e9, show_default=True, help="Bytes a second that the client takes.")
@click.option("--lost", default=1e-3, show_default=True, help="Share of blocks whose worker is lost meanwhile.")
@click.option("--archive", default=ARCHIVE, show_default=True, help="Bytes to read.")
@click.option("--times", type=click.Path(path_type=Path), default=RESULTS / "block_times.json", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=RESULTS / "scheduler_simulation.json", show_default=True
)
def main(kind: str, rows: int, network: float, lost: float, archive: float, times: Path, out: Path) -> None:
    """Simulate maps on 1 to 1,000 workers and write the figures as JSON and Markdown."""
    measured = json.loads(times.read_text(encoding="utf-8"))
    costs = costs_of(measured, kind, rows, lost)
    blocks = round(archive / costs.read)
    alone = blocks * (sum(costs.work) / len(costs.work))
    runs = []
    for storage in (1e9, 10e9, 100e9):
        for workers, clients in ((1, 1), (10, 1), (30, 1), (100, 1), (100, 5), (1000, 1), (1000, 50)):
            outcome = simulate(blocks, workers, costs, storage, network, clients)
            runs.append({
                "workers": workers,
                "clients": clients,
                "storage": storage,
                "hours": outcome.seconds / 3600,
                "speed_up": alone / outcome.seconds,
                "busy": outcome.busy,
                "lost": outcome.lost,
                "limit": limit_of(outcome),
            })  # fmt: skip
    record = {
        "measured": f"{measured['date']} on {measured['machine']}",
        "kind": kind,
        "rows": rows,
        "blocks": blocks,
        "archive": archive,
        "network": network,
        "lost": lost,
        "runs": runs,
    }
    write_results(out, record, to_markdown(record))


if __name__ == "__main__":
    main()
