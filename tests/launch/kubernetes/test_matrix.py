"""Every combination of targets, clusters and flags: accepted and sound, or refused for the reason that there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.launch.kubernetes.matrix import ARGV, Combination, combinations
from trainer.job.cluster import from_environment
from trainer.job.errors import UsageError
from trainer.launch.kubernetes import katib, names, schemas
from trainer.launch.kubernetes import plan as kubernetes_plan
from trainer.launch.kubernetes.options import KubernetesOptions, Workload

ALL = list(combinations())


def jobs_of(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The manifest, and the job of its trials where it is a study."""
    yield manifest
    trial = manifest["spec"].get("trialTemplate", {}).get("trialSpec")
    if trial:
        yield trial


def pod_specs(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for inner in value.values():
            yield from pod_specs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pod_specs(inner)


def test_there_are_enough_combinations_of_each_kind() -> None:
    assert len(ALL) >= 200 and len({combination.name for combination in ALL}) == len(ALL)
    accepted = [combination for combination in ALL if combination.refused is None]
    assert len(accepted) >= 120 and {combination.target for combination in accepted} == {
        *("job", "tfjob", "jobset", "trainjob", "katib_job", "katib_tfjob")
    }


@pytest.mark.parametrize("combination", ALL, ids=lambda combination: combination.name)
def test_a_combination_is_sound_or_refused_for_its_reason(combination: Combination) -> None:
    if combination.refused is not None:
        with pytest.raises(UsageError) as refused:
            kubernetes_plan.prepare(combination.options(), ARGV)
        assert combination.refused in str(refused.value)
        return
    options = combination.options()
    manifests = kubernetes_plan.prepare(options, ARGV).manifests
    found = [schemas.schema_errors(job) for manifest in manifests for job in jobs_of(manifest)]
    assert not any(found), found
    for manifest in manifests:
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == options.name
    job = list(jobs_of(manifests[-1]))[-1]
    if options.queue:
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == options.queue
    for spec in pod_specs(manifests):
        require_sound_pod(spec, options)
    if options.kind is Workload.TFJOB:
        require_ports_of_tf_job(job, options)
    elif options.num_pods > 1:
        require_places(manifests, options)


def require_sound_pod(spec: dict[str, Any], options: KubernetesOptions) -> None:
    (container,) = spec["containers"]
    words = katib.task_words(container["args"][0]) if "command" in container else container["args"]
    assert words is not None and f"--output_dir={options.output_dir}" in words and ARGV[0] in words
    mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", ())}
    assert sorted(mounts) == sorted(volume["name"] for volume in spec.get("volumes", ()))
    assert len(set(mounts.values())) == len(mounts) and all(map(names.is_label, mounts))
    assert spec.get("securityContext", {}).get("fsGroup") == (options.fs_group if options.volume else None)
    by_name = {entry["name"]: entry for entry in container.get("env", ())}
    assert len(by_name) == len(container.get("env", ()))
    if options.env:
        assert (by_name["HOSTS"]["value"], by_name["LEVEL"]["value"]) == ("a,b c;d", "1")


def require_ports_of_tf_job(job: dict[str, Any], options: KubernetesOptions) -> None:
    """What CreateNewService and genClusterSpec make of a replica, after SetDefaults_TFJob."""
    for kind, replica in job["spec"]["tfReplicaSpecs"].items():
        (container,) = replica["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        ports.setdefault("tfjob-port", 2222)
        assert ports == {"tfjob-port": options.port}, "one port in the Service, and that is the one in TF_CONFIG"
        trial = "-abcdefgh" if options.config else ""
        assert names.is_dns_1035(f"{options.name}{trial}-{kind.lower()}-{replica['replicas'] - 1}")


def require_places(manifests: list[dict[str, Any]], options: KubernetesOptions) -> None:
    """Each pod of an Indexed Job knows all others, under names that a Service makes."""
    trial = f"{options.name}-abcdefgh"
    (spec,) = list(pod_specs(json.loads(json.dumps(manifests).replace(katib.TRIAL_NAME, trial))))
    environ = {entry["name"]: entry.get("value", "") for entry in spec["containers"][0]["env"]}
    places = [from_environment({**environ, "JOB_COMPLETION_INDEX": str(pod)}) for pod in range(options.num_pods)]
    addresses = [address for role in places[0].jobs.values() for address in dict(role).values()]
    assert len(set(addresses)) == options.num_pods >= 2
    base = trial if options.config else options.name
    base += "-node-0" if options.kind in (Workload.JOBSET, Workload.TRAINJOB) else ""
    for pod in range(options.num_pods):
        assert f"{base}-{pod}.{options.name}:{options.port}" in addresses
        assert names.is_label(f"{base}-{pod}")
