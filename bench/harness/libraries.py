"""The table of blocking libraries on fibers: tests/libraries has the programs and the servers."""

import os
import sys
from statistics import median

from .peers import BENCH, Peer
from .process import MEASURED_CPU, OTHER_CPU, Failed, pinned, run_json
from .report import table

sys.path.insert(0, str(BENCH.parent / "tests/libraries"))
import servers as real  # noqa: E402

COUNTS = (150, 1000)
FIBERS = {"fibers, epoll": ("epoll", []), "fibers, io_uring": ("uring", [])}
THREADS = {**FIBERS, "a thread each": ("epoll", ["threads"])}
MULTI = {**FIBERS, "libcurl multi": ("epoll", ["multi"])}

# title, how to start the server, seconds that a call takes at least, ways, Debian packages, counts
ROWS = [
    ("libcurl, http", lambda all: all.curl("http", 350), 0.35, MULTI, "libcurl4", COUNTS),
    ("libcurl, http", lambda all: all.curl("http", 2000), 2, MULTI, "libcurl4",
     (1, *COUNTS)),  # one: how regularly anything can tick on this machine
    ("libcurl, https", lambda all: all.curl("https", 350), 0.35, MULTI, "libssl3", COUNTS),
    ("libcurl, https", lambda all: all.curl("https", 2000), 2, MULTI, "libssl3", COUNTS),
    ("libpq, pg_sleep", real.Servers.libpq, 0.3, THREADS, "libpq5", COUNTS),
    ("hiredis, BLPOP", real.Servers.hiredis, 1, THREADS, "libhiredis0.14", COUNTS),
    ("librabbitmq", real.Servers.rabbitmq, 0.3, THREADS, "librabbitmq4", COUNTS),
    ("libmariadb, sleep", real.Servers.mariadb, 0.3, THREADS, "libmariadb3", COUNTS),
]


def one_run(command, count, driver, arguments) -> dict:
    environment = {"CLEARWAY_DRIVER": driver, "CLEARWAY_SLOW": "off"}
    prefix = ["env", *(f"{name}={value}" for name, value in environment.items())]
    result = run_json([*prefix, *command, str(count), *arguments], MEASURED_CPU)
    if result["failures"]:
        raise Failed(f"{os.path.basename(command[0])}: {result['failures']} of {count} calls "
                     f"failed: {result['first_failure']}")
    return result


def line(title, shortest, count, way, runs) -> list[str]:
    took = median(run["elapsed"] for run in runs)
    gaps = [run["widest_gap"] * 1000 for run in runs]
    own = [run["widest_own_gap"] * 1000 for run in runs]
    processor = median(run["processor"] for run in runs) * 1e6 / count
    return [f"{title}, {shortest:g} s", f"{count:,}", way, f"{took:.2f}", f"{took / shortest:.2f}",
            f"{median(gaps):.1f} ({max(gaps):.1f})", f"{median(own):.1f} ({max(own):.1f})",
            f"{processor:.0f}"]


def one_library(options, title, start, shortest, ways, counts, everything) -> list[list[str]]:
    lines = []
    # Every number of calls has a server of its own: what it keeps of many would weigh on few.
    for count in counts:
        programs = options.build / "tests"
        with real.Servers(str(programs), count, pinned(OTHER_CPU)) as servers:
            command = start(servers)
            one_run(command, count, *ways["fibers, epoll"])  # the first is the server's
            runs = {way: [] for way in ways}
            for _ in range(options.rounds):
                for way, how in ways.items():
                    runs[way].append(one_run(command, count, *how))
        everything[f"{title}, {shortest:g} s, {count}"] = runs
        lines += [line(title, shortest, count, way, runs[way]) for way in ways]
    return lines


def measure(options) -> tuple[str, dict]:
    lines, everything = [], {}
    for title, start, shortest, ways, package, counts in ROWS:
        print(f"  {title}, {shortest:g} s", flush=True)
        try:
            lines += one_library(options, title, start, shortest, ways, counts, everything)
            options.versions[title] = Peer(title, "", package).version()
        except (real.Missing, real.Failed, Failed) as problem:
            print(f"  skipped: {problem}", flush=True)
            options.notes.append(f"{title} was skipped: {problem}.")
    head = ["calls that take at least", "at once", "made by", "took, s", "× one call",
            "widest gap of a 10 ms ticker, ms, median (worst)", "while it had the core",
            "CPU µs/call, median"]
    return table(head, lines), everything


METHOD = """The programs of `tests/libraries` on one core, the real servers on another. Every call \
makes a connection of its own; a call of libpq, librabbitmq and libmariadb logs in as well. \
"libcurl multi" are the same GETs by libcurl's own interface for many at once (`curl_multi_poll`), \
without a line of Clearway in the loop: what it takes beyond one call is libcurl's and the \
kernel's. "A thread each" are the same blocking calls in as many threads, on the same core. \
"While it had the core": the gap without the time for which the ticking thread was ready and \
another one ran."""
