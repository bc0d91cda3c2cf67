"""What JobSet's webhook refuses of the references between a JobSet's jobs (ValidateCreate)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.job.findings import Finding, Path, short
from trainer.job.spelling import suggestion
from trainer.launch.kubernetes.tables import Table, listed, table


def references(spec: Table, path: Path) -> Iterator[Finding]:
    """Names of jobs that there are none of, or that come too late.

    Args:
      spec: of the JobSet.
      path: of the spec.
    """
    jobs = [table(job) for job in listed(spec.get("replicatedJobs"))]
    known = [str(job.get("name")) for job in jobs]
    targets = [((*path, "successPolicy"), table(spec.get("successPolicy")))]
    rules = listed(table(spec.get("failurePolicy")).get("rules"))
    targets += [((*path, "failurePolicy", "rules", index), table(rule)) for index, rule in enumerate(rules)]
    for at, policy in targets:
        for index, name in enumerate(listed(policy.get("targetReplicatedJobs"))):
            yield from _known(name, known, (*at, "targetReplicatedJobs", index))
    if coordinator := table(spec.get("coordinator")):
        yield from _known(coordinator.get("replicatedJob"), known, (*path, "coordinator", "replicatedJob"))
    for index, job in enumerate(jobs):
        for number, other in enumerate(listed(job.get("dependsOn"))):
            at = (*path, "replicatedJobs", index, "dependsOn", number, "name")
            yield from _known(table(other).get("name"), known[:index], at)


def _known(name: object, known: Sequence[str], path: Path) -> Iterator[Finding]:
    if name not in known:
        accept = ", ".join(known) or "nothing: no job comes before it"
        yield Finding(where=path, got=short(name), accept=accept, do=suggestion(str(name), known, "Correct it"))
