"""Rows of several requests, asked together: while the model is busy, those that come wait for each other.

A request that finds a thread free is asked at once, or after `wait_secs`. What comes while all threads are busy is
joined, by signature and shape, up to `most_rows`. So single requests are quick, and many of them share calls.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Hashable
from concurrent.futures import Executor

import numpy as np

from trainer.exported.model import Model
from trainer.serving import asking
from trainer.serving.faults import RequestFault
from trainer.serving.rest import Arrays, Question

_RETRY_SECS = 1


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
    question: Question
    waiting: list[Waiting] = dataclasses.field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.waiting)

    def take(self, most_rows: int) -> list[Waiting]:
        """The oldest ones, as many as fit; always one."""
        taken, rows = [self.waiting.pop(0)], 0
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
        lane = self._lanes.setdefault(self._key(model, question), _Lane(model, question))
        lane.waiting.append(waiting)
        self.queued += rows
        self._look()
        return await waiting.answer

    def _key(self, model: Model, question: Question) -> Hashable:
        """Equal for requests whose rows can be joined."""
        if not question.signature.has_rows or question.rows is None:
            return object()
        shapes = tuple(array.shape[1:] for array in question.inputs.values())
        return id(model), question.signature.name, shapes

    def _look(self) -> None:
        """Gives work to free threads."""
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
            self._free -= 1
            self._told(sum(each.rows for each in taken))
            work = loop.run_in_executor(self._pool, asking.answers, lane.model, lane.question.signature, _inputs(taken))
            work.add_done_callback(lambda done, taken=taken: self._done(done, taken))  # type: ignore[misc]

    def _done(self, work: asyncio.Future[list[Arrays | RequestFault]], taken: list[Waiting]) -> None:
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
        self._look()


def _inputs(taken: list[Waiting]) -> list[tuple[Arrays, int]]:
    return [({name: np.asarray(array) for name, array in each.inputs.items()}, each.rows) for each in taken]
