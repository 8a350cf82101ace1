"""aiohttp's client: aiohttp_client.py PORT COUNT CONCURRENCY, as bench/floor/client.cpp."""

import asyncio
import json
import sys
import time

import aiohttp


async def main(port, count, concurrency):
    numbers = iter(range(count))
    answered = 0

    async def worker():
        nonlocal answered
        for number in numbers:
            async with session.get(f"http://127.0.0.1:{port}/{number}") as response:
                await response.read()
                answered += response.status == 200

    began, cpu_began = time.monotonic(), time.process_time()
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(worker() for _ in range(min(count, concurrency))))
        print(json.dumps({"requests": answered, "seconds": time.monotonic() - began,
                          "cpu_seconds": time.process_time() - cpu_began}))


asyncio.run(main(*map(int, sys.argv[1:4])))
