"""Reads checkpoints of model functions that used Keras 2, whose Sequential models gave their variables other names.

Keras 3 calls a kernel `sequential/dense/kernel`, Keras 2 called it `dense/kernel` where the model knew its input's
shape; and its random layers had no state. Everything else has the same name in both.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import numpy as np

from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.saving.checkpoints import Reader

_SEQUENTIAL = re.compile(r"sequential(_\d+)?/")
_SEED_STATE = "seed_generator_state"


def older_names(names: Iterable[str], reader: Reader) -> dict[str, str]:
    """By the names of variables that a checkpoint lacks, what Keras 2 called these, where it has that.

    Args:
      names: of the variables.
      reader: of the checkpoint.
    """
    missing = [name for name in names if name not in reader and _SEQUENTIAL.match(name)]
    older = {name: _SEQUENTIAL.sub("", name, count=1) for name in missing}
    # Where two models of a program would share names, Keras 2 numbered the layers, and no rule finds them.
    is_unambiguous = len(set(older.values())) == len(older)
    return {name: old for name, old in older.items() if old in reader} if is_unambiguous else {}


def begin_seed_states(store: VariableStore, names: Iterable[str], reader: Reader) -> set[str]:
    """Sets the states of random layers that a checkpoint of Keras 2 lacks, each to another one.

    Args:
      store: of the variables.
      names: of those that the checkpoint sets.
      reader: of the checkpoint.

    Returns:
      The names of these states; none where the checkpoint has states of others.
    """
    if any(name.endswith(_SEED_STATE) for name in reader.names()):
        return set()
    begun = {name for name in names if name.rpartition("/")[2] == _SEED_STATE}
    for name in begun:
        store.by_name[name].assign(np.array([zlib.crc32(name.encode()), 0], np.uint32))
    return begun
