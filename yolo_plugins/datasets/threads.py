"""Threads that read and decode pictures."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor


@functools.cache
def thread_pool() -> ThreadPoolExecutor:
    """A pool that stays as long as its process.

    A thread that ends takes what OpenCV keeps for it along, under a lock. A data loader's worker that is forked at that
    moment inherits the lock held, and waits for it forever; so no thread ends before the process does.
    """
    return ThreadPoolExecutor()


if hasattr(os, "register_at_fork"):  # Windows has none
    os.register_at_fork(after_in_child=thread_pool.cache_clear)  # threads do not live on in a fork
