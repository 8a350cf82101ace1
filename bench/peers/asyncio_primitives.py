"""asyncio's primitives: asyncio_primitives.py METRIC, see bench/support/primitives.hpp."""

import asyncio
import json
import sys
import time


async def child():
    return 1


async def measure_await(count):
    for _ in range(count):
        await child()


async def measure_spawn_join(count):
    for _ in range(count):
        await asyncio.create_task(child())


async def measure_switch(count):
    async def yielding():
        for _ in range(count // 2):
            await asyncio.sleep(0)

    await asyncio.gather(yielding(), yielding())


async def measure_timer(count):
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(3600 + i % 1000, int) for i in range(count)]
    for timer in timers:
        timer.cancel()
    await asyncio.sleep(0)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


async def task_bytes(count):
    event = asyncio.Event()
    before = resident()
    tasks = [asyncio.create_task(event.wait()) for _ in range(count)]
    await asyncio.sleep(0)
    grown = resident() - before
    event.set()
    await asyncio.gather(*tasks)
    return grown / count


# Slices, and operations of each: see bench/support/metric.hpp.
COUNTS = {"await": (50, 30_000), "spawn_join": (50, 1_000), "switch": (50, 2_000),
          "timer": (4, 300_000)}


async def main(metric):
    if metric == "task_bytes":
        return [await task_bytes(200_000)]
    slices, count = COUNTS[metric]
    values = []
    for _ in range(slices):
        began = time.monotonic_ns()
        await globals()[f"measure_{metric}"](count)
        values.append((time.monotonic_ns() - began) / count)
    return sorted(values)


values = asyncio.run(main(sys.argv[1]))
print(json.dumps({"metric": sys.argv[1], "best": values[0], "median": values[len(values) // 2]}))
