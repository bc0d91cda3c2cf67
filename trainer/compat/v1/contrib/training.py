"""`tf.contrib.training`: hyperparameters, and waiting for checkpoints."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN = {
    "HParams": "trainer.compat.v1.contrib.hparams:HParams",
    "checkpoints_iterator": "tensorflow:train.checkpoints_iterator",
}
_ADVICE = {
    "create_train_op": "Use an optimizer's minimize, or tf.contrib.layers.optimize_loss",
    "train": "Use an Estimator",
    "evaluate_repeatedly": "Use train_and_evaluate, whose evaluator is a process of its own",
    "bucket_by_sequence_length": "Use Dataset.bucket_by_sequence_length",
    "stratified_sample": "Use Dataset.rejection_resample",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
