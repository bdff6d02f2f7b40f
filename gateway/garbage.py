"""Keep the garbage collector out of the way of a process that serves."""

import gc

from gateway import memory

COLLECT_EVERY = (10_000, 10, 10)
"""More objects than the requests under way consist of: with fewer, each look goes through these."""


def settle() -> None:
    """
    Leave what is there now alone for good, and look less often through what comes.

    Under load the collector looked through everything once a second (tables of numbers and prices
    above all), for 100 ms in which nobody was served. Nearly all garbage goes without it. What
    starting needed and left free, about 28 MiB, goes back to the system.
    """
    keep()
    gc.set_threshold(*COLLECT_EVERY)


def keep() -> None:
    """Leave what is there now alone for good: after loading what is large and stays."""
    gc.collect()
    memory.give_back()
    gc.freeze()
