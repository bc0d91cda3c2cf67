"""Input functions that make iterators, as those of TensorFlow 1 did."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from tensorflow.python.data.ops.dataset_ops import DatasetV1

_meet: ContextVar[Callable[[Any], Any] | None] = ContextVar("one_shot_iterators_meet", default=None)


@contextlib.contextmanager
def one_shot_iterators_meet(meet: Callable[[Any], Any]) -> Iterator[None]:
    """Inside, `make_one_shot_iterator` calls `meet` with the dataset, and returns what that returns.

    Eager, it would make an iterator whose `get_next()` gives one batch once: nothing that comes out of the input
    function shows that it did.
    """
    token = _meet.set(meet)
    try:
        yield
    finally:
        _meet.reset(token)


def _install() -> None:
    """Both spellings, the method and the function, come to this private method of TensorFlow."""
    make = DatasetV1._make_one_shot_iterator

    @functools.wraps(make)
    def asking(self: Any, *args: Any, **kwargs: Any) -> Any:
        meet = _meet.get()  # none outside of an input function
        return make(self, *args, **kwargs) if meet is None else meet(self)

    DatasetV1._make_one_shot_iterator = asking


_install()
