"""The inner loop: many training steps in one device call, with no Python among them.

Where the data can be stacked, a call is one program over a stack of batches `[steps, batch, …]`, compiled by XLA
where XLA can compile the model and the training is long enough for that (`compile_policy`), else run as a graph. Where
they cannot (unknown dimensions, sparse or ragged tensors), the loop pulls batches from the pipeline's iterator inside
the graph. A call begins and ends at any step without another compilation.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import fingerprint, randomness
from trainer.estimator.graph.fingerprint import Fingerprint
from trainer.estimator.graph.model_function import ModelReplica
from trainer.estimator.graph.pruning import PrunedFunction
from trainer.estimator.graph.tracing import TracedModel, training_operations
from trainer.estimator.steps import compile_policy
from trainer.estimator.steps.batches import IteratedBatches, StackedBatches
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.stacks import Stack, stack_steps, stackable

log = logging.getLogger("trainer")

_MOST_BYTES_TWICE = 1 << 28
"""Variables that take more are not copied for compiling beside the training: that waits until it is needed."""

TraceModel = Callable[[Any, bool], TracedModel]
"""Traces the model function for an element spec; the flag asks for loops that XLA can compile."""


@dataclasses.dataclass(frozen=True)
class CallResult:
    """What a device call did.

    Attributes:
      losses: float32 [steps made].
      results: fetched tensors of the last step, by key; empty when no step was made.
      data_ended: whether the input has no further batch.
    """

    losses: np.ndarray
    results: Mapping[str, np.ndarray]
    data_ended: bool


class Steps(Protocol):
    """Makes training steps. The one seam between the loop outside and whatever makes steps."""

    @property
    def how(self) -> str: ...

    @property
    def traced(self) -> TracedModel: ...

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps of the place in the data, by name."""

    def global_step(self) -> int:
        """Steps made so far, by whoever makes them."""

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        """Agrees with the other processes that train in step, before each call.

        Args:
          steps_until_due: how many steps this process may make before something between calls is due, 1 at least.
          stop_code: its reason to end, a place in `loop.StopReason`; 0 for none.

        Returns:
          The steps that every process may make, and the highest stop code; what was given where there is one process.
        """

    def run(self, num_steps: int) -> CallResult:
        """Makes up to `num_steps` steps, fewer at the end of a stack, none at the end of the data."""

    def close(self) -> None:
        """Makes no more steps: lets the data go."""


def fetches_of(traced: TracedModel) -> dict[str, tf.Tensor]:
    """What the last step of a call gives beside the loss: the hooks' tensors and the summaries, by key."""
    fetches = {f"summary/{summary.tag}": summary.tensor for summary in traced.summaries}
    hooks = [*traced.spec.training_hooks, *traced.spec.training_chief_hooks]
    for index, hook in enumerate(hooks):
        fetches |= {f"hook/{index}/{name}": tf.convert_to_tensor(tensor) for name, tensor in hook.tensors.items()}
    return fetches


def step_part(traced: TracedModel) -> PrunedFunction:
    """What a step computes."""
    return traced.prune([traced.spec.loss, fetches_of(traced)], training_operations(traced))


def step_function(
    traced: TracedModel, part: PrunedFunction | None = None
) -> Callable[..., tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """One step on one batch: the loss before the update, and the fetches. The global step counts exactly one.

    Args:
      traced: the model.
      part: its `step_part`, if there is one already.
    """
    part = part or step_part(traced)
    global_step = traced.store.global_step

    def step(*batch: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        before = global_step.read_value()
        loss, fetched = part(*batch)
        global_step.assign(before + 1)
        return tf.cast(loss, tf.float32), fetched

    return step


@dataclasses.dataclass
class Program:
    """What is compiled of a traced model; it serves later traces of the same.

    Attributes:
      fingerprint: of the trace.
      as_graph: makes steps over a stack.
      compiled: does so compiled by XLA; None where XLA is not to compile it.
      first_compiled: the global step from which it does.
      compiling: ends when XLA has compiled it beside the training; None before that was begun.
      proven: whether a compiled call went well, so that an error is not one of compilation.
      run_short: makes one step on a batch of any size; None before there was one.
    """

    fingerprint: Fingerprint
    as_graph: _Loop
    compiled: _Loop | None
    first_compiled: int
    compiling: Future[Any] | None = None
    proven: bool = False
    run_short: Callable[..., Any] | None = None

    @property
    def xla(self) -> bool:
        return self.compiled is not None


@dataclasses.dataclass
class Compiled:
    """The program of the last training, for the next one of the same variables; None before there was one."""

    program: Program | None = None


def make(
    plan: TrainingPlan, replica: ModelReplica, compiled: Compiled | None = None, device: str | None = None
) -> Steps:
    """The kind of loop that suits the data.

    Args:
      plan: of the training.
      replica: the model function with its variables.
      compiled: what an earlier training compiled, used again where it fits; takes what this one compiles.
      device: where the steps run; None for TensorFlow's choice.
    """
    dataset, config = plan.dataset(tf.distribute.InputContext()), plan.config
    spec = dataset.element_spec
    if stackable(spec):
        stacked = StackedBatches(dataset, stack_steps(spec, config.steps_per_loop, config.save_checkpoints_steps))
        if plan.position:
            stacked.restore(plan.position)
        return StackedSteps(stacked, spec, replica, compiled, device, plan.stop_at)
    iterated = IteratedBatches(dataset)
    if plan.position:
        iterated.restore(plan.position)
    return IteratedSteps(iterated, spec, replica, config.steps_per_loop, device)


def static_spec(element_spec: Any, batch_sizes: Sequence[int] | None) -> Any:
    """The element spec with the first dimensions that the data have; as it is where they are not known."""
    if batch_sizes is None:
        return element_spec
    static = [
        tf.TensorSpec([size, *spec.shape[1:]] if spec.shape.rank else [], spec.dtype)
        for size, spec in zip(batch_sizes, tf.nest.flatten(element_spec), strict=True)
    ]
    return tf.nest.pack_sequence_as(element_spec, static)


class OwnSteps:
    """What steps over the pipeline of this process have in common."""

    traced: TracedModel
    batches: StackedBatches | IteratedBatches

    def position(self) -> dict[str, Any]:
        return self.batches.position()

    def global_step(self) -> int:
        return int(self.traced.store.global_step.numpy())

    def synchronize(self, steps_until_due: int, stop_code: int) -> tuple[int, int]:
        return steps_until_due, stop_code

    def close(self) -> None:
        self.batches.close()


class StackedSteps(OwnSteps):
    """Steps over stacks of batches, compiled by XLA where it can."""

    batches: StackedBatches

    def __init__(
        self,
        batches: StackedBatches,
        element_spec: Any,
        replica: ModelReplica,
        compiled: Compiled | None = None,
        device: str | None = None,
        stop_at: int | None = None,
    ) -> None:
        self.batches, self._spec, self._replica, self._device = batches, element_spec, replica, device
        self._compiled, self._stop_at = compiled or Compiled(), stop_at
        batches.peek()
        self._batch_sizes = batches.batch_sizes
        self._others = 0
        strings = any(spec.dtype == tf.string for spec in tf.nest.flatten(element_spec))
        self._program = self._reused() or self._built(xla=not strings)

    @property
    def how(self) -> str:
        return "one XLA program for many steps" if self._program.xla else "a graph loop over many steps"

    def _reused(self) -> Program | None:
        """The program of an earlier training, if the model function makes the same graph now."""
        earlier = self._compiled.program
        if earlier is None:
            return None
        self.traced = self._replica.trace(static_spec(self._spec, self._batch_sizes), earlier.xla)
        return earlier if self._fingerprint() == earlier.fingerprint else None

    def _built(self, xla: bool) -> Program:
        """A program of the model function as it is now."""
        self.traced = self._replica.trace(static_spec(self._spec, self._batch_sizes), xla)
        if xla and self.traced.store.seed is not None and randomness.hides_state(self.traced.graph):
            log.info("XLA does not follow the seed of this model function's random ops, so its steps run as a graph.")
            return self._built(xla=False)
        part = step_part(self.traced)
        loop = stack_loop(step_function(self.traced, part), fetches_of(self.traced))
        compiled, first_compiled = (
            (_Loop(loop, xla=True), compile_policy.first_compiled_step(part.graph)) if xla else (None, 0)
        )
        program = Program(self._fingerprint(), _Loop(loop), compiled, first_compiled)
        self._compiled.program = program
        return program

    def _fingerprint(self) -> Fingerprint:
        fetches = {repr(self._spec): self.traced.spec.loss, **fetches_of(self.traced)}
        return fingerprint.of(self.traced, fetches, training_operations(self.traced))

    def run(self, num_steps: int) -> CallResult:
        with tf.device(self._device):
            return self._run(num_steps)

    def _run(self, num_steps: int) -> CallResult:
        stack = self.batches.peek()
        if stack is None:
            return CallResult(np.zeros([0], np.float32), {}, True)
        if stack.start == 0:
            self._follow(stack.batch_sizes)
        whole = stack.whole_batches() if stack.batch_sizes == self._batch_sizes else 0
        if not whole:
            return self._run_short(stack)
        as_graph = self._steps_as_graph(stack)
        stop = stack.start + min(num_steps, whole, as_graph or whole)
        call = self._program.as_graph if as_graph else self._call_compiled
        losses, results = call(stack.tensors, tf.constant(stack.start), tf.constant(stop))
        losses = losses.numpy()[stack.start : stop]
        self.batches.take(len(losses))
        return CallResult(losses, {key: value.numpy() for key, value in results.items()}, False)

    def _follow(self, batch_sizes: list[int]) -> None:
        """Builds for another batch size when the data keep to it: a continued run may have been given one."""
        self._others = 0 if batch_sizes == self._batch_sizes else self._others + 1
        if self._others > 1:
            self._batch_sizes = self.batches.batch_sizes = batch_sizes
            self._program = self._built(self._program.xla)

    def _steps_as_graph(self, stack: Stack) -> int:
        """How many steps are still to be made before XLA takes over; 0 when it has. Has it compile meanwhile."""
        program = self._program
        if program.compiled is None:
            return sys.maxsize
        left = 0 if program.proven else max(program.first_compiled - self.global_step(), 0)
        goes_on = self._stop_at is None or self._stop_at > program.first_compiled
        if left and goes_on and program.compiling is None and self._num_bytes <= _MOST_BYTES_TWICE:
            program.compiling = program.compiled.compile_ahead(stack.tensors)
        return left

    @functools.cached_property
    def _num_bytes(self) -> float:
        """Of all variables; of one whose shape is not known, infinitely many."""
        variables = self.traced.store.by_name.values()
        return sum(v.shape.num_elements() * v.dtype.size if v.shape.is_fully_defined() else math.inf for v in variables)

    def _call_compiled(self, *arguments: Any) -> Any:
        program = self._program
        assert program.compiled is not None
        if program.proven:
            return program.compiled(*arguments)
        try:
            if program.compiling is not None:
                program.compiling.result()
            called = program.compiled(*arguments)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, ValueError, TypeError) as error:
            log.info("XLA cannot compile this model function, so its steps run as a graph: %s", _first_line(error))
            self._program = self._built(xla=False)
            return self._program.as_graph(*arguments)
        program.proven = True
        return called

    def _run_short(self, stack: Stack) -> CallResult:
        """One step on a batch that is smaller than the others, as the last one of finite data may be."""
        if self._program.run_short is None:
            short = self._replica.trace(self._spec, xla=False)
            specs = [tf.TensorSpec(spec.shape, spec.dtype) for spec in tf.nest.flatten(self._spec)]
            step = tf.function(step_function(short), autograph=False)
            self._program.run_short = step.get_concrete_function(*specs)
        loss, results = self._program.run_short(*stack.batch())
        self.batches.take(1)
        return CallResult(loss.numpy()[None], {key: value.numpy() for key, value in results.items()}, False)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def _empty(fetches: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Zeros for a loop to start with, in the shapes of the fetches; unknown dimensions start at 0."""
    shapes = {key: [dim or 0 for dim in tensor.shape.as_list()] for key, tensor in fetches.items()}
    return {key: tf.zeros(shape, fetches[key].dtype) for key, shape in shapes.items()}


def _shapes(fetches: Mapping[str, tf.Tensor]) -> dict[str, tf.TensorShape]:
    return {key: tensor.shape for key, tensor in fetches.items()}


def stack_loop(step: Callable[..., Any], fetches: Mapping[str, tf.Tensor]) -> Callable[..., Any]:
    """A function of stacked tensors [steps, …], start and stop that makes the steps from start up to stop.

    It gives the losses, float32 [steps], and the fetches of the last step.
    """

    def run(tensors: Sequence[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
        size = tf.shape(tensors[0])[0] if tensors[0].shape[0] is None else tensors[0].shape[0]

        def body(index: tf.Tensor, losses: tf.TensorArray, _: Any) -> Any:
            loss, results = step(*[part[index] for part in tensors])
            return index + 1, losses.write(index, loss), results

        losses = tf.TensorArray(tf.float32, size, element_shape=[])
        _, losses, results = tf.while_loop(
            lambda index, *_: index < stop,
            body,
            [start, losses, _empty(fetches)],
            shape_invariants=[start.shape, tf.TensorShape(None), _shapes(fetches)],
            maximum_iterations=size,
            parallel_iterations=1,
        )
        return losses.stack(), results

    return run


class _Loop:
    """A `stack_loop`, as a graph or compiled, for stacks of any shapes.

    Args:
      run: the loop.
      xla: whether XLA compiles it.
    """

    def __init__(self, run: Callable[..., Any], xla: bool = False) -> None:
        self.xla = xla
        self._function = tf.function(run, jit_compile=xla or None, autograph=False)
        self._programs: dict[Any, Any] = {}

    def __call__(self, tensors: list[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
        return self._program(tensors, start, stop)(tensors, start, stop)

    def _program(self, tensors: list[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
        """A trace for the shapes of the stack: left to itself, TensorFlow would warn that there are several."""
        key = tuple(tuple(tensor.shape) for tensor in tensors)
        if key not in self._programs:
            self._programs[key] = self._function.get_concrete_function(tensors, start, stop)
        return self._programs[key]

    def compile_ahead(self, tensors: list[tf.Tensor]) -> Future[Any]:
        """Has XLA compile it in a thread, by a call that makes no step, on variables that nobody else uses.

        A call locks its variables for as long as it is being compiled.
        """
        nowhere = tf.constant(0)
        program = self._program(tensors, nowhere, nowhere)
        stand_ins = {id(variable.handle): _like(variable) for variable in program.variables}
        captures = [stand_ins[id(one)].handle if id(one) in stand_ins else one for one in program.captured_inputs]
        thread = ThreadPoolExecutor(1, thread_name_prefix="compiling")
        compiling = thread.submit(program._call_flat, [*tensors, nowhere, nowhere], captures)
        compiling.add_done_callback(lambda _: stand_ins.clear())
        thread.shutdown(wait=False)
        return compiling


def _like(variable: tf.Variable) -> tf.Variable:
    with tf.device(variable.device):
        return tf.Variable(tf.zeros(variable.shape, variable.dtype))


class IteratedSteps(OwnSteps):
    """Steps over batches that the loop pulls from the pipeline itself."""

    how = "a graph loop that pulls its batches"

    def __init__(
        self,
        batches: IteratedBatches,
        element_spec: Any,
        replica: ModelReplica,
        limit: int | None,
        device: str | None = None,
    ) -> None:
        self.batches = self._iterated = batches
        self._most, self._device = limit or 100, device
        self.traced = replica.trace(element_spec, xla=False)
        self._fetches = fetches_of(self.traced)
        self._run = tf.function(self._loop(step_function(self.traced)), autograph=False).get_concrete_function(
            batches.iterator, tf.TensorSpec([], tf.int32)
        )

    def _loop(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def one(optional: Any) -> Any:
            return step(*tf.nest.flatten(optional.get_value(), expand_composites=True))

        def run(iterator: Any, count: tf.Tensor) -> Any:
            def body(index: tf.Tensor, _: tf.Tensor, losses: tf.TensorArray, last: Any) -> Any:
                optional = iterator.get_next_as_optional()
                more = optional.has_value()
                loss, results = tf.cond(more, lambda: one(optional), lambda: (tf.constant(0.0), last))
                return index + tf.cast(more, tf.int32), more, losses.write(index, loss), results

            losses = tf.TensorArray(tf.float32, self._most + 1, element_shape=[])
            index, more, losses, results = tf.while_loop(
                lambda index, more, *_: more & (index < count),
                body,
                [0, True, losses, _empty(self._fetches)],
                shape_invariants=[tf.TensorShape([]), tf.TensorShape([]), tf.TensorShape(None), _shapes(self._fetches)],
                parallel_iterations=1,
            )
            return index, more, losses.stack(), results

        return run

    def run(self, num_steps: int) -> CallResult:
        with tf.device(self._device):
            count, more, losses, results = self._run(self._iterated.iterator, tf.constant(min(num_steps, self._most)))
        made = int(count)
        self._iterated.consumed += made
        return CallResult(losses.numpy()[:made], {key: value.numpy() for key, value in results.items()}, not bool(more))
