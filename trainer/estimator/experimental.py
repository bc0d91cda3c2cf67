"""`tf.estimator.experimental`, as far as it is given: early stopping, evaluation in memory, receivers of
supervised exports, networks."""

from typing import Any, Never

import tensorflow as tf

from trainer.estimator.canned.logit_fns import dnn_logit_fn_builder, linear_logit_fn_builder
from trainer.estimator.contract.logit_functions import call_logit_fn
from trainer.estimator.contract.supervised_receivers import (
    SupervisedInputReceiver,
    UnsupervisedInputReceiver,
    build_raw_supervised_input_receiver_fn,
    build_supervised_input_receiver_fn_from_input_fn,
)
from trainer.estimator.evaluation.early_stopping import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from trainer.estimator.evaluation.in_memory import InMemoryEvaluatorHook
from trainer.estimator.not_given import missing

__all__ = [
    "InMemoryEvaluatorHook",
    "SupervisedInputReceiver",
    "UnsupervisedInputReceiver",
    "build_raw_supervised_input_receiver_fn",
    "build_supervised_input_receiver_fn_from_input_fn",
    "call_logit_fn",
    "dnn_logit_fn_builder",
    "linear_logit_fn_builder",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]


def make_stop_at_checkpoint_step_hook(
    estimator: Any, last_step: int, wait_after_file_check_secs: int = 30
) -> tf.compat.v1.train.StopAtStepHook:
    """A hook that ends training at a step.

    Args:
      estimator: what is trained, in any role.
      last_step: the step.
      wait_after_file_check_secs: not used. In tf.estimator workers watched for the chief's last checkpoint; here a
        worker may end before the chief has written it.
    """
    return tf.compat.v1.train.StopAtStepHook(last_step=last_step)


def __getattr__(name: str) -> Never:
    raise missing(__name__, name)
