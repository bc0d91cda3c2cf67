"""`tf.estimator.experimental`, as far as it is given: early stopping, evaluation in memory, receivers of
supervised exports, networks."""

from typing import Never

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
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]


def __getattr__(name: str) -> Never:
    raise missing(__name__, name)
