"""aiohttp's hello server: aiohttp_server.py PORT. No access log, one process."""

import sys

from aiohttp import web


async def hello(request):
    return web.Response(text="Hello, world!")


app = web.Application()
app.router.add_get("/", hello)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None,
            backlog=4096)
