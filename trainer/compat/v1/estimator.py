"""`tf.estimator`, which is `trainer.estimator` with the places that its names had in TensorFlow 1."""

from __future__ import annotations

from typing import Any

from trainer import estimator
from trainer.compat import names
from trainer.estimator.not_given import ADVICE

_CANNED = {"Baseline": "baseline", "DNN": "dnn", "DNNLinearCombined": "dnn_linear_combined", "Linear": "linear"}
# Programs import these from `tensorflow.python.estimator.canned.head`, in place of which they find this module.
_HEADS = {
    "_Head": "trainer.estimator.heads.v1_head:Head",
    "_binary_logistic_head_with_sigmoid_cross_entropy_loss": "trainer.compat.v1.canned_heads:binary_head",
    "_binary_logistic_or_multi_class_head": "trainer.compat.v1.canned_heads:classifier_head",
    "_multi_class_head_with_softmax_cross_entropy_loss": "trainer.compat.v1.canned_heads:multi_class_head",
    "_regression_head": "trainer.compat.v1.canned_heads:regression_head",
}
# And these private names they called.
_CALLED = {
    "_load_global_step_from_checkpoint_dir": "trainer.compat.v1.trained_step:load_global_step_from_checkpoint_dir",
    "optimizers": "trainer.compat.v1.canned_optimizers",
    "_dnn_logit_fn_builder": "trainer.compat.v1.logit_fns:dnn_logit_fn_builder",
    "_linear_logit_fn_builder": "trainer.compat.v1.logit_fns:linear_logit_fn_builder",
}
_OWN = (
    _HEADS
    | _CALLED
    | {
        f"{family}{kind}": f"trainer.estimator.canned.v1.{module}:{family}{kind}"
        for family, module in _CANNED.items()
        for kind in ("Classifier", "Estimator", "Regressor")
    }
)
__path__: list[str] = []  # imports go through it, see dotted.py


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and name not in _OWN and hasattr(estimator, name):
        return getattr(estimator, name)
    return names.found(__name__, name, _OWN, None, ADVICE)
