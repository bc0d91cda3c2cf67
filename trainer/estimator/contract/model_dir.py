"""The one model directory that an Estimator's argument and its config agree on."""

from __future__ import annotations

import logging
import os
import tempfile
from typing import Any

from trainer.estimator.contract.run_config import RunConfig
from trainer.job import layout

log = logging.getLogger("trainer")


def with_model_dir(config: Any, model_dir: str | os.PathLike[str] | None) -> RunConfig:
    """A copy of the config, with a model directory.

    Args:
      config: a RunConfig; None takes the defaults.
      model_dir: None takes that of the config, else a new temporary directory.

    Raises:
      ValueError: something else than a RunConfig, an empty directory, or two that differ.
    """
    if config is not None and not isinstance(config, RunConfig):
        raise ValueError(f"config is {config!r}. It takes a RunConfig")
    config = config or RunConfig()
    if model_dir is None:
        if config.model_dir is not None:
            return config.replace()
        temporary = tempfile.mkdtemp()
        log.warning("No model_dir was given, so checkpoints go to a temporary directory: %s", temporary)
        return config.replace(model_dir=temporary)
    model_dir = os.fsdecode(model_dir)
    if not model_dir:
        raise ValueError("model_dir is ''. It takes a path. Leave it out for a temporary directory")
    if layout.read_as_pattern(model_dir):
        raise ValueError(
            f"model_dir is {model_dir!r}. TensorFlow reads '[' and '\\' in the path of a checkpoint as a pattern. "
            "Choose another directory"
        )
    if config.model_dir is not None and config.model_dir != model_dir:
        raise ValueError(
            f"model_dir is {model_dir!r} and config.model_dir is {config.model_dir!r}. "
            "They have to agree. Give one of them"
        )
    return config.replace(model_dir=model_dir)
