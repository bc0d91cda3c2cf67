"""`tf.contrib.framework`."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_HERE = "trainer.compat.v1.contrib"
_V1 = "tensorflow:compat.v1"
_OWN = {
    **{
        name: f"{_HERE}.arg_scopes:{name}"
        for name in ("add_arg_scope", "arg_scope", "current_arg_scope", "has_arg_scope")
    },
    **{
        name: f"{_HERE}.model_variables:{name}"
        for name in (
            "get_model_variables",
            "get_trainable_variables",
            "get_variables",
            "get_variables_by_name",
            "get_variables_to_restore",
            "filter_variables",
            "model_variable",
            "variable",
        )
    },
    "get_global_step": f"{_V1}.train.get_global_step",
    "get_or_create_global_step": f"{_V1}.train.get_or_create_global_step",
    "create_global_step": f"{_V1}.train.create_global_step",
    "init_from_checkpoint": f"{_V1}.train.init_from_checkpoint",
    "list_variables": "tensorflow:train.list_variables",
    "load_checkpoint": "tensorflow:train.load_checkpoint",
    "load_variable": "tensorflow:train.load_variable",
    "nest": "tensorflow:nest",
    "sort": "tensorflow:sort",
    "argsort": "tensorflow:argsort",
    "is_tensor": "tensorflow:is_tensor",
}
_ADVICE = {
    name: "Use tf.train.init_from_checkpoint in the model function, or warm_start_from"
    for name in ("assign_from_checkpoint", "assign_from_checkpoint_fn", "assign_from_values_fn")
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, _ADVICE)
