"""What happens to bytes on a bad way: a bit flips."""

from __future__ import annotations

from tests.bucket.messages import Content


class Flipped:
    """A file whose first bytes carry one bit that is not what it was; an empty one stays as it is."""

    def __init__(self, file: Content) -> None:
        self._file, self._flipped = file, False

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if data and not self._flipped:
            self._flipped = True
            return flipped(data)
        return data


def flipped(data: bytes) -> bytes:
    """One bit in the middle is another: the lowest, which makes another digit of a digit."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
