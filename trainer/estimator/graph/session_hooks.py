"""Hooks of TensorFlow 1 around device calls: what one asks a Session for is learnt when the step is traced.

`before_run` of a `SessionRunHook` returns what it wants to see of the step that follows. A step is traced once, and a
call makes many, so a hook is asked when the model function has been traced: what it names becomes an output of the
step, and calls end where the hook wants to look.

    trace    begin(), before_run() ─► the tensors that it asks for, outputs of the step
    call     before_run() (the first one was that of the trace), steps, after_run() with values of the last step

A hook that does something every n steps and nothing in between, as a LoggingTensorHook does, costs no call of its own
between them: calls end at those steps, and both methods are called there.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.hooks import AnyHook, ProfilerHook, RunContext, RunValues, TrainingHook
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.graph.inside import stock_hooks
from trainer.estimator.graph.session import GraphSession, outputs

log = logging.getLogger("trainer")

_FIELDS: dict[str | None, tuple[str, ...]] = {
    ModeKeys.TRAIN: ("training_hooks", "training_chief_hooks"),
    ModeKeys.EVAL: ("evaluation_hooks",),
    ModeKeys.PREDICT: ("prediction_hooks",),
}
_NEVER = 1 << 62


class _Context(tf.compat.v1.train.SessionRunContext):
    """What a hook is told of the run; a Session is there for TensorFlow's own hooks alone."""

    def __init__(self, hook: Any, session: GraphSession | None) -> None:
        super().__init__(None, session)
        self._hook = hook

    @property
    def session(self) -> Any:
        if isinstance(self._hook, stock_hooks.STOCK):
            return super().session
        raise ValueError(
            f"{type(self._hook).__name__} asks for run_context.session, and there is no Session. "
            "A hook gets values by returning SessionRunArgs of them from before_run. "
            "Name there what it needs, and take it from run_values.results in after_run"
        )


class SessionHook(TrainingHook):
    """A `SessionRunHook` as a hook around device calls.

    Args:
      hook: the hook.
      tensors: what the step gives it, [...] each, by key.
      asked: its first SessionRunArgs or None, in a list; an empty one where another trace has had them.

    Attributes:
      session: of the trace that it belongs to, set when that is done.
    """

    def __init__(self, hook: Any, tensors: dict[str, tf.Tensor], asked: list[Any]) -> None:
        self.hook, self.tensors, self._asked, self._args = hook, tensors, asked, None
        self.session: GraphSession | None = None
        self.every_n_steps = _every_n_steps(hook)
        self._context = _Context(hook, None)
        self._timed, self._begun, self._start = stock_hooks.is_timed(hook), False, 0
        self._blind = False

    def begin(self) -> None:
        session = self._session()
        if self._begun:  # an evaluation is traced once and made for many checkpoints
            with session.graph.as_default():
                self.hook.begin()
        self._begun, self._start = True, session.steps_before
        self.every_n_steps_from = self._start + 1
        self.hook.after_create_session(session, None)
        last_step = stock_hooks.last_step(self.hook)
        if last_step is not None:
            self.every_n_steps, self.every_n_steps_from = _NEVER, last_step

    def before_run(self, run_context: RunContext) -> None:
        if not self._timed:
            self._ask()

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        session = self._session()
        if run_values.global_step == run_context.global_step:
            return  # the call has met the end of the data, and nothing else
        session.seen(run_values)
        if not session.gives(self.tensors):
            if not self._blind:
                log.warning("%s does not run: parameter servers tell no tensor but the loss.", type(self.hook).__name__)
            self._blind = True
            return
        if self._timed:
            stock_hooks.count(self.hook, run_values.global_step - self._start - 1, run_values.global_step)
            self._ask()
        fetches = getattr(self._args, "fetches", None)
        results = None if fetches is None else session.of_last_step(fetches)
        made = tf.compat.v1.train.SessionRunValues(results, None, tf.compat.v1.RunMetadata())
        self.hook.after_run(self._context, made)
        if self._context.stop_requested:
            run_context.request_stop(f"{type(self.hook).__name__} asked for it")

    def end(self, run_context: RunContext) -> None:
        self.hook.end(self._session())

    def _ask(self) -> None:
        self._context = _Context(self.hook, self.session)
        self._args = self._asked.pop() if self._asked else _asked(self.hook, self._context)

    def _session(self) -> GraphSession:
        assert self.session is not None  # set when the trace was done
        return self.session


def _every_n_steps(hook: Any) -> int | None:
    """How often it wants to look; None where the ends of the calls do."""
    if stock_hooks.is_timed(hook):
        return stock_hooks.every_steps(hook)
    base = tf.compat.v1.train.SessionRunHook
    looks = any(getattr(type(hook), name, None) is not getattr(base, name) for name in ("before_run", "after_run"))
    return 1 if looks and not stock_hooks.as_calls_fall(hook) else None


def _asked(hook: Any, context: _Context) -> Any:
    """What a hook asks for.

    Raises:
      ValueError: it feeds something.
    """
    args = hook.before_run(context)
    if getattr(args, "feed_dict", None):
        raise ValueError(
            f"{type(hook).__name__} feeds {args.feed_dict!r}, and there is no Session to feed. "
            "A step gets what it computes with from the input function and from variables. "
            "Give it in one of the two"
        )
    return args


class SessionHooks:
    """The hooks of one training, evaluation or prediction, in as many traces as it takes.

    Args:
      given: beside those that the model function gives.
    """

    def __init__(self, given: Sequence[AnyHook] = ()) -> None:
        self._given = tuple(given)
        self._met: list[Any] = []

    def adapted(self, spec: EstimatorSpec) -> EstimatorSpec:
        """The spec of a model function that has just been traced, with hooks of TensorFlow 1 as hooks of ours.

        Called in its graph, in which the hooks may make ops.
        """
        first, *others = _FIELDS[spec.mode]
        hooks = {first: (*self._given, *getattr(spec, first)), **{name: getattr(spec, name) for name in others}}
        if all(isinstance(hook, TrainingHook) for listed in hooks.values() for hook in listed):
            return spec
        return spec._replace(**{name: self._adapted(listed, spec.loss) for name, listed in hooks.items()})

    def _adapted(self, hooks: Sequence[AnyHook], loss: Any) -> list[TrainingHook]:
        adapted: list[TrainingHook] = []
        for hook in hooks:
            if isinstance(hook, TrainingHook):
                adapted.append(hook)
            elif isinstance(hook, tf.compat.v1.train.CheckpointSaverHook):
                log.warning("The model function has a CheckpointSaverHook. Checkpoints are saved as RunConfig says.")
            elif isinstance(hook, tf.compat.v1.train.ProfilerHook):
                adapted.append(ProfilerHook(*stock_hooks.profiling(hook)))
            # Every step's loss is looked at anyway.
            elif loss is None or stock_hooks.watched_loss(hook) is not loss:
                adapted.append(self._of(hook))
        return adapted

    def _of(self, hook: Any) -> SessionHook:
        graph = tf.compat.v1.get_default_graph()
        again = any(hook is met for met in self._met)
        # It has begun in another trace: it hears of the training once, but its ops have to be in this graph too.
        asking = copy.copy(hook) if again else hook
        asking.begin()
        args = _asked(asking, _Context(asking, None))
        if not again:
            self._met.append(hook)
        tensors = outputs(graph, [getattr(args, "fetches", None), stock_hooks.asks_at_end(asking)])
        return SessionHook(hook, tensors, [] if again or stock_hooks.is_timed(hook) else [args])


def open_sessions(session: GraphSession, spec: EstimatorSpec) -> None:
    """Gives the hooks of a traced model function its session."""
    for name in _FIELDS[spec.mode]:
        for hook in getattr(spec, name):
            if isinstance(hook, SessionHook):
                hook.session = session


def taken_apart(hooks: Sequence[AnyHook]) -> tuple[list[TrainingHook], list[Any], list[Any]]:
    """Hooks of ours, hooks of TensorFlow 1, and of those the ones that save checkpoints."""
    own = [hook for hook in hooks if isinstance(hook, TrainingHook)]
    others = [hook for hook in hooks if not isinstance(hook, TrainingHook)]
    saving = [hook for hook in others if isinstance(hook, tf.compat.v1.train.CheckpointSaverHook)]
    return own, [hook for hook in others if hook not in saving], saving


def saved_by(config: RunConfig, savers: Sequence[Any]) -> tuple[RunConfig, list[Any]]:
    """A config that saves as often as a `CheckpointSaverHook` says, and the hook's listeners.

    Args:
      config: of the run.
      savers: such hooks; an Estimator that is given one saves by it alone.
    """
    listeners: list[Any] = []
    for hook in savers:
        steps, secs, own = stock_hooks.saving(hook)
        config = config.replace(save_checkpoints_steps=steps, save_checkpoints_secs=secs)
        listeners += own
    return config, listeners
