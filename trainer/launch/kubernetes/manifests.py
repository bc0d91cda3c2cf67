"""Manifests for Kubernetes: options become a TFJob, an Indexed Job, a JobSet or a TrainJob. Pure; nothing is sent here.

Kubeflow's operator (TFJob v1) writes TF_CONFIG itself. The others give each pod its completion index, from which
`trainer.job.cluster` makes the same: TRAINER_REPLICAS says who is who, TRAINER_HOST_PATTERN where.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainer.job.cluster import CHIEF, EVALUATOR, PS, WORKER
from trainer.job.errors import UsageError
from trainer.job.signals import SAVED_EXIT_CODE
from trainer.launch.kubernetes.options import KubernetesOptions, Workload
from trainer.launch.kubernetes.pods import CONTAINER, INSTANCE_LABEL, QUEUE_LABEL, Manifest, labels, present, template

_REPLICA_TYPES = {CHIEF: "Chief", WORKER: "Worker", PS: "PS", EVALUATOR: "Evaluator"}
TF_JOB_PORT = "tfjob-port"
_RESTARTS = 10  # of each pod that fails, where nothing else is said
# The replicated job, and its container, that Kubeflow Trainer v2 looks for in a runtime.
NODE = "node"
TRAINER_LABEL = "trainer.kubeflow.org/trainjob-ancestor-step"


def manifests(options: KubernetesOptions, task_argv: Sequence[str]) -> list[Manifest]:
    """What is created, in this order; the job itself is the last."""
    argv = arguments(options, task_argv)
    match options.kind:
        case Workload.TFJOB:
            return [tf_job(options, argv)]
        case Workload.JOB:
            return [*services(options), indexed_job(options, argv)]
        case Workload.JOBSET:
            return [job_set(options, argv)]
        case Workload.TRAINJOB:
            return train_job(options, argv)


def arguments(options: KubernetesOptions, task_argv: Sequence[str]) -> list[str]:
    """Flags of the task: the person's, with what the submission knows."""
    argv = list(task_argv)
    if options.output_dir is not None:
        argv.insert(0, f"--output_dir={options.output_dir}")
    if options.evaluator and "--separate_evaluator" not in argv:
        argv.append("--separate_evaluator")
    return argv


def tf_job(options: KubernetesOptions, argv: Sequence[str]) -> Manifest:
    """Kubeflow's TFJob, v1. With ExitCode, 1 to 127 end the job and from 128 up a pod is started again: 143 is.

    The operator makes a Service for each pod from its container's ports; the one called tfjob-port, which it adds where
    there is none, is in TF_CONFIG (SetDefaults_TFJob, CreateNewService, genClusterSpec). It counts no restarts, and
    with backoffLimit 0 ends at the first (ReconcileJobs), so that no limit is written.
    """
    replicas = {
        _REPLICA_TYPES[role]: {
            "replicas": count,
            "restartPolicy": "ExitCode",
            "template": template(
                options, argv, port_name=TF_JOB_PORT, gpu=options.gpu if role in (CHIEF, WORKER) else 0
            ),
        }
        for role, count in options.counts.items()
        if count
    }
    # All processes end by themselves; an operator that cleans up after the chief would end the evaluator too early.
    policy: Manifest = {"cleanPodPolicy": "None"}
    policy |= present(activeDeadlineSeconds=options.timeout_secs, ttlSecondsAfterFinished=options.ttl_secs)
    spec = {"runPolicy": policy, "tfReplicaSpecs": replicas}
    return {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "metadata": job_metadata(options), "spec": spec}


def indexed_job(options: KubernetesOptions, argv: Sequence[str], *, host: str | None = None) -> Manifest:
    """A batch/v1 Job with a pod for each process.

    Args:
      options: as the person gave them.
      argv: flags of the task.
      host: what the pods' names begin with: the name of the Job, where that is not known yet a placeholder.
    """
    where = f"{host or options.name}-{{index}}.{options.name}:{options.port}"
    subdomain = options.name if options.num_pods > 1 else None
    spec = _job_spec(options, argv, where, subdomain=subdomain)
    spec |= present(ttlSecondsAfterFinished=options.ttl_secs)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": job_metadata(options), "spec": spec}


def job_set(options: KubernetesOptions, argv: Sequence[str]) -> Manifest:
    """A JobSet (v1alpha2) of one such job; it makes the service by itself."""
    where = f"{options.name}-{NODE}-0-{{index}}.{options.name}:{options.port}"
    spec = {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True, "subdomain": options.name},
        "successPolicy": {"operator": "All"},
        "failurePolicy": {"maxRestarts": 0},
        "replicatedJobs": [{"name": NODE, "replicas": 1, "template": {"spec": _job_spec(options, argv, where)}}],
    }
    spec |= present(ttlSecondsAfterFinished=options.ttl_secs)
    return {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": job_metadata(options), "spec": spec}


def train_job(options: KubernetesOptions, argv: Sequence[str]) -> list[Manifest]:
    """A TrainJob (v1alpha1), and the runtime that it needs: Trainer v2 brings none for TensorFlow."""
    where = f"{options.name}-{NODE}-0-{{index}}.{options.name}:{options.port}"
    job = _job_spec(options, argv, where, container=NODE)
    replicated = {"name": NODE, "template": {"metadata": {"labels": {TRAINER_LABEL: "trainer"}}, "spec": job}}
    policy = {"numNodes": options.num_pods}
    version = "trainer.kubeflow.org/v1alpha1"
    runtime = {
        "apiVersion": version,
        "kind": "TrainingRuntime",
        "metadata": {**metadata(options), "name": f"{options.name}-runtime"},
        "spec": {"mlPolicy": policy, "template": {"spec": {"replicatedJobs": [replicated]}}},
    }
    reference = {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": f"{options.name}-runtime"}
    spec = {"runtimeRef": reference, "trainer": policy}
    return [runtime, {"apiVersion": version, "kind": "TrainJob", "metadata": job_metadata(options), "spec": spec}]


def services(options: KubernetesOptions) -> list[Manifest]:
    """The headless service under which the pods of an Indexed Job have names; none for a single pod."""
    if options.num_pods == 1:
        return []
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # they look for each other before anybody is ready
        "selector": {INSTANCE_LABEL: options.name},
        "ports": [{"name": "training", "port": options.port}],
    }
    return [{"apiVersion": "v1", "kind": "Service", "metadata": metadata(options), "spec": spec}]


def metadata(options: KubernetesOptions) -> Manifest:
    """Name, namespace and labels, the same for all manifests of a job."""
    return {"name": options.name, "namespace": options.namespace, "labels": labels(options)}


def job_metadata(options: KubernetesOptions) -> Manifest:
    """Of the job itself, for which Kueue has it wait where a queue is named."""
    whole = metadata(options)
    whole["labels"] |= present(**{QUEUE_LABEL: options.queue})
    return whole


def _job_spec(
    options: KubernetesOptions,
    argv: Sequence[str],
    host_pattern: str,
    *,
    container: str = CONTAINER,
    subdomain: str | None = None,
) -> Manifest:
    """JobSpec of an Indexed Job.

    A pod that ends with 143 (its state is saved) or is preempted gets a successor without counting; 2, wrong usage or
    data, ends the job, since it would end each successor likewise; other codes count against the restarts.
    """
    pods = template(
        options, argv, _identity(options, host_pattern), container=container, gpu=options.gpu, subdomain=subdomain
    )
    pods["spec"] = {"restartPolicy": "Never", **pods["spec"]}
    on_code = {"containerName": container, "operator": "In"}
    rules = [
        {"action": "FailJob", "onExitCodes": {**on_code, "values": [UsageError.exit_code]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Ignore", "onExitCodes": {**on_code, "values": [SAVED_EXIT_CODE]}},
    ]
    spec: Manifest = {
        "completionMode": "Indexed",
        "completions": options.num_pods,
        "parallelism": options.num_pods,
        "backoffLimitPerIndex": _RESTARTS if options.max_restarts is None else options.max_restarts,
        "maxFailedIndexes": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": rules},
    }
    spec |= present(activeDeadlineSeconds=options.timeout_secs)
    return {**spec, "template": pods}


def _identity(options: KubernetesOptions, host_pattern: str) -> list[Manifest]:
    """Variables from which a pod knows the cluster; none for a single pod, which trains by itself."""
    if options.num_pods == 1:
        return []
    replicas = ",".join(f"{role}={count}" for role, count in options.counts.items() if count)
    return [
        {"name": "TRAINER_REPLICAS", "value": replicas},
        {"name": "TRAINER_HOST_PATTERN", "value": host_pattern},
    ]
