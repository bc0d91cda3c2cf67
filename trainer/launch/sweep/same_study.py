"""Whether a journal is of the study that is asked for: results of different studies are not compared."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.errors import UsageError
from trainer.launch.study.study import Study

# What may change between two runs of one study: how long it lasts and when it ends trials, not what it searches.
_CHANGEABLE = ("max_trials", "max_parallel_trials", "max_failed_trials", "stopping", "study_stopping")


def description(study: Study, task_argv: Sequence[str]) -> dict[str, Any]:
    """All that makes results comparable, as JSON has it; the seed is added to it in the journal."""
    return {"study": _plain(study), "task_argv": list(task_argv)}


def refuse_differences(known: Mapping[str, Any], now: Mapping[str, Any], path: pathlib.Path) -> None:
    """Raises UsageError with everything that differs.

    Args:
      known: `description` and `seed` of the journal.
      now: those that are asked for.
      path: of the journal.
    """
    differences = [
        f"{name}: {_shown(known['study'].get(name))} before, now {_shown(value)}"
        for name, value in now["study"].items()
        if name not in (*_CHANGEABLE, "parameters") and known["study"].get(name) != value
    ]
    differences += _parameter_differences(known["study"]["parameters"], now["study"]["parameters"])
    if known["task_argv"] != now["task_argv"]:
        flags_before, flags_now = (" ".join(entry["task_argv"]) or "none" for entry in (known, now))
        differences.append(f"flags of the task: {flags_before} before, now {flags_now}")
    if known["seed"] != now["seed"]:
        differences.append(f"--seed: {known['seed']} before, now {now['seed']}")
    if differences:
        raise UsageError(
            f"{path.parent} holds another study ({'; '.join(differences)})",
            "the same study; only its counts and stopping rules may change, since its results are compared",
            "Undo the change, or choose another --output_dir",
        )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _parameter_differences(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    old, new = ({entry["name"]: entry for entry in entries} for entries in (before, now))
    differences = [f"{name} is no longer searched" for name in old if name not in new]
    differences += [f"{name} was not searched before" for name in new if name not in old]
    for name in old:
        for key, value in new.get(name, {}).items():
            if old[name].get(key) != value:
                differences.append(f"{name}.{key}: {_shown(old[name].get(key))} before, now {_shown(value)}")
    return differences


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
