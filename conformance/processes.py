"""Worker processes: fresh interpreters, which end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from conformance.case import Case

CASES_PER_PROCESS = 25
"""a second process has to import torch first, which fewer cases do not repay"""

Result = TypeVar("Result")


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1


def on_processes(
    function: Callable[[Case], Result], cases: Sequence[Case], start: Callable[..., None], *arguments: object
) -> Iterator[Result]:
    """A function of every case, in order, on as many worker processes as repay their start.

    ``start`` prepares a worker; where there are few cases this process does the work, and no other is started.
    """
    processes = min(cores(), max(len(cases) // CASES_PER_PROCESS, 1))
    if processes == 1:
        start_process()
        yield from map(function, cases)
        return
    with workers(processes, start, *arguments) as pool:
        yield from pool.map(function, cases, chunksize=4)


def start_process() -> None:
    """Keep this process to one thread: processes share the cores, and more threads each would slow all of them."""
    from conformance.adapters import pytorch

    threadpool_limits(1)
    pytorch.use_one_thread()


@contextmanager
def workers(count: int, start: Callable[..., object], *arguments: object) -> Iterator[ProcessPoolExecutor]:
    """So many workers, each prepared by ``start``, a function of a module."""
    # torch does not survive a fork once it has started threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, partial(_begin, start, *arguments)) as pool:
        try:
            yield pool
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            # to leave the pool is to wait for what is running, which may be a user's function without end
            for child in multiprocessing.active_children():
                child.kill()
            raise


def end_with_parent() -> None:
    """Let this process end when the one that started it has ended, in whatever way: no queue tells a worker."""
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _begin(start: Callable[..., object], *arguments: object) -> None:
    end_with_parent()
    start(*arguments)
