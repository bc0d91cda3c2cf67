"""Small objects that are asked for again and again, at most one request a second for each."""

from __future__ import annotations

import time
from collections.abc import Callable

from trainer.storage.bucket import Bucket
from trainer.storage.entry import ABSENT
from trainer.storage.errors import NotFoundError, UnavailableError

FRESH_SECS = 1.0


class RecentReads:
    """Objects as they were a moment ago; while the bucket is unreachable, as they were when it last answered.

    Args:
      bucket: that holds them.
      clock: seconds.
      fresh_secs: how old an answer may be.
    """

    def __init__(
        self, bucket: Bucket, clock: Callable[[], float] = time.monotonic, fresh_secs: float = FRESH_SECS
    ) -> None:
        self._bucket, self._clock, self._fresh_secs = bucket, clock, fresh_secs
        self._answers: dict[str, tuple[bytes, int, float]] = {}  # content, generation and time by path

    def __contains__(self, path: str) -> bool:
        """Whether an object was read before, there or not."""
        return path in self._answers

    def read(self, path: str) -> bytes | None:
        """The content; None where there is no such object.

        Raises:
          UnavailableError: the bucket never answered for this object.
        """
        answer = self._answers.get(path)
        if answer is None or self._clock() - answer[2] >= self._fresh_secs:
            content, generation = self._read_again(path, answer)
            answer = self._answers[path] = content, generation, self._clock()
        return answer[0] if answer[1] != ABSENT else None

    def _read_again(self, path: str, answer: tuple[bytes, int, float] | None) -> tuple[bytes, int]:
        """Content and generation."""
        try:
            if answer is None or answer[1] == ABSENT:
                return self._bucket.read(path)
            return self._bucket.read_if_changed(path, answer[1]) or answer[:2]
        except NotFoundError:
            return b"", ABSENT
        except UnavailableError:
            if answer is None:
                raise
            return answer[:2]  # whoever asks now and then learns more when the bucket answers again
