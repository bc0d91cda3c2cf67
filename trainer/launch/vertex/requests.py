"""Requests to Vertex AI: options become the JSON of a CustomJob or a HyperparameterTuningJob. Pure; nothing is sent.

Fields are those of https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.cluster import CHIEF, JOB_TYPES, WORKER
from trainer.launch.vertex.options import Pool, VertexOptions

Request = dict[str, Any]
CUSTOM_JOBS, TUNING_JOBS = "customJobs", "hyperparameterTuningJobs"
RESERVATION_KEY = "compute.googleapis.com/reservation-name"


def custom_job(options: VertexOptions, task_argv: Sequence[str], packages: Sequence[str]) -> Request:
    """The body of `customJobs.create`.

    Args:
      options: as the person gave them.
      task_argv: flags of the task, the same for every replica.
      packages: URIs that an executor image installs; empty with a container image.
    """
    request: Request = {"displayName": options.name, "jobSpec": job_spec(options, task_argv, packages)}
    return request | _of_the_resource(options)


def tuning_job(
    options: VertexOptions, task_argv: Sequence[str], packages: Sequence[str], study: Mapping[str, Any]
) -> Request:
    """The body of `hyperparameterTuningJobs.create`.

    Args:
      options: as the person gave them.
      task_argv: flags of the task, the same in every trial.
      packages: URIs that an executor image installs; empty with a container image.
      study: studySpec and the counts of trials.
    """
    request: Request = {"displayName": options.name, **study}
    request["trialJobSpec"] = job_spec(options, task_argv, packages)
    return request | _of_the_resource(options)


def collection(request: Mapping[str, Any]) -> str:
    """Where a request is posted to."""
    return TUNING_JOBS if "trialJobSpec" in request or "studySpec" in request else CUSTOM_JOBS


def job_spec(options: VertexOptions, task_argv: Sequence[str], packages: Sequence[str]) -> Request:
    """CustomJobSpec: pools by role, scheduling, and what surrounds the job.

    Args:
      options: as the person gave them.
      task_argv: flags of the task, the same for every replica.
      packages: URIs that an executor image installs; empty with a container image.
    """
    argv = list(task_argv)
    if options.evaluator and "--separate_evaluator" not in argv:
        argv.append("--separate_evaluator")
    pools = [_pool(options, role, argv, packages) for role in JOB_TYPES]
    while not pools[-1]:
        pools.pop()
    spec: Request = {"workerPoolSpecs": pools}
    spec |= _present(
        scheduling=_scheduling(options),
        serviceAccount=options.service_account,
        network=options.network,
        reservedIpRanges=list(options.reserved_ip_ranges),
        pscInterfaceConfig=_present(networkAttachment=options.network_attachment),
        tensorboard=options.tensorboard,
        enableWebAccess=options.web_access,
        persistentResourceId=options.persistent_resource,
    )
    if options.output_dir is not None:
        spec["baseOutputDirectory"] = {"outputUriPrefix": options.output_dir}
    return spec


def _of_the_resource(options: VertexOptions) -> Request:
    key = {"kmsKeyName": options.encryption_key} if options.encryption_key else None
    return _present(labels=options.labels, encryptionSpec=key)


def _pool(options: VertexOptions, role: str, argv: Sequence[str], packages: Sequence[str]) -> Request:
    """WorkerPoolSpec; empty for a role without machines, so that the other roles keep their indexes."""
    pool = options.pools[role]
    if pool.replicas == 0:
        return {}
    machine = _machine(options, pool, computes=role in (CHIEF, WORKER))
    spec: Request = {"machineSpec": machine, "replicaCount": pool.replicas, **_present(nfsMounts=options.nfs_mounts)}
    if pool.disk:
        spec["diskSpec"] = {"bootDiskType": pool.disk[0], "bootDiskSizeGb": pool.disk[1]}
    env = [{"name": name, "value": value} for name, value in options.environment.items()]
    if options.image is not None:
        spec["containerSpec"] = _present(imageUri=options.image, args=list(argv), env=env)
    else:
        spec["pythonPackageSpec"] = _present(
            executorImageUri=options.executor_image,
            packageUris=list(packages),
            pythonModule=options.module,
            args=list(argv),
            env=env,
        )
    return spec


def _machine(options: VertexOptions, pool: Pool, *, computes: bool) -> Request:
    """MachineSpec; what is reserved, and TPUs, belong to the roles that compute."""
    machine: Request = {"machineType": pool.machine}
    if pool.accelerator:
        machine |= {"acceleratorType": pool.accelerator[0], "acceleratorCount": pool.accelerator[1]}
    if computes:
        machine |= _present(tpuTopology=options.tpu_topology, reservationAffinity=_reservation(options.reservation))
    return machine


def _reservation(names: Sequence[str]) -> Request:
    """ReservationAffinity."""
    match list(names):
        case []:
            return {}
        case ["any" | "none" as word]:
            return {"reservationAffinityType": {"any": "ANY_RESERVATION", "none": "NO_RESERVATION"}[word]}
        case resources:
            return {
                "reservationAffinityType": "SPECIFIC_RESERVATION",
                "key": RESERVATION_KEY,
                "values": resources,
            }


def _scheduling(options: VertexOptions) -> Request:
    return _present(
        strategy=options.provisioning.value.upper() if options.provisioning else None,
        timeout=options.timeout_secs,
        maxWaitDuration=options.max_wait_secs,
        restartJobOnWorkerRestart=options.restart_job_on_worker_restart,
        disableRetries=options.disable_retries,
    )


def _present(**fields: Any) -> Request:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}
