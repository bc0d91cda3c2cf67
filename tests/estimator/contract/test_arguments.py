"""Which arguments a function takes, and those of a call that it gets."""

from __future__ import annotations

import functools
from typing import Any

from trainer.estimator.contract.arguments import accepted, argument_names


def test_argument_names_see_through_partials_objects_and_methods() -> None:
    class Model:
        def __call__(self, features: Any, labels: Any) -> None: ...

        def method(self, features: Any, mode: str) -> None: ...

    def function(features: Any, labels: Any, *rest: Any, mode: str, **more: Any) -> None: ...

    assert argument_names(function) == {"features", "labels", "mode"}
    assert argument_names(functools.partial(function, 1, mode="train")) == {"labels"}
    assert argument_names(Model()) == {"features", "labels"}
    assert argument_names(Model().method) == {"features", "mode"}


def test_only_accepted_arguments_are_handed_on() -> None:
    assert accepted(lambda mode, params: None, {"mode": 1, "params": 2, "config": 3}) == {"mode": 1, "params": 2}
