"""What a misspelt word, or a flag of another program, was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What other programs call flags that are here under another name.
_CALLED_ELSEWHERE = {
    "batch": "train_batch_size",
    "batch_size": "train_batch_size",
    "checkpoint_dir": "output_dir",
    "epochs": "num_epochs",
    "lr": "learning_rate",
    "max_steps": "train_steps",
    "model_dir": "output_dir",
    "steps": "train_steps",
    "train_epochs": "num_epochs",
}
# Flags that choose the problem, so that another one does not have them, each beside one that all problems have.
_CHOOSES = {"data_format": "label_column"}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that `word` was probably meant to be, or None; case, `-` and `_` make no difference."""
    by_normal = {normal(name).lower(): name for name in known}
    matches = difflib.get_close_matches(normal(word).lower(), list(by_normal), n=1, cutoff=0.6)
    return by_normal[matches[0]] if matches else None


def nearest_flag(name: str, known: Iterable[str]) -> str | None:
    """The known flag that was probably meant by one of another name, or None."""
    names = list(known)
    names += [chooses for beside, chooses in _CHOOSES.items() if beside in names and chooses not in names]
    elsewhere = _CALLED_ELSEWHERE.get(normal(name).lower())
    return elsewhere if elsewhere in names else nearest(name, names)


def suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    """What to do about a name that is not known: `Did you mean X?`.

    Args:
      word: as it was written.
      known: the names that there are.
      otherwise: what to do where none of them is near.
    """
    name = nearest(word, known)
    return f"Did you mean {name}?" if name else otherwise


def normal(name: str) -> str:
    """A name with underscores, whatever it was written with."""
    return name.strip().replace("-", "_")
