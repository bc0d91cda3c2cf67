"""What a train_op itself does to the global step, of which a step of training makes one whatever that is."""

from __future__ import annotations

import logging

import tensorflow as tf

from trainer.estimator.graph.subgraphs import ancestors
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.variables import GLOBAL_STEP

log = logging.getLogger("trainer")


def counts_of(traced: TracedModel) -> int:
    """How often a step of a traced training advances the global step by itself.

    Two optimizers that are each given the global step, as those of a GAN, advance it twice.
    """
    # Without the order of the program, in which a count that nobody asks for would come before one that is asked for.
    run = ancestors(training_operations(traced), set(), without=traced.program_order)
    counting = [op for op, written in traced.writes.items() if GLOBAL_STEP in written and op in run]
    return len(counting)


def report(traced: TracedModel) -> None:
    """Says that tf.estimator would count otherwise, where it would count more."""
    if isinstance(traced.spec.train_op, tf.Variable):
        return
    count = counts_of(traced)
    if count > 1:
        log.warning(
            "The train_op advances global_step %d times in a step, as with %d calls of minimize(loss, global_step). "
            "A step counts one here, where tf.estimator counted %d, so the same max_steps trains %d times as long. "
            "Divide steps and max_steps by %d to train as long as there, or give global_step to one of the calls.",
            *[count] * 5,
        )
