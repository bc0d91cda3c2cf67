"""What a used directory remembers of the run in it, and what becomes of a run that differs from that.

Each checkpoint notes on which data and with which settings it was trained. A run of the same command continues it. One
on other data, or with other settings of the model, is refused by name, unless a flag says that it is meant.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from trainer import metrics_check, storage
from trainer.bound_problem import BoundProblem
from trainer.estimator.evaluation.best_exporter import BEST, RESULT
from trainer.estimator.saving import checkpoints, job_directory, manifest
from trainer.job import identity, records
from trainer.job.cluster import Cluster
from trainer.job.config import RunSettings
from trainer.job.errors import UsageError
from trainer.job.identity import Difference, Identity
from trainer.job.layout import EXPORTS
from trainer.storage import checksums, fingerprints
from trainer.storage.fingerprints import Fingerprint

_log = logging.getLogger(__name__)

FACT = "run"
"""What the identity is called among the facts of a manifest."""
_MOST_FILES = 200
_OF_FILES = ("_paths", "_path", "_files", "_file")
_MAY_CHANGE = "learning_rate"
"""Is lowered by hand in the middle of many trainings, whatever the problem, and says nothing about what was seen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Earlier:
    """The newest checkpoint of a directory, and what it remembers."""

    step: int
    identity: Identity | None
    metrics: frozenset[str]


def continued(bound: BoundProblem, run: RunSettings, cluster: Cluster, root: str) -> BoundProblem:
    """The problem as this directory's run goes on with it, noting in its checkpoints what it is trained on.

    The chief decides; other processes only take over the schema that the weights were trained with.

    Args:
      bound: as the flags say.
      run: likewise.
      cluster: of the job, with this process's place in it.
      root: of the run.

    Raises:
      UsageError: the run in the directory is another one, and nothing says that this is meant.
    """
    earlier = _earlier(root, cluster)
    if not cluster.is_chief:
        return _with_schema(bound, None if earlier is None else earlier.identity)
    now = _identity(bound, run)
    if earlier is None:
        return dataclasses.replace(bound, facts={FACT: now.record()})
    if earlier.identity is None:
        _log.info("%s does not say what it was trained on: it is taken to be these data and settings.", root)
        return dataclasses.replace(bound, facts={FACT: now.record()})
    data = identity.of_data(earlier.identity, now, _is_same_file)
    settings = identity.of_settings(earlier.identity, now)
    _check(earlier, data, settings, bound, run, root)
    if bound.problem.describe is None and not any(now.files.values()):
        _log.info("What the input functions read by themselves is not compared with what %s was trained on.", root)
    kept = earlier.identity.used_schema if bound.problem.resume_schema is not None else None
    now = dataclasses.replace(now, kept=kept if kept != now.schema else None)
    if data:
        _forget_the_best(root)
    with_schema = _with_schema(bound, earlier.identity)
    known = earlier.metrics if not data and not settings else frozenset[str]()
    return dataclasses.replace(with_schema, facts={FACT: now.record()}, known_metrics=known, resumes_input=not data)


def as_trained(bound: BoundProblem, prefix: str) -> BoundProblem:
    """The problem as the weights of a checkpoint know it, to be asked and not to be trained.

    Args:
      bound: as the flags say.
      prefix: of the checkpoint, local.

    Raises:
      UsageError: it was trained with other settings of the model.
    """
    earlier = Identity.of_record(manifest.facts(prefix).get(FACT))
    if earlier is None:
        _log.info("%s does not say what it was trained with: it is taken to be these settings.", prefix)
        return bound
    now = dataclasses.replace(earlier, settings={**earlier.settings, **identity.plain(bound.params)})
    other = [each for each in identity.of_settings(earlier, now) if not _may_change(bound, each.name)]
    if other:
        got = f"{prefix} was trained with other settings: {_listed(other)}"
        raise UsageError(got, "the settings of the model that it was trained with", "Give the same flags again")
    return _with_schema(bound, earlier)


def _earlier(root: str, cluster: Cluster) -> _Earlier | None:
    role = "chief" if cluster.is_chief else f"{cluster.task_type}-{cluster.task_id}"
    saved = job_directory.of_process().at(root, role).checkpoints
    newest = saved.latest()
    if newest is None:
        return None
    facts = manifest.facts(saved.fetch(os.path.basename(newest)))
    metrics = frozenset(facts.get(metrics_check.FACT, ()))
    return _Earlier(step=checkpoints.step_of(newest), identity=Identity.of_record(facts.get(FACT)), metrics=metrics)


def _forget_the_best(root: str) -> None:
    """Lets exporters of the best model begin anew: what was best on other data says nothing on these."""
    directories = job_directory.of_process()
    for entry in storage.entries(storage.join(storage.escaped(root), EXPORTS, "*", BEST)):
        directories.write(entry.path, records.text({RESULT: None}).encode())


def _with_schema(bound: BoundProblem, earlier: Identity | None) -> BoundProblem:
    """The problem with what its weights depend on taken from the run that trained them."""
    if earlier is None or bound.problem.resume_schema is None:
        return bound
    schema = bound.problem.call("resume_schema", schema=bound.schema, earlier=earlier.used_schema)
    return dataclasses.replace(bound, schema=schema)


def _check(
    earlier: _Earlier,
    data: Sequence[Difference],
    settings: Sequence[Difference],
    bound: BoundProblem,
    run: RunSettings,
    root: str,
) -> None:
    """Refuses differences that nobody says are meant, and those that would have no effect; says the others."""
    meant = {difference.name for difference in settings if run.new_settings or _may_change(bound, difference.name)}
    other = [difference for difference in settings if difference.name not in meant]
    if other or (data and not run.new_data):
        raise _refusal(root, [*([] if run.new_data else data), *other], _ways_out(data, other, run))
    if not data and not settings:
        return
    words = _listed([*data, *settings])
    last = run.max_steps(bound.data.num_epochs)
    if last is not None and earlier.step >= last:
        raise UsageError(
            f"{root} is trained up to step {earlier.step}, so nothing would be done with what differs: {words}",
            None,
            "Raise --train_steps to train further, or take another --output_dir",
        )
    _log.info("Step %d of %s was trained with other values; from here on: %s.", earlier.step, root, words)
    if data:
        _log.info("The data are begun afresh.")


def _refusal(root: str, differences: Sequence[Difference], do: str) -> UsageError:
    return UsageError(
        f"{root} holds another run: {_listed(differences)}",
        "the data and the settings that it was trained with",
        do,
    )


def _ways_out(data: Sequence[Difference], settings: Sequence[Difference], run: RunSettings) -> str:
    flags = [flag for flag, is_needed in (("--new_data", data), ("--new_settings", settings)) if is_needed]
    if run.new_data and "--new_data" in flags:
        flags.remove("--new_data")
    return (
        "Take another --output_dir, or the values of before; to train its weights further with what is new, add "
        + " and ".join(flags)
    )


def _listed(differences: Sequence[Difference]) -> str:
    return "; ".join(f"{difference.words}" for difference in differences)


def _may_change(bound: BoundProblem, name: str) -> bool:
    """Whether a setting of the model may change in a run that goes on, without being asked for twice."""
    fields = {field.name: field for field in dataclasses.fields(bound.params)}
    return name == _MAY_CHANGE or bool(name in fields and fields[name].metadata.get("may_change"))


def _identity(bound: BoundProblem, run: RunSettings) -> Identity:
    """What a run of these values will remember."""
    free = {field.name for field in dataclasses.fields(bound.data) if field.metadata.get("may_change")}
    data, params = identity.plain(bound.data, without=free), identity.plain(bound.params)
    files = {name: _records(value) for name, value in {**data, **params}.items() if name.endswith(_OF_FILES)}
    files = {name: records for name, records in files.items() if records}
    name = pathlib.PurePath(run.problem.removesuffix(".py")).name.rpartition(".")[2]
    return Identity(
        data={name: value for name, value in data.items() if name not in files},
        files=files,
        schema=identity.plain(bound.schema),
        settings={"problem": name, **{name: value for name, value in params.items() if name not in files}},
    )


def _records(named: Any) -> list[Any]:
    """Records of the files that a setting names; none where it names none that are there."""
    patterns = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    entries = {
        entry.path: entry for pattern in patterns for entry in storage.entries(storage.resolved(str(pattern).strip()))
    }
    records = [found.record() for found in fingerprints.of(list(entries.values()))]
    return records if len(records) <= _MOST_FILES else [_together(records)]


def _together(records: Sequence[Any]) -> list[Any]:
    """One record for many files."""
    kinds = sorted({kind for _, _, found in records for kind in found})
    text = json.dumps([[size, found] for _, size, found in records], sort_keys=True)
    size = sum(size for _, size, _ in records)
    checksum = {f"{len(records)} files, {', '.join(kinds)}": checksums.of_bytes(text.encode())}
    return Fingerprint(name=f"the set of {len(records):,} files", size=size, checksums=checksum).record()


def _is_same_file(one: Sequence[Any], other: Sequence[Any]) -> bool:
    try:
        return Fingerprint.of_record(one).is_of_same(Fingerprint.of_record(other))
    except (ValueError, TypeError, AttributeError):
        return False
