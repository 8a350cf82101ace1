"""The table of what tasks themselves cost."""

from statistics import median

from .peers import METRICS, PRIMITIVES
from .process import MEASURED_CPU, run_json
from .report import present, table


def measure(options) -> tuple[str, dict]:
    return measure_metrics(METRICS, PRIMITIVES, options)


def measure_metrics(metrics: dict[str, str], all_peers: list, options) -> tuple[str, dict]:
    """A row for each metric, a column for each peer; see bench/support/metric.hpp."""
    peers = present(all_peers, options)
    results = {metric: {peer.name: [] for peer in peers} for metric in metrics}
    for number in range(options.rounds):
        print(f"  round {number + 1} of {options.rounds}", flush=True)
        for metric in metrics:
            for peer in peers:
                figures = run_json(peer.arguments(options.build, metric=metric), MEASURED_CPU)
                if figures["best"] is not None:
                    results[metric][peer.name].append(figures)
    lines = [[metrics[metric], *map(cell, rows.values())] for metric, rows in results.items()]
    return table(["", *(peer.name for peer in peers)], lines), results


def cell(rounds: list[dict]) -> str:
    if not rounds:
        return "–"
    best = min(figures["best"] for figures in rounds)
    return f"{show(best)} ({show(median(figures['median'] for figures in rounds))})"


def show(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


SLICES = """One thread on one core, each round in a fresh process and in slices of a few \
milliseconds. The best slice first, the median in parentheses: a core of a virtual machine is at \
its full speed only while the other half of the real one rests."""
METHOD = SLICES + """ Bytes are the growth of resident memory over a million waiting tasks \
(asyncio: 200,000), everything counted."""
