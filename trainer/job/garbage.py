"""Python's garbage collector, kept still while many objects are made that stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Within it, no garbage is collected, in any thread; after it, as before.

    The collector would look again and again through what is being made, and through all of TensorFlow's modules once:
    a sixth of an import, a tenth of the time to the first step.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
