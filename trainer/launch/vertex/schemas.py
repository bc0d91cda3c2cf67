"""The schemas of a CustomJob and of a HyperparameterTuningJob, as Vertex AI's v1 REST reference has them."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.launch.files.schema import Kind, Schema

_TEXT, _WHOLE, _SWITCH = Kind.TEXT, Kind.WHOLE, Kind.SWITCH
_ENV = [{"name": _TEXT, "value": _TEXT}]
_POOL: Schema = {
    "containerSpec": {"imageUri": _TEXT, "command": [_TEXT], "args": [_TEXT], "env": _ENV},
    "pythonPackageSpec": {
        "executorImageUri": _TEXT,
        "packageUris": [_TEXT],
        "pythonModule": _TEXT,
        "args": [_TEXT],
        "env": _ENV,
    },
    "machineSpec": {
        "machineType": _TEXT,
        "acceleratorType": _TEXT,
        "acceleratorCount": _WHOLE,
        "tpuTopology": _TEXT,
        "gpuPartitionSize": _TEXT,
        "reservationAffinity": {"reservationAffinityType": _TEXT, "key": _TEXT, "values": [_TEXT]},
    },
    "replicaCount": _WHOLE,
    "nfsMounts": [{"server": _TEXT, "path": _TEXT, "mountPoint": _TEXT}],
    "lustreMounts": [{"instanceIp": _TEXT, "volumeHandle": _TEXT, "filesystem": _TEXT, "mountPoint": _TEXT}],
    "diskSpec": {"bootDiskType": _TEXT, "bootDiskSizeGb": _WHOLE},
}
JOB_SPEC: Schema = {
    "persistentResourceId": _TEXT,
    "workerPoolSpecs": [_POOL],
    "scheduling": {
        "timeout": _TEXT,
        "restartJobOnWorkerRestart": _SWITCH,
        "strategy": _TEXT,
        "disableRetries": _SWITCH,
        "maxWaitDuration": _TEXT,
    },
    "serviceAccount": _TEXT,
    "network": _TEXT,
    "reservedIpRanges": [_TEXT],
    "pscInterfaceConfig": {
        "networkAttachment": _TEXT,
        "dnsPeeringConfigs": [{"domain": _TEXT, "targetProject": _TEXT, "targetNetwork": _TEXT}],
    },
    "baseOutputDirectory": {"outputUriPrefix": _TEXT},
    "protectedArtifactLocationId": _TEXT,
    "tensorboard": _TEXT,
    "enableWebAccess": _SWITCH,
    "enableDashboardAccess": _SWITCH,
    "experiment": _TEXT,
    "experimentRun": _TEXT,
    "models": [_TEXT],
}
_RESOURCE: Mapping[str, Schema] = {"displayName": _TEXT, "labels": Kind.TEXTS, "encryptionSpec": {"kmsKeyName": _TEXT}}
CUSTOM_JOB: Schema = {**_RESOURCE, "jobSpec": JOB_SPEC}
TUNING_JOB: Schema = {
    **_RESOURCE,
    "studySpec": Kind.ANY,  # the study's own checks know it
    "maxTrialCount": _WHOLE,
    "parallelTrialCount": _WHOLE,
    "maxFailedTrialCount": _WHOLE,
    "trialJobSpec": JOB_SPEC,
}
