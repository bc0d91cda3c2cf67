"""The version that is served: the newest export of a directory, picked up while its predecessor answers.

The directory is looked at every few seconds. A newer export is loaded and tried beside the one that is served, which
it replaces in one assignment; requests that are under way finish with the old one, which is freed when nobody holds it
any more. An export that cannot be loaded is said once, and tried again when its files change.

Exports of this package appear whole, and hold a manifest by which they are checked. Of others, which somebody may be
copying at this moment, nothing is read before their files have stayed the same from one look to the next.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import threading
from collections.abc import Callable, Hashable

import numpy as np
import tensorflow as tf

from trainer import storage
from trainer.estimator.saving import export_manifest
from trainer.exported import finding
from trainer.exported.finding import Export
from trainer.exported.model import Model
from trainer.exported.signatures import Signature
from trainer.job.errors import DataError, JobError

_log = logging.getLogger("trainer")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A model that answers.

    Attributes:
      export: that it is.
      model: in memory.
    """

    export: Export
    model: Model


class Versions:
    """The exports of a directory, of which the newest that can be loaded is served.

    Args:
      model_dir: local or in a bucket.
      told: hears of each try to load a version, and whether it went well.

    Attributes:
      served: the version that answers; None before the first is loaded.
    """

    def __init__(self, model_dir: str, told: Callable[[int, bool], None] = lambda version, went_well: None) -> None:
        self._model_dir, self._told = storage.resolved(model_dir), told
        self.served: Served | None = None
        self._failed: dict[Export, Hashable] = {}
        self._seen: dict[Export, Hashable] = {}
        self._retired = False

    def begin(self) -> None:
        """Loads the first version.

        Raises:
          UsageError: there is none.
          JobError: none can be loaded.
        """
        found = finding.all_below(self._model_dir)
        if not found:
            raise finding.none_in(self._model_dir)
        for export in reversed(found):
            if self._tried(export, _fingerprint(export)):
                return
        got = f"None of the {len(found)} exports of {self._model_dir} can be loaded"
        raise DataError(got, "one that is whole", "Each is named in a line above")

    def look(self) -> None:
        """Loads the newest version, if it is not the one that is served."""
        if self._retired:
            self._retired = False
            gc.collect()  # a model in memory refers to itself
        try:
            found = finding.all_below(self._model_dir)
            for export in reversed(found):
                if self.served is not None and export == self.served.export:
                    return
                if self._is_due(export) and self._tried(export, self._seen[export]):
                    return
        except JobError as error:
            _log.warning("Looking for a newer export failed: %s", error)

    def follow(self, poll_secs: float, stopped: threading.Event) -> None:
        """Looks again and again, in a thread of its own, until it is stopped."""
        while not stopped.wait(poll_secs):
            self.look()

    def _is_due(self, export: Export) -> bool:
        """Whether an export is whole, as far as its files tell, and has not failed as it is."""
        now = _fingerprint(export)
        before = self._seen.get(export)
        self._seen[export] = now
        if self._failed.get(export) == now:
            return False
        return before == now or storage.exists(storage.join(export.path, export_manifest.FILE))

    def _tried(self, export: Export, fingerprint: Hashable) -> bool:
        """Loads an export and serves it; whether that went well."""
        try:
            with finding.on_disk(export) as directory:
                model = Model(directory)
            _try(model)
        except JobError as error:
            self._failed[export] = fingerprint
            self._told(export.version, False)
            _log.warning("Version %d is not served: %s", export.version, error)
            return False
        self._retired = self.served is not None
        self.served = Served(export=export, model=model)
        self._told(export.version, True)
        _log.info("Version %d is served, from %s.", export.version, export.path)
        return True


def _fingerprint(export: Export) -> Hashable:
    """What changes when one of the files of an export does."""
    return tuple((entry.path, entry.size, entry.generation) for entry in storage.entries(export.path.rstrip("/") + "/"))


def _try(model: Model) -> None:
    """Asks each signature of numbers once, so that the first client does not wait for what happens only once."""
    for signature in model.signatures.values():
        zeros = _zeros(signature)
        if zeros is not None:
            try:
                model.call(signature, zeros)
            except tf.errors.OpError as error:
                _log.info("The signature %s does not answer zeros: %s", signature.name, type(error).__name__)


def _zeros(signature: Signature) -> dict[str, tf.Tensor] | None:
    """A row of zeros [1, …] for each input; None where it takes something else than numbers."""
    rows = signature.batch_size or 1
    made = {}
    for name, port in signature.inputs.items():
        if port.dtype == tf.string or port.row_shape is None:
            return None
        shape = [rows, *(size or 1 for size in port.row_shape)]
        made[name] = tf.constant(np.zeros(shape), port.dtype)
    return made
