"""Runs of an experiment in other processes, which never outlive this one and never multiply."""

import ctypes
import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from joblib import Parallel, delayed, parallel_config
from joblib.parallel import BACKENDS, DEFAULT_BACKEND, get_active_backend
from threadpoolctl import threadpool_limits

from course_utils.environment.machine import release_memory

# imported at first use, by optimisers and by metrics: better once than in each worker
USED_BY_EACH_RUN = ("torch._dynamo", "sklearn.metrics")


PR_SET_PDEATHSIG = 1  # of Linux's sys/prctl.h


LONGEST_LINE = 300  # letters of a foreign error message that are repeated


# Held while this process has runs to do. Who finds it held (a run that calls repeat, another
# thread, a forked process) does its own runs where it is: so workers never have workers.
_busy = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _busy.acquire(blocking=False))


@dataclass(frozen=True)
class Failure:
    """Why a run found nothing: one line, and the error itself where there is one."""

    line: str
    cause: BaseException | None = None


def run_all(
    runs: Sequence[Callable[[], Any]], num_workers: int
) -> Generator[tuple[int | None, Any], None, None]:
    """Yield the place of each run in the list and what it found or its `Failure`, as they end.

    Forked workers share the memory of libraries and data with this process: on Linux that saves
    hundreds of megabytes each, and the time to import torch again. A process that may use CUDA
    cannot be forked, and other systems fork unsafely or not at all: there, and where the caller
    chose a backend of joblib (`joblib.parallel_config`), joblib has the workers.

    Close the iterator to end the workers.
    """
    backend, _ = get_active_backend()
    is_inside = multiprocessing.parent_process() is not None or backend.nesting_level
    is_first = not is_inside and _busy.acquire(blocking=False)
    try:
        if num_workers == 1 or not is_first:
            yield from ((place, _attempt(run, Exception)) for place, run in enumerate(runs))
        elif not isinstance(backend, BACKENDS[DEFAULT_BACKEND]) or not _can_fork():
            yield from _in_joblib(runs, num_workers)
        else:
            with _shared_memory():
                yield from _in_forks(runs, min(num_workers, len(runs)))
    finally:
        if is_first:
            _busy.release()


def _can_fork() -> bool:
    return sys.platform == "linux" and not torch.cuda.is_available()


def _attempt(run: Callable[[], dict], caught: type[BaseException]) -> object:
    """Return what a run finds on one thread, or its `Failure`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two processes with two threads each are far slower on two cores
    try:
        with threadpool_limits(limits=1):  # those of numpy, scipy and scikit-learn wait by spinning
            return run()
    except caught as error:
        return Failure(_first_line(error), error)
    finally:
        torch.set_num_threads(threads)


def _first_line(error: BaseException) -> str:
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return lines[0][:LONGEST_LINE]


def _packed(place: int, run: Callable[[], dict]) -> bytes:
    """Return as bytes what a run finds; an error apart, as not every one can be sent."""
    found = _attempt(run, BaseException)
    try:
        if not isinstance(found, Failure):
            return pickle.dumps((place, found, None, ""))
    except Exception as error:
        found = Failure(f"what it found cannot be sent: {_first_line(error)}", error)
    text = "".join(traceback.format_exception(found.cause))
    try:
        cause = pickle.dumps(found.cause)
    except Exception:
        cause = b""
    return pickle.dumps((place, Failure(found.line), cause, text))


def _unpacked(data: bytes) -> tuple[int, object]:
    """Undo `_packed`; an error that cannot be rebuilt becomes one with the same text."""
    place, found, cause, text = pickle.loads(data)
    if not isinstance(found, Failure):
        return place, found
    try:
        error = pickle.loads(cause)
    except Exception:  # whatever a foreign class does when it is rebuilt
        error = None
    if not isinstance(error, BaseException):
        error = RuntimeError(found.line)
    error.add_note(f"In the worker:\n{text}")
    return place, Failure(found.line, error)


def _in_joblib(runs, num_workers):
    parallel = Parallel(n_jobs=num_workers, return_as="generator_unordered")
    sent = parallel(delayed(_packed)(place, run) for place, run in enumerate(runs))
    try:
        yield from map(_unpacked, sent)
    except Exception as error:  # of joblib, which does not say whose worker ended
        yield None, Failure(f"joblib: {_first_line(error)}", error)


@contextmanager
def _shared_memory() -> Iterator[None]:
    """Keep what is here now in pages that workers share: one that writes to a page copies it.

    Looking for garbage writes to each object, so what is here now is left out of that. In each
    worker this saves 150 MB.
    """
    for name in USED_BY_EACH_RUN:
        importlib.import_module(name)
    release_memory()
    was_frozen = gc.get_freeze_count() > 0
    gc.freeze()
    try:
        yield
    finally:
        if not was_frozen:
            gc.unfreeze()


def _in_forks(runs, num_workers):
    workers: dict[Connection, BaseProcess] = {}
    running: dict[Connection, int] = {}
    places, failed = iter(range(len(runs))), []
    try:
        for _ in range(num_workers):
            connection, worker = _start(runs, list(workers))
            workers[connection] = worker
            _hand_out(connection, next(places), running)
        while running:
            # a process that a dead worker left behind may hold its pipe open: look at both
            ready = wait(list(running), timeout=1)
            for connection in ready or [c for c in running if not workers[c].is_alive()]:
                place, found = _received(connection, running.pop(connection), workers[connection])
                if isinstance(found, Failure):
                    failed.append((place, found))
                    places = iter(())  # no more are started; those that run may end
                else:
                    yield place, found
                if (following := next(places, None)) is not None:
                    _hand_out(connection, following, running)
        yield from failed
    finally:
        _end(workers, at_once=bool(running))


def _start(runs, others):
    """Fork a worker: given at the fork, runs and their data are not copied nor pickled."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    arguments = (runs, theirs, [*others, ours], os.getpid())
    worker = context.Process(target=_work, args=arguments)
    worker.start()
    theirs.close()
    return ours, worker


def _work(runs, connection, of_parent, parent):
    """Do the runs that are asked for, in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # when the parent's thread is gone
    if os.getppid() != parent:  # it was gone before that
        return
    for each in of_parent:  # else a pipe stays open when the parent closes its end
        each.close()
    # a run that uses joblib itself, as sklearn does, starts nothing: workers never have workers,
    # and those that the parent has had do not answer a fork
    with suppress(EOFError), parallel_config(backend="sequential"):  # EOF: no more runs
        while True:
            place = connection.recv()
            data = _packed(place, runs[place])
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            connection.send_bytes(data)


def _hand_out(connection, place, running):
    running[connection] = place
    with suppress(OSError):  # of a worker that has died since: noticed when its answer is awaited
        connection.send(place)


def _received(connection, place, worker):
    """Return the place of a run and what it found, or how its worker has died."""
    try:
        if connection.poll():
            return _unpacked(connection.recv_bytes())
    except (EOFError, OSError):
        pass
    worker.join(1)
    code = worker.exitcode
    line = f"its process ended with exit code {code}; a run must return, not exit"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        line = f"its process was ended by {name}, often for lack of memory; give num_workers=1"
    return place, Failure(line)


def _end(workers, *, at_once):
    """End all workers: idle ones end by themselves once their pipe is closed."""
    for connection, worker in workers.items():
        connection.close()
        if at_once:
            worker.kill()
    for worker in workers.values():
        worker.join(1)
        worker.kill()
        worker.join()
