"""Decodes many files in worker processes, in order, whatever the files do to a worker."""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from glasses_signals.media import wire, worker
from glasses_signals.media.decode import DecodeResult, DecodeSettings, DecodeTask

__all__ = ["DecodePool", "DecodeResult", "DecodeSettings", "DecodeTask"]

# One task being decoded and one waiting, so that a worker never idles for the parent.
_IN_FLIGHT = 2
# Per worker: two of them decode a whole unit of `runners` while the one before is recognised.
_LOOK_AHEAD = 32
_LOOK_AHEAD_BYTES = 512 << 20  # of results not taken yet: some ten videos of sixty frames
_ATTEMPTS = 2
_IDLE_S = 0.5  # between looks at who stalls; limits are far longer


@dataclass(slots=True)
class _Job:
    index: int
    task: DecodeTask
    attempts: int = 0


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    channel: socket.socket
    jobs: deque[_Job] = field(default_factory=deque)
    since: float = 0.0  # when it began with its first job

    def give(self, job: _Job) -> None:
        if not self.jobs:
            self.since = time.monotonic()
        self.jobs.append(job)
        # A dead worker shows when its channel is read.
        with contextlib.suppress(OSError):
            wire.send(self.channel, job.task)

    def stop(self) -> int:
        """Kill and reap the process; gives its exit status (negative: the signal)."""
        self.channel.close()
        self.process.kill()
        return self.process.wait()


class DecodePool:
    """Some decode processes. A file that kills or stalls its worker twice gives an error result.

    A context manager; processes start `at_once` on entering, so enter it before loading models, or
    else with the first file, so that none start where only texts come. Up to `look_ahead` tasks per
    worker (and half a gigabyte of results) are decoded ahead of what has been taken, no more.
    """

    def __init__(
        self,
        workers: int = 2,
        settings: DecodeSettings | None = None,
        look_ahead: int = _LOOK_AHEAD,
        at_once: bool = True,
    ) -> None:
        self._count = max(1, workers)
        self._settings = settings or DecodeSettings()
        self._window = look_ahead * self._count
        self._at_once = at_once
        self._entered = False
        self._workers: list[_Worker] = []

    def __enter__(self) -> DecodePool:
        self._entered = True
        if self._at_once:
            self._start_all()
        return self

    def __exit__(self, *exception: object) -> None:
        for one in self._workers:
            one.stop()
        self._workers = []
        self._entered = False

    def decode(self, tasks: Iterable[DecodeTask]) -> Iterator[DecodeResult]:
        """One result per task, in the order of the tasks.

        `tasks` is read in the caller's thread, a little ahead. One call at a time.
        """
        if not self._entered:
            raise RuntimeError("DecodePool is used outside its `with` block")
        run = _Run(self._workers, self._start, self._settings)
        thread = threading.Thread(target=run.serve, name="decode-pool", daemon=True)
        thread.start()
        remaining = enumerate(tasks)
        submitted = taken = 0
        exhausted = False
        try:
            while True:
                while not exhausted and submitted - taken < self._window:
                    following = next(remaining, None)
                    if following is None:
                        exhausted = True
                        break
                    if not self._workers and following[1].kind != "text":
                        self._start_all()
                    run.submit(_Job(*following))
                    submitted += 1
                if taken == submitted:
                    return
                yield run.result(taken)
                taken += 1
        finally:
            run.finish()
            thread.join()
            run.close()

    def _start_all(self) -> None:
        self._workers += [self._start() for _ in range(self._count)]

    def _start(self) -> _Worker:
        return _Worker(*worker.start(self._settings))


class _Run:
    """One call of `decode`: a thread hands out jobs and gathers results while the caller works."""

    def __init__(
        self, workers: list[_Worker], start: Callable[[], _Worker], settings: DecodeSettings
    ) -> None:
        self._workers = workers
        self._start = start
        self._limits = settings.limits
        self._waiting: deque[_Job] = deque()
        self._results: dict[int, DecodeResult] = {}
        self._held_bytes = 0
        self._next = 0
        self._changed = threading.Condition()
        self._finished = False
        self._failure: BaseException | None = None
        self._wake, self._woken = socket.socketpair()

    def submit(self, job: _Job) -> None:
        if job.task.kind == "text":
            self._deliver(job, DecodeResult(job.task.key))
            return
        with self._changed:
            self._waiting.append(job)
        self._wake.send(b"\0")

    def result(self, index: int) -> DecodeResult:
        """Wait for the result of the task at `index`; indices are asked for in order."""
        with self._changed:
            self._next = index
            self._changed.wait_for(lambda: index in self._results or self._failure is not None)
            if self._failure is not None:
                raise RuntimeError("the decode pool failed") from self._failure
            result = self._results.pop(index)
            self._held_bytes -= result.held_bytes
        self._wake.send(b"\0")
        return result

    def finish(self) -> None:
        self._finished = True
        self._wake.send(b"\0")

    def close(self) -> None:
        """Once the thread has ended: it must not close what the caller may still write to."""
        self._wake.close()
        self._woken.close()

    def serve(self) -> None:
        """The thread's work until `finish`: keep workers supplied, gather what they send."""
        try:
            while not self._finished:
                self._hand_out()
                self._gather()
                self._stop_stalled()
        except BaseException as failure:
            with self._changed:
                self._failure = failure
                self._changed.notify_all()
        finally:
            for one in self._workers:
                if one.jobs:  # what it will still answer belongs to no later call
                    self._replace(one)

    def _hand_out(self) -> None:
        for one in sorted(self._workers, key=lambda one: len(one.jobs)):
            while len(one.jobs) < _IN_FLIGHT and (job := self._take_waiting()) is not None:
                one.give(job)

    def _take_waiting(self) -> _Job | None:
        with self._changed:
            if not self._waiting:
                return None
            if self._held_bytes > _LOOK_AHEAD_BYTES and self._waiting[0].index > self._next:
                return None
            return self._waiting.popleft()

    def _gather(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            for one in self._workers:
                selector.register(one.channel, selectors.EVENT_READ, one)
            for key, _ in selector.select(_IDLE_S):
                if key.data is None:
                    self._woken.recv(4096)
                else:
                    self._receive(key.data)

    def _receive(self, one: _Worker) -> None:
        try:
            result = wire.receive(one.channel)
        except (EOFError, OSError):
            self._bury(one, "the decoder died")
            return
        job = one.jobs.popleft()
        one.since = time.monotonic()
        self._deliver(job, result)

    def _deliver(self, job: _Job, result: DecodeResult) -> None:
        with self._changed:
            self._results[job.index] = result
            self._held_bytes += result.held_bytes
            self._changed.notify_all()

    def _stop_stalled(self) -> None:
        now = time.monotonic()
        for one in self._workers:
            if one.jobs:
                limit_s = self._limits.seconds(one.jobs[0].task.kind)
                if now - one.since > limit_s:
                    self._bury(one, f"decoding took over {limit_s:g} s")

    def _bury(self, one: _Worker, reason: str) -> None:
        """Replace a worker; its first job is tried once more, then given up; the others go back."""
        jobs = list(one.jobs)
        status = self._replace(one)
        if jobs:
            guilty = jobs[0]
            guilty.attempts += 1
            if guilty.attempts >= _ATTEMPTS:
                jobs = jobs[1:]
                text = f"{guilty.task.path}: {reason} (exit status {status}), twice"
                self._deliver(guilty, DecodeResult(guilty.task.key, error=text))
        with self._changed:
            self._waiting.extendleft(reversed(jobs))

    def _replace(self, one: _Worker) -> int:
        status = one.stop()
        self._workers[self._workers.index(one)] = self._start()
        return status
