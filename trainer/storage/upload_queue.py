"""What is still to be delivered, in order, kept on disk so that the next process on this machine knows it too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from trainer.storage import deliveries
from trainer.storage.deliveries import Delivery

FILE = "outbox.json"


class UploadQueue:
    """A queue in which what is sent again takes the place of what was not yet sent. Not safe in threads by itself.

    Args:
      directory: of the scratch.
      owner: token of this process, "" for one that owns no commit object.
      pending: what an earlier process left.
    """

    def __init__(self, directory: str, owner: str = "", pending: Sequence[Delivery] = ()) -> None:
        self._file, self.owner, self.pending = Path(directory, FILE), owner, list(pending)
        self._keep()

    def rename(self, owner: str) -> None:
        """From now on it is that owner's."""
        self.owner = owner
        self._keep()

    def add(self, delivery: Delivery, running: Delivery | None) -> None:
        """Puts a delivery last. An older one of its key is dropped, unless it is `running`."""
        self.pending = [item for item in self.pending if item.key != delivery.key or item is running]
        self.pending.append(delivery)
        self._keep()

    def remove(self, delivery: Delivery) -> None:
        self.pending = [item for item in self.pending if item is not delivery]
        self._keep()

    def clear(self) -> None:
        self.pending = []
        self._keep()

    def _keep(self) -> None:
        text = json.dumps({"owner": self.owner, "pending": deliveries.dumps(self.pending)})
        fresh = self._file.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self._file)


def left_behind(directory: str) -> tuple[str, list[Delivery]]:
    """The owner and the deliveries that an earlier process left in a scratch directory."""
    try:
        record = json.loads(Path(directory, FILE).read_text(encoding="utf-8"))
        return str(record["owner"]), deliveries.loads(record["pending"])
    except FileNotFoundError:
        return "", []
    except (ValueError, KeyError, TypeError, AttributeError):  # it was not ours, or a disk was full
        return "", []
