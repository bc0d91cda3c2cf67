"""A training step of a traced model as a function of a batch, and the loop that makes many over a stack of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.hooks import TrainingHook
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.graph.xla.batch_part import BatchPart
from trainer.estimator.graph.xla.rules import ForXla

Step = Callable[..., tuple[tf.Tensor, dict[str, tf.Tensor]]]
"""Takes the flat components of a batch; gives the loss, float32 [], and the fetches by key."""


def fetches_of(traced: TracedModel) -> dict[str, tf.Tensor]:
    """What the last step of a call gives beside the loss: the hooks' tensors and the summaries, of any shapes, by key.

    Keys are `summary/<tag>`, `made/<tag>` of those that not every step makes, and `hook/<index of the hook>/<name>`.
    """
    fetches = {f"summary/{summary.tag}": summary.tensor for summary in traced.summaries}
    fetches |= {f"made/{summary.tag}": summary.made for summary in traced.summaries if summary.made is not None}
    return fetches | asked_by([*traced.spec.training_hooks, *traced.spec.training_chief_hooks])


def asked_by(hooks: Sequence[TrainingHook]) -> dict[str, tf.Tensor]:
    """The tensors of the hooks of a model function, of any shapes, by key."""
    fetches: dict[str, tf.Tensor] = {}
    for index, hook in enumerate(hooks):
        fetches |= {f"hook/{index}/{name}": tf.convert_to_tensor(tensor) for name, tensor in hook.tensors.items()}
    return fetches


def given_to(hook: TrainingHook, hooks: Sequence[TrainingHook], results: Mapping[str, Any]) -> dict[str, Any]:
    """What a step gave a hook, by the hook's own names.

    Args:
      hook: of the model function, or another, which asked for nothing.
      hooks: those of the model function.
      results: what the step gave, by key.
    """
    if not any(hook is one for one in hooks):
        return {}
    prefix = f"hook/{next(index for index, one in enumerate(hooks) if one is hook)}/"
    return {key.removeprefix(prefix): value for key, value in results.items() if key.startswith(prefix)}


def results_of(traced: TracedModel) -> list[Any]:
    """What a step gives: the loss [] and its fetches, of any shapes, by key."""
    return [traced.spec.loss, fetches_of(traced)]


def pruned_step(traced: TracedModel, *, part: BatchPart | None = None, xla: bool = False) -> PrunedFunction:
    """What a step computes, of all that the model function built.

    Args:
      traced: the model.
      part: what is done of its batch before it; None for nothing.
      xla: as XLA is to compile it.
    """
    rule = functools.partial(ForXla, padded_rows=True) if xla else None
    if part is None:
        return traced.prune(results_of(traced), training_operations(traced), rule=rule)
    return traced.prune(results_of(traced), part.operations, part.feeds, without=part.without, rule=rule)


def step_function(traced: TracedModel, pruned: Callable[..., Any] | None = None) -> Step:
    """One step on one batch: the loss before the update, and the fetches. The global step counts exactly one.

    Args:
      traced: the model.
      pruned: its `pruned_step`, or what computes the same; None makes one.
    """
    pruned = pruned or pruned_step(traced)
    global_step = traced.store.global_step

    def step(*batch: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        # A train_op may advance the global step itself, once or twice or never: what it was before decides.
        before = global_step.read_value()
        loss, fetched = pruned(*batch)
        global_step.assign(before + 1)
        return tf.cast(loss, tf.float32), fetched

    return step


def zeros_of(fetches: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Zeros for a loop to start with, in the shapes of the fetches: where one is [None, 3], zeros of [0, 3]."""
    shapes = {key: [dim or 0 for dim in tensor.shape.as_list()] for key, tensor in fetches.items()}
    return {key: tf.zeros(shape, fetches[key].dtype) for key, shape in shapes.items()}


def shapes_of(fetches: Mapping[str, tf.Tensor]) -> dict[str, tf.TensorShape]:
    """The static shapes of the fetches, any like [None, 3], which a loop keeps from step to step."""
    return {key: tensor.shape for key, tensor in fetches.items()}


def stack_loop(step: Step, fetches: Mapping[str, tf.Tensor]) -> Callable[..., Any]:
    """A function that makes steps over a stack of batches.

    Args:
      step: makes one.
      fetches: what it gives beside the loss.

    Returns:
      A function of the stack's components, each [steps, batch, …], and of start and stop, int32 []. It makes the
      steps on batches start to stop - 1, and gives float32 [steps], the losses at the places of their batches, and
      the fetches of the last step made.
    """

    def run(tensors: Sequence[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
        size = tf.shape(tensors[0])[0] if tensors[0].shape[0] is None else tensors[0].shape[0]

        def body(index: tf.Tensor, losses: tf.TensorArray, _: Any) -> Any:
            loss, results = step(*[component[index] for component in tensors])
            return index + 1, losses.write(index, loss), results

        losses = tf.TensorArray(tf.float32, size, element_shape=[])
        _, losses, results = tf.while_loop(
            lambda index, *_: index < stop,
            body,
            [start, losses, zeros_of(fetches)],
            shape_invariants=[start.shape, tf.TensorShape(None), shapes_of(fetches)],
            maximum_iterations=size,
            parallel_iterations=1,  # steps are made one after the other, whatever they read and write
        )
        return losses.stack(), results

    return run
