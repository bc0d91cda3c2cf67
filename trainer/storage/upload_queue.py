"""The uploads still to be made, in order, kept on disk for the next process on this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from trainer.job import records
from trainer.job.records import DamagedRecordError
from trainer.storage import uploads
from trainer.storage.uploads import Upload

_log = logging.getLogger(__name__)

FILE = "upload_queue.json"


class UploadQueue:
    """A queue in which an upload replaces an older one of the same file. Not safe in threads by itself.

    Args:
      directory: of the scratch.
      owner: token of this process; "" for one that does not own the folder.
      pending: the uploads that an earlier process left.
    """

    def __init__(self, directory: str, owner: str = "", pending: Sequence[Upload] = ()) -> None:
        self._file, self.owner, self.pending = Path(directory, FILE), owner, list(pending)
        self._is_told = False
        self._keep()

    def rename(self, owner: str) -> None:
        """Hands the queue to another owner."""
        self.owner = owner
        self._keep()

    def add(self, upload: Upload, running: Upload | None) -> None:
        """Appends an upload. An older one with the same key is dropped, unless it is `running`."""
        self.pending = [item for item in self.pending if item.key != upload.key or item is running]
        self.pending.append(upload)
        self._try_to_keep()

    def remove(self, upload: Upload) -> None:
        """Drops this very upload: one that equals it may have been added since."""
        self.pending = [item for item in self.pending if item is not upload]
        self._try_to_keep()

    def clear(self) -> None:
        """Drops all uploads."""
        self.pending = []
        self._try_to_keep()

    def _try_to_keep(self) -> None:
        """As `_keep`. On a full disk the uploads are made all the same; the next process knows less of them."""
        try:
            self._keep()
        except OSError as error:
            if not self._is_told:
                _log.warning("%s cannot be written (%s): a restart here may upload less.", self._file, error.strerror)
            self._is_told = True

    def _keep(self) -> None:
        text = json.dumps(records.sealed({"owner": self.owner, "pending": uploads.dumps(self.pending)}))
        fresh = self._file.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self._file)


def left_behind(directory: str) -> tuple[str, list[Upload]]:
    """The owner and the uploads that an earlier process left in a scratch directory."""
    try:
        content = Path(directory, FILE).read_bytes()
        record = records.parsed(content, str(Path(directory, FILE)), {"owner": str, "pending": str})
        return record["owner"], uploads.loads(record["pending"])
    except FileNotFoundError:
        return "", []
    except (DamagedRecordError, ValueError, KeyError, TypeError, AttributeError) as error:
        got = error.got if isinstance(error, DamagedRecordError) else f"{FILE} in {directory} is not a queue of ours"
        _log.warning("%s. What an earlier process had still to upload is left in %s.", got, directory)
        return "", []
