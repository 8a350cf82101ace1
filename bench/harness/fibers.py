"""The table of what functions on stacks of their own cost."""

from .peers import FIBER_METRICS, FIBERS
from .primitives import SLICES, measure_metrics


def measure(options) -> tuple[str, dict]:
    return measure_metrics(FIBER_METRICS, FIBERS, options)


METHOD = SLICES + """ Boost.Context is the floor: switches between stacks that are there already, \
and nothing else. Entering is `co_await fiber::run(f)`, `asio::spawn` inside a handler, and \
`gevent.spawn(f).get()`. Bytes are the growth of resident memory over 20,000 waiting fibers, \
everything counted."""
