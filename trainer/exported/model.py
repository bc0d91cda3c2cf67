"""A SavedModel in memory, whose signatures can be called from several threads.

To ask a model is to run its graph, which could do anything that TensorFlow can, read and write files among it. So this
is the only place that loads one, and only where a person has named it as the model to ask.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from trainer.estimator.contract.export import DEFAULT_SIGNATURE
from trainer.estimator.saving import export_manifest
from trainer.exported import signatures
from trainer.exported.signatures import Signature
from trainer.job import spelling
from trainer.job.errors import DataError, UsageError


class Model:
    """An export that can be asked.

    Args:
      directory: of the SavedModel, local. It is not read any more once this is made.

    Attributes:
      signatures: by name.

    Raises:
      DataError: it is damaged, or cannot be loaded.
    """

    def __init__(self, directory: str) -> None:
        export_manifest.check(directory)
        self.signatures = signatures.read(directory)
        try:
            self._loaded = tf.saved_model.load(directory)
        except (tf.errors.OpError, OSError, ValueError, KeyError, TypeError) as error:
            got = f"{directory} cannot be loaded ({type(error).__name__}: {str(error).splitlines()[0]})"
            raise DataError(got, "a SavedModel that is whole", "Copy or export it anew") from error

    def signature(self, name: str | None) -> Signature:
        """The signature of a name.

        Args:
          name: None for the default one.

        Raises:
          UsageError: there is none.
        """
        wanted = DEFAULT_SIGNATURE if name is None else name
        if wanted not in self.signatures:
            there = ", ".join(self.signatures)
            do = spelling.suggestion(wanted, self.signatures, "Name one of these")
            raise UsageError(f"The model has no signature {wanted!r}", there, do)
        return self.signatures[wanted]

    def call(self, signature: Signature, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The outputs [batch, …] of a signature, by name.

        Args:
          signature: of this model.
          inputs: [batch, …], by name.

        Raises:
          tf.errors.OpError: the graph refuses the values.
        """
        outputs: dict[str, tf.Tensor] = self._loaded.signatures[signature.name](**inputs)
        return outputs
