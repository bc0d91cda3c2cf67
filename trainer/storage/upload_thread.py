"""Uploads in the background, in order, what a process writes to its scratch directory.

Training does not wait for it: while the bucket is unreachable the uploads stay queued, with their files, in the scratch
directory, and are made when the bucket answers again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from trainer.storage.errors import FencedError, StorageError
from trainer.storage.upload_queue import UploadQueue
from trainer.storage.uploader import Uploader
from trainer.storage.uploads import Checkpoints, Upload

log = logging.getLogger("trainer")

_BETWEEN_WRITES_SECS = 1.05  # buckets take one write a second of an object
_LONGEST_WAIT_SECS = 15.0


class UploadThread:
    """One thread that works through a queue of uploads; started by the first of them.

    Args:
      uploader: makes one upload.
      queue: of uploads.
      url: of the folder, for the log.
      clock: seconds.

    Attributes:
      last_error: why the upload that was tried last failed; None where it succeeded.
      fenced: set when another process took over; nothing is uploaded from then on.
      on_fenced: called with the reason at that moment, in this thread.
      on_idle: called about once a second while nothing is queued, in this thread; posts what has become due.
    """

    def __init__(
        self,
        uploader: Uploader,
        queue: UploadQueue,
        url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._uploader, self._queue, self._url, self._clock = uploader, queue, url, clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running: Upload | None = None
        self._closing = False
        self._end = math.inf
        self._written_at: dict[str, float] = {}
        self._failures = 0
        self.last_error: StorageError | None = None
        self.fenced: FencedError | None = None
        self.on_fenced: Callable[[str], None] = lambda reason: None
        self.on_idle: Callable[[], None] = lambda: None

    def post(self, upload: Upload) -> None:
        """Queues an upload. It replaces a queued one with the same key."""
        with self._changed:
            if self.fenced is None:
                self._queue.add(upload, self._running)
                self._start()
                self._changed.notify_all()

    def start(self) -> None:
        """Begins with what is in the queue already."""
        with self._changed:
            if self._queue.pending:
                self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="upload", daemon=True)
            self._thread.start()

    def flush(self, secs: float) -> bool:
        """Waits until the queue is empty; False when that took too long, or another process took over."""
        until = self._clock() + secs
        with self._changed:
            self._changed.notify_all()
            while self._queue.pending and self.fenced is None and (left := min(until, self._end) - self._clock()) > 0:
                self._changed.wait(left)
            return not self._queue.pending and self.fenced is None

    def hurry(self, secs: float) -> None:
        """From now on, also where something waits already, no flush waits beyond so many seconds from now."""
        with self._changed:
            self._end = min(self._end, self._clock() + secs)
            self._changed.notify_all()

    @property
    def pending(self) -> list[Upload]:
        """What is not uploaded yet, in its order."""
        with self._changed:
            return list(self._queue.pending)

    def close(self) -> None:
        """Ends the thread; what is not uploaded stays in the queue."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=60)

    def _work(self) -> None:
        while not self._closing and self.fenced is None:
            upload = self._next()
            if upload is not None:
                self._attempt(upload)

    def _next(self) -> Upload | None:
        """The first upload once its turn has come; None when there is something else to look at."""
        with self._changed:
            if not self._queue.pending:
                self._changed.wait(timeout=1.0)
            else:
                first = self._queue.pending[0]
                early = self._written_at.get(first.key, -_BETWEEN_WRITES_SECS) + _BETWEEN_WRITES_SECS - self._clock()
                if early <= 0:
                    self._running = first
                    return first
                self._changed.wait(timeout=early)
        try:
            self.on_idle()
        except Exception:  # the next one may succeed; without this thread nothing would be uploaded any more
            log.debug("Looking for more to upload failed.", exc_info=True)
        return None

    def _attempt(self, upload: Upload) -> None:
        try:
            uploaded = self._uploader.run(upload, lambda: self._superseded(upload))
        except FencedError as error:
            self._give_up(error)
        except Exception as error:  # nobody would notice until the end that the thread died
            self._postpone(upload, error)
        else:
            self._done(upload, uploaded)

    def _superseded(self, upload: Upload) -> bool:
        with self._changed:
            return any(item.key == upload.key and item is not upload for item in self._queue.pending)

    def _done(self, upload: Upload, uploaded: bool) -> None:
        if self._failures:
            log.info("%s answers again; uploading what was queued.", self._url)
        if uploaded and isinstance(upload, Checkpoints):
            log.debug("%s is in %s.", upload.newest, self._url)
        with self._changed:
            self._failures, self.last_error, self._running = 0, None, None
            self._written_at[upload.key] = self._clock()
            self._queue.remove(upload)
            self._changed.notify_all()

    def _postpone(self, upload: Upload, error: Exception) -> None:
        if not isinstance(error, StorageError):
            error = StorageError(f"Uploading {upload.key} failed: {type(error).__name__}: {error}")
        if not self._failures:
            log.warning("%s. Training continues; uploads are queued until the bucket answers.", error.got)
        with self._changed:
            self._failures, self.last_error, self._running = self._failures + 1, error, None
            if not self._closing:
                self._changed.wait(timeout=min(_LONGEST_WAIT_SECS, 2.0 ** min(self._failures, 8) / 2))

    def _give_up(self, error: FencedError) -> None:
        log.error("%s", error)
        with self._changed:
            self.fenced, self._running = error, None
            self._queue.clear()
            self._changed.notify_all()
        self.on_fenced("another process took over the directory")
