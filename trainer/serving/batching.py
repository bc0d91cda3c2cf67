"""Rows of several requests, asked together: while the model is busy, those that come wait for each other.

A request that finds a thread free is asked at once, or after `wait_secs`. What comes while all threads are busy is
joined, by signature and shape, up to `most_rows`. So single requests are quick, and many of them share calls.

A call that has lately taken less than it costs to wake a thread and to be woken by it is made in the event loop itself.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import time
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import Executor

from trainer.exported.model import Model
from trainer.exported.signatures import Signature
from trainer.serving import asking
from trainer.serving.faults import RequestFault
from trainer.serving.rest import Arrays, Question

_RETRY_SECS = 1
_LATELY = 8
_SHORT_SECS = 0.002


@dataclasses.dataclass(eq=False)
class Waiting:
    """A request whose answer somebody waits for.

    Attributes:
      inputs: [rows, …], by name.
      rows: how many.
      answer: the outputs [rows, …], by name.
      since: seconds of the loop's clock.
    """

    inputs: Arrays
    rows: int
    answer: asyncio.Future[Arrays]
    since: float


@dataclasses.dataclass(eq=False)
class _Lane:
    """Requests that can be asked together, the oldest first."""

    model: Model
    signature: Signature
    can_join: bool
    waiting: list[Waiting] = dataclasses.field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.waiting)

    def take(self, most_rows: int) -> list[Waiting]:
        """The oldest ones, as many as fit; always one."""
        taken = [self.waiting.pop(0)]
        rows = taken[0].rows
        while self.waiting and rows + self.waiting[0].rows <= most_rows:
            rows += self.waiting[0].rows
            taken.append(self.waiting.pop(0))
        return taken


class Batcher:
    """Asks models in threads. Everything else of it happens in one event loop.

    Args:
      pool: of the threads.
      threads: how many it has.
      most_rows: of a call.
      wait_secs: how long rows wait for others though a thread is free.
      most_queued: rows that wait, at most.
      told: hears the rows of each call.
    """

    def __init__(
        self,
        pool: Executor,
        threads: int,
        *,
        most_rows: int,
        wait_secs: float,
        most_queued: int,
        told: Callable[[int], None],
    ) -> None:
        self._pool, self._free, self._told = pool, threads, told
        self._most_rows, self._wait_secs, self._most_queued = most_rows, wait_secs, most_queued
        self._lanes: dict[Hashable, _Lane] = {}
        self._will_look = False
        self._secs: weakref.WeakKeyDictionary[Model, dict[Hashable, collections.deque[float]]]
        self._secs = weakref.WeakKeyDictionary()
        self.queued = 0

    async def ask(self, model: Model, question: Question) -> Arrays:
        """The outputs [rows, …] for a request, by name.

        Args:
          model: that has the signature of the request.
          question: the request.

        Raises:
          RequestFault: too many rows wait, or the model refuses the values.
        """
        rows = question.rows or 1
        if self.queued and self.queued + rows > self._most_queued:
            raise RequestFault(429, f"{self.queued} rows wait already", _RETRY_SECS)
        loop = asyncio.get_running_loop()
        waiting = Waiting(question.inputs, rows, loop.create_future(), loop.time())
        key = self._key(model, question)
        lane = self._lanes.setdefault(key, _Lane(model, question.signature, isinstance(key, tuple)))
        lane.waiting.append(waiting)
        self.queued += rows
        if not self._will_look:  # after the requests that came in the same moment
            self._will_look = True
            loop.call_soon(self._look)
        return await waiting.answer

    def _key(self, model: Model, question: Question) -> Hashable:
        """Equal for requests whose rows can be joined."""
        if not question.signature.has_rows or question.rows is None:
            return object()
        shapes = tuple(array.shape[1:] for array in question.inputs.values())
        return id(model), question.signature.name, shapes

    def _look(self) -> None:
        """Gives work to free threads."""
        self._will_look = False
        loop = asyncio.get_running_loop()
        while self._free and self._lanes:
            key, lane = min(self._lanes.items(), key=lambda item: item[1].waiting[0].since)
            due = lane.waiting[0].since + self._wait_secs
            if lane.rows < self._most_rows and loop.time() < due:
                loop.call_at(due, self._look)
                return
            taken = lane.take(self._most_rows)
            if not lane.waiting:
                del self._lanes[key]
            self._told(sum(each.rows for each in taken))
            self._begin(lane, taken)

    def _begin(self, lane: _Lane, taken: list[Waiting]) -> None:
        """Asks, here or in a thread."""
        call = functools.partial(self._timed, lane, [(each.inputs, each.rows) for each in taken])
        self._free -= 1
        if self._is_short(lane, taken):
            done: asyncio.Future[list[Arrays | RequestFault]] = asyncio.get_running_loop().create_future()
            try:
                done.set_result(call())
            except Exception as error:  # told to whoever waits, as that of a thread is
                done.set_exception(error)
            self._done(done, taken)
            return
        work = asyncio.get_running_loop().run_in_executor(self._pool, call)
        work.add_done_callback(functools.partial(self._done, taken=taken, looks=True))

    def _timed(self, lane: _Lane, requests: list[tuple[Arrays, int]]) -> list[Arrays | RequestFault]:
        began = time.perf_counter()
        answers = asking.answers(lane.model, lane.signature, requests, can_join=lane.can_join)
        self._lately(lane, sum(rows for _, rows in requests)).append(time.perf_counter() - began)
        return answers

    def _lately(self, lane: _Lane, rows: int) -> collections.deque[float]:
        """Seconds of the last calls of about so many rows."""
        sizes = self._secs.setdefault(lane.model, {})
        return sizes.setdefault((lane.signature.name, rows.bit_length()), collections.deque(maxlen=_LATELY))

    def _is_short(self, lane: _Lane, taken: list[Waiting]) -> bool:
        """Whether a call is likely to be over soon: the shortest lately, for all else is the machine's doing."""
        lately = self._lately(lane, sum(each.rows for each in taken))
        return lane.can_join and len(lately) == _LATELY and min(lately) < _SHORT_SECS

    def _done(
        self, work: asyncio.Future[list[Arrays | RequestFault]], taken: list[Waiting], looks: bool = False
    ) -> None:
        self._free += 1
        self.queued -= sum(each.rows for each in taken)
        failure = work.exception()
        for number, each in enumerate(taken):
            if each.answer.done():  # whoever asked has gone
                continue
            found = failure if failure is not None else work.result()[number]
            if isinstance(found, BaseException):
                each.answer.set_exception(found)
            else:
                each.answer.set_result(found)
        if looks:
            self._look()
