"""What a model function's `Scaffold` says of the start: other names in the checkpoint, and what runs at first."""

from __future__ import annotations

import logging

import tensorflow as tf

from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph.inside import scaffolds
from trainer.estimator.graph.session import GraphSession
from trainer.estimator.graph.tracing import TracedModel

log = logging.getLogger("trainer")


def settle(traced: TracedModel) -> None:
    """Lets the store know under which names a checkpoint has the variables, as moving averages for one.

    Raises:
      ValueError: training would save them under other names.
    """
    saver = traced.spec.scaffold.saver
    if saver is None:
        return
    names = traced.store.names_by_handle()
    elsewhere = {names[id(v.handle)]: key for key, v in scaffolds.saved_as(saver).items() if id(v.handle) in names}
    elsewhere = {name: key for name, key in elsewhere.items() if name != key}
    if traced.mode != ModeKeys.TRAIN:
        traced.store.names_in_checkpoint = elsewhere
    elif elsewhere:
        raise ValueError(
            f"The Scaffold of the training has a saver that saves {next(iter(elsewhere))} under another name. "
            "A checkpoint has each variable under its own name, so that training resumes from it. "
            "Give the saver in EVAL and PREDICT alone: there it says which values are read"
        )
    else:
        log.info("Checkpoints are saved and kept as the RunConfig says, whatever the Scaffold's saver does.")


def _initializers(traced: TracedModel) -> list[tf.Operation]:
    """The ops that the model function has given variables to start by, as `tf.train.init_from_checkpoint` does."""
    given = (getattr(variable, "initializer", None) for variable in traced.store.by_name.values())
    return [op for op in given if isinstance(op, tf.Operation) and op.graph is traced.graph]


def start(traced: TracedModel, *, restored: bool) -> None:
    """Runs what a Scaffold has run before the first step.

    Args:
      traced: whose variables have their values.
      restored: whether those are a checkpoint's; what only initialises them is left out then.
    """
    scaffold = traced.spec.scaffold
    session = GraphSession(traced)
    if not restored:
        own = _initializers(traced)
        if own:
            session.run(own)
        if scaffold.init_op is not None:
            session.run(scaffold.init_op, scaffold.init_feed_dict)
        if scaffold.init_fn is not None:
            scaffold.init_fn(session)
    if scaffold.local_init_op is not None:
        session.run(scaffold.local_init_op)
