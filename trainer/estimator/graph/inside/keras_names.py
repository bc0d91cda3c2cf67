"""Keras's automatic names, which it counts in each thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from keras.src.backend.common import global_state

# What Keras keeps of a thread: how often each name was given, the open scopes, and the seeds of random functions that
# are given none, which are a variable of whichever model came first.
_KEPT = ("object_name_uids", "name_scope_stack", "global_seed_generator")


@contextlib.contextmanager
def from_zero() -> Iterator[None]:
    """Inside, Keras numbers its automatic names as in a new process; outside nothing changes.

    `keras.utils.clear_session` does so too, but takes the names of everything outside along.
    """
    kept = {key: global_state.get_global_attribute(key) for key in _KEPT}
    for key in kept:
        global_state.set_global_attribute(key, None)
    try:
        yield
    finally:
        for key, value in kept.items():
            global_state.set_global_attribute(key, value)
