"""Delivers in the background, in order, what a process leaves in its scratch directory.

Nobody waits for it: while the bucket is away everything queues, in memory, in the scratch directory and in its
outbox, and goes out when the bucket is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from trainer.storage.deliveries import Checkpoints, Delivery
from trainer.storage.errors import StorageError
from trainer.storage.upload_queue import UploadQueue
from trainer.storage.uploader import FencedError, Uploader

log = logging.getLogger("trainer")

_BETWEEN_WRITES_SECS = 1.05  # buckets take one write a second of an object
_LONGEST_WAIT_SECS = 15.0


class UploadThread:
    """One thread that empties an outbox; started by the first delivery.

    Args:
      carrier: of one delivery.
      outbox: the queue.
      tick: called about once a second while the courier is at leisure; posts what has become due.
      clock: seconds.
    """

    def __init__(
        self,
        carrier: Uploader,
        outbox: UploadQueue,
        tick: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._carrier, self._outbox, self._tick, self._clock = carrier, outbox, tick, clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running: Delivery | None = None
        self._closing = False
        self._written_at: dict[str, float] = {}
        self._failures = 0
        self.trouble: StorageError | None = None
        self.fenced: FencedError | None = None
        self.on_fenced: Callable[[str], None] = lambda reason: None

    def post(self, delivery: Delivery) -> None:
        """Delivers later. What is delivered again under the same key is delivered once, as it is then."""
        with self._changed:
            if self.fenced is None:
                self._outbox.add(delivery, self._running)
                self._start()
                self._changed.notify_all()

    def start(self) -> None:
        """Begins to deliver what is in the outbox already."""
        with self._changed:
            if self._outbox.pending:
                self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
            self._thread.start()

    def settle(self, secs: float) -> bool:
        """Waits until everything is delivered; False when that took too long, or can never be."""
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._outbox.pending or self.fenced is not None, secs)
            return not self._outbox.pending and self.fenced is None

    @property
    def pending(self) -> list[Delivery]:
        with self._changed:
            return list(self._outbox.pending)

    def close(self) -> None:
        """Ends the thread; what is not delivered stays in the outbox."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=60)

    def _work(self) -> None:
        while not self._closing and self.fenced is None:
            delivery = self._next()
            if delivery is not None:
                self._attempt(delivery)

    def _next(self) -> Delivery | None:
        """The first delivery once its turn has come; None when there is something else to look at."""
        with self._changed:
            if not self._outbox.pending:
                self._changed.wait(timeout=1.0)
            else:
                first = self._outbox.pending[0]
                early = self._written_at.get(first.key, -_BETWEEN_WRITES_SECS) + _BETWEEN_WRITES_SECS - self._clock()
                if early <= 0:
                    self._running = first
                    return first
                self._changed.wait(timeout=early)
        try:
            self._tick()
        except Exception:  # the next one may succeed; without the courier nothing would be delivered any more
            log.debug("Looking for what has become due failed.", exc_info=True)
        return None

    def _attempt(self, delivery: Delivery) -> None:
        try:
            carried = self._carrier.carry(delivery, lambda: self._outdated(delivery))
        except FencedError as error:
            self._give_up(error)
        except Exception as error:  # a courier that dies would be missed by nobody until the end
            self._postpone(delivery, error)
        else:
            self._delivered(delivery, carried)

    def _outdated(self, delivery: Delivery) -> bool:
        with self._changed:
            return any(item.key == delivery.key and item is not delivery for item in self._outbox.pending)

    def _delivered(self, delivery: Delivery, carried: bool) -> None:
        if self._failures:
            log.info("%s answers again; what queued is being delivered.", self._carrier.url)
        if carried and isinstance(delivery, Checkpoints):
            log.debug("%s is in %s.", delivery.newest, self._carrier.url)
        with self._changed:
            self._failures, self.trouble, self._running = 0, None, None
            self._written_at[delivery.key] = self._clock()
            self._outbox.remove(delivery)
            self._changed.notify_all()

    def _postpone(self, delivery: Delivery, error: Exception) -> None:
        if not isinstance(error, StorageError):
            error = StorageError(f"Delivering {delivery.key} failed: {type(error).__name__}: {error}")
        if not self._failures:
            log.warning("%s. Work goes on, and what is to be delivered queues.", error.got)
        with self._changed:
            self._failures, self.trouble, self._running = self._failures + 1, error, None
            if not self._closing:
                self._changed.wait(timeout=min(_LONGEST_WAIT_SECS, 2.0 ** min(self._failures, 8) / 2))

    def _give_up(self, error: FencedError) -> None:
        log.error("%s", error)
        with self._changed:
            self.fenced, self._running = error, None
            self._outbox.clear()
            self._changed.notify_all()
        self.on_fenced("another process took over the directory")
