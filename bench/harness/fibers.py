"""The table of what functions on stacks of their own cost."""

from statistics import median

from .peers import FIBER_METRICS, FIBERS
from .primitives import show
from .process import MEASURED_CPU, run_json
from .report import present, table


def measure(options) -> tuple[str, dict]:
    peers = present(FIBERS, options)
    results = {metric: {peer.name: [] for peer in peers} for metric in FIBER_METRICS}
    for number in range(options.rounds):
        print(f"  round {number + 1} of {options.rounds}", flush=True)
        for metric in FIBER_METRICS:
            for peer in peers:
                arguments = peer.arguments(options.build, metric=metric)
                value = run_json(arguments, MEASURED_CPU)["value"]
                if value is not None:
                    results[metric][peer.name].append(value)
    lines = []
    for metric, rows in results.items():
        cells = [f"{show(min(values))} ({show(median(values))})" if values else "–"
                 for values in rows.values()]
        lines.append([FIBER_METRICS[metric], *cells])
    return table(["", *(peer.name for peer in peers)], lines), results


METHOD = """One thread on one core; every figure is from a fresh process. Best round first, median \
in parentheses. Boost.Context is the floor: switches between stacks that are there already, and \
nothing else. Entering is `co_await fiber::run(f)`, `asio::spawn` inside a handler, and \
`gevent.spawn(f).get()`. Bytes are the growth of resident memory over 20,000 waiting fibers, \
everything counted."""
