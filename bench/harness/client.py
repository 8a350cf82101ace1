"""The table of HTTP clients: the client alone on its core, the server on another."""

from statistics import median

from .peers import CLIENTS, SERVERS, Peer
from .process import MEASURED_CPU, OTHER_CPU, Failed, run_json, serving
from .report import present, table

DELAYING = "{build}/bench/bench_load_delay_server {port} "

# title, server, requests, concurrency, ms of the slowest answer (0: only the rate counts)
SCENARIOS = [
    ("150 GETs at once, answers after 50 to 350 ms", Peer("delays", DELAYING + "50 350"),
     150, 150, 350),
    ("5,000 GETs at once, answers after 200 ms", Peer("delay", DELAYING + "200 200"),
     5000, 5000, 200),
    ("64 connections, no delay", SERVERS[0], 50000, 64, 0),
]


def one_scenario(options, clients, server_peer, requests, concurrency, slowest) -> dict:
    results = {client.name: [] for client in clients}
    with serving(server_peer, options.build, cpu=OTHER_CPU) as server:
        for number in range(options.rounds):
            shift = number % len(clients)
            for client in clients[shift:] + clients[:shift]:
                count = requests if slowest else requests // client.slowness
                arguments = client.arguments(options.build, port=server.port, count=count,
                                             concurrency=concurrency)
                result = run_json(arguments, MEASURED_CPU)
                if result["requests"] != count:
                    raise Failed(f"{client.name}: {result['requests']} of {count} requests worked")
                results[client.name].append(result)
    floor = results[clients[0].name]
    for rows in results.values():
        for row, base in zip(rows, floor):
            row["cpu_us"] = row["cpu_seconds"] * 1e6 / row["requests"]
            row["rate"] = row["requests"] / row["seconds"]
            row["ratio"] = (row["seconds"] / base["seconds"] if slowest
                            else row["rate"] / (base["requests"] / base["seconds"]))
    return results


def scenario_table(results: dict[str, list[dict]], slowest: int) -> str:
    lines = []
    for name, rows in results.items():
        middle = {key: median(row[key] for row in rows) for key in rows[0]}
        if slowest:
            figures = [f"{min(row['seconds'] for row in rows) * 1000:.0f}",
                       f"{middle['seconds'] * 1000:.0f}",
                       f"{middle['seconds'] * 1000 / slowest:.2f}"]
        else:
            figures = [f"{max(row['rate'] for row in rows) / 1000:.1f}k",
                       f"{middle['rate'] / 1000:.1f}k"]
        lines.append([name, *figures, f"{middle['ratio']:.2f}", f"{middle['cpu_us']:.1f}"])
    head = ["ms, best", "median", "× slowest answer"] if slowest else ["requests/s, best", "median"]
    return table(["client", *head, "× floor", "CPU µs/request"], lines)


def measure(options) -> tuple[str, dict]:
    clients = present(CLIENTS, options)
    everything, parts = {}, []
    for title, server, requests, concurrency, slowest in SCENARIOS:
        print(f"  {title}", flush=True)
        results = one_scenario(options, clients, server, requests, concurrency, slowest)
        everything[title] = results
        parts.append(f"### {title}\n\n{scenario_table(results, slowest)}")
    return "\n\n".join(parts), everything


METHOD = """Each client runs alone on one core, the server (ours, epoll) on another. The time is \
taken inside the client and includes making its connections, not starting the program. "× floor" \
is the time, or the rate, divided by the floor's in the same round; the median of those is shown."""
