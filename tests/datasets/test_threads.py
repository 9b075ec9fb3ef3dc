"""Threads that read pictures are there for as long as the process, and anew in a fork."""

import multiprocessing
import os
import threading

import pytest

from yolo_plugins.datasets.image_cache import ImageCache
from yolo_plugins.datasets.threads import thread_pool


def test_no_thread_that_decoded_pictures_ends_before_its_process(synthetic_voc, tmp_path):
    ImageCache(sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[:4], 64, tmp_path)
    first = set(threading.enumerate())
    ImageCache(sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[4:8], 64, tmp_path)
    assert any(thread.name.startswith("ThreadPoolExecutor") for thread in first)
    assert first <= set(threading.enumerate())


def _square_in_a_fork(sender):
    sender.send(thread_pool().submit(lambda: 7 * 7).result(timeout=10))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_has_threads_of_its_own():
    assert thread_pool().submit(lambda: 6 * 7).result() == 42
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_square_in_a_fork, args=(sender,))
    process.start()
    assert receiver.poll(20) and receiver.recv() == 49
    process.join(20)
    assert process.exitcode == 0
