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


COUNTS = {"await": 2_000_000, "spawn_join": 200_000, "switch": 500_000, "timer": 300_000,
          "task_bytes": 200_000}


async def main(metric):
    count = COUNTS[metric]
    if metric == "task_bytes":
        return await task_bytes(count)
    began = time.monotonic_ns()
    await globals()[f"measure_{metric}"](count)
    return (time.monotonic_ns() - began) / count


print(json.dumps({"metric": sys.argv[1], "value": asyncio.run(main(sys.argv[1]))}))
