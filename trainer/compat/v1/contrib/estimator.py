"""`tf.contrib.estimator`, most of which became `tf.estimator`."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_STOPPING = (
    "make_early_stopping_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
)
_RECEIVERS = ("build_raw_supervised_input_receiver_fn", "build_supervised_input_receiver_fn_from_input_fn")
_HEADS = (
    "binary_classification_head",
    "logistic_regression_head",
    "multi_class_head",
    "multi_label_head",
    "poisson_regression_head",
    "regression_head",
)
_NETWORKS = ("Baseline", "DNN", "DNNLinearCombined", "Linear")
_OWN = {
    "add_metrics": "trainer.estimator:add_metrics",
    "clip_gradients_by_norm": "trainer.compat.v1.contrib.clipping:clip_gradients_by_norm",
    "forward_features": "trainer.estimator.forwarding:forward_features",
    "InMemoryEvaluatorHook": "trainer.estimator:experimental.InMemoryEvaluatorHook",
    **{name: f"trainer.estimator:experimental.{name}" for name in (*_STOPPING, *_RECEIVERS)},
    **{f"{name}Estimator": f"trainer.compat.v1.estimator:{name}Estimator" for name in _NETWORKS},
    "TowerOptimizer": "trainer.compat.v1.contrib.towers:TowerOptimizer",
    "replicate_model_fn": "trainer.compat.v1.contrib.towers:replicate_model_fn",
    "multi_head": "trainer.estimator.heads.v1_multi_head:multi_head",
    **{name: f"trainer.estimator.heads.v1_named_heads:{name}" for name in _HEADS},
}
_ADVICE = {
    "export_all_saved_models": "Use Estimator.experimental_export_all_saved_models",
    "export_saved_model_for_mode": "Use Estimator.export_saved_model with experimental_mode",
    "RNNClassifier": "Write a model function with tf.nn.dynamic_rnn",
    "RNNEstimator": "Write a model function with tf.nn.dynamic_rnn",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
