"""gevent's greenlets: gevent_fibers.py METRIC, see bench/support/fibers.hpp."""

import json
import sys
import time

import gevent
from gevent.event import Event


def one():
    return 1


def measure_enter(count):
    for _ in range(count):
        gevent.spawn(one).get()


def measure_await(count):
    ready = Event()
    ready.set()
    for _ in range(count):
        gevent.spawn(ready.wait).get()


def measure_switch(count):
    def yielding():
        for _ in range(count // 10):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(yielding) for _ in range(10)])


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def measure_bytes(count):
    event = Event()
    before = resident()
    fibers = [gevent.spawn(event.wait) for _ in range(count)]
    gevent.sleep(0)
    grown = resident() - before
    event.set()
    gevent.joinall(fibers)
    return grown / count


# Of one slice.
SLICES = 50
COUNTS = {"enter": 200, "await": 400, "switch": 2_000}


def main(metric):
    if metric == "child":
        return [None]
    if metric == "bytes":
        return [measure_bytes(20_000)]
    return in_slices(SLICES, COUNTS[metric], globals()["measure_" + metric])


def in_slices(slices, count, measure):
    """Nanoseconds per operation of each, ascending: see bench/support/metric.hpp."""
    values = []
    for _ in range(slices):
        began = time.monotonic_ns()
        measure(count)
        values.append((time.monotonic_ns() - began) / count)
    return sorted(values)


values = main(sys.argv[1])
print(json.dumps({"metric": sys.argv[1], "best": values[0], "median": values[len(values) // 2]}))
