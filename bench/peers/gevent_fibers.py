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


COUNTS = {"enter": 100_000, "await": 100_000, "switch": 500_000, "bytes": 20_000}


def main(metric):
    if metric == "child":
        return None
    began = time.monotonic_ns()
    bytes_each = globals()["measure_" + metric](COUNTS[metric])
    return bytes_each or (time.monotonic_ns() - began) / COUNTS[metric]


print(json.dumps({"metric": sys.argv[1], "value": main(sys.argv[1])}))
