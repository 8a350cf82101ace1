"""The table of what tasks themselves cost."""

from statistics import median

from .peers import METRICS, PRIMITIVES
from .process import MEASURED_CPU, run_json
from .report import present, table


def measure(options) -> tuple[str, dict]:
    peers = present(PRIMITIVES, options)
    results = {metric: {peer.name: [] for peer in peers} for metric in METRICS}
    for number in range(options.rounds):
        print(f"  round {number + 1} of {options.rounds}", flush=True)
        for metric in METRICS:
            for peer in peers:
                arguments = peer.arguments(options.build, metric=metric)
                results[metric][peer.name].append(run_json(arguments, MEASURED_CPU)["value"])
    lines = []
    for metric, rows in results.items():
        cells = [f"{show(min(values))} ({show(median(values))})" for values in rows.values()]
        lines.append([METRICS[metric], *cells])
    return table(["", *(peer.name for peer in peers)], lines), results


def show(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


METHOD = """One thread on one core; every figure is from a fresh process. Best round first, median \
in parentheses. Bytes are the growth of resident memory over a million waiting tasks (asyncio: \
200,000), everything counted."""
