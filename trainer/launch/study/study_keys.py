"""The keys of the forms in which a study is written, and what those that are not read mean."""

from __future__ import annotations

from trainer.launch.files.fields import Keys
from trainer.launch.study import stopping_fields

_ADDED_BY_VERTEX = ("measurementSelectionType", *stopping_fields.RULES, stopping_fields.LIMITS)
_OF_VIZIER = "Vizier takes it, tuning jobs do not"
_MACHINES = "Machines are flags of python -m trainer.launch submit"
_OUTPUT_ONLY = "Only the service writes it"

TOP = Keys(
    read=("trainingInput",),
    ignored=dict.fromkeys(("jobId", "labels"), "Names and labels are flags of python -m trainer.launch submit")
    | dict.fromkeys(("createTime", "startTime", "endTime", "state", "errorMessage", "etag"), _OUTPUT_ONLY)
    | dict.fromkeys(("trainingOutput", "jobPosition"), _OUTPUT_ONLY),
)
TRAINING_INPUT = Keys(
    read=("hyperparameters",),
    ignored=dict.fromkeys(
        (
            *("scaleTier", "masterType", "masterConfig", "workerType", "workerConfig", "workerCount"),
            *("parameterServerType", "parameterServerConfig", "parameterServerCount"),
            *("evaluatorType", "evaluatorConfig", "evaluatorCount", "region", "scheduling", "network"),
            *("serviceAccount", "encryptionConfig", "enableWebAccess"),
        ),
        _MACHINES,
    )
    | dict.fromkeys(("args", "jobDir"), "Flags of the task come after -- on the command line")
    | dict.fromkeys(
        ("packageUris", "pythonModule", "runtimeVersion", "pythonVersion"), "python -m trainer.launch package"
    )
    | {"useChiefInTfConfig": "The task reads both, chief and master"},
)
HYPERPARAMETERS = Keys(
    read=(
        *("goal", "hyperparameterMetricTag", "maxTrials", "maxParallelTrials", "maxFailedTrials", "algorithm"),
        *("enableTrialEarlyStopping", "params", *_ADDED_BY_VERTEX),
    ),
    refused={
        "resumePreviousJobId": "Remove it: a sweep on this machine resumes by itself in the same --output_dir, "
        "and no tuning job on Vertex AI continues another"
    },
    ignored={"observationNoise": _OF_VIZIER},
    synonyms={
        "maxTrialCount": "maxTrials",
        "parallelTrialCount": "maxParallelTrials",
        "maxFailedTrialCount": "maxFailedTrials",
    },
)
JOB = Keys(
    read=("studySpec", "maxTrialCount", "parallelTrialCount", "maxFailedTrialCount"),
    ignored={"trialJobSpec": "Machines and programs are flags of python -m trainer.launch submit"}
    | dict.fromkeys(("displayName", "labels", "encryptionSpec"), "It is a flag of python -m trainer.launch submit")
    | dict.fromkeys(("name", "trials", "state", "createTime", "startTime", "endTime", "updateTime"), _OUTPUT_ONLY)
    | dict.fromkeys(("error", "satisfiesPzs", "satisfiesPzi"), _OUTPUT_ONLY),
    synonyms={
        "maxTrials": "maxTrialCount",
        "maxParallelTrials": "parallelTrialCount",
        "parallelTrials": "parallelTrialCount",
        "maxFailedTrials": "maxFailedTrialCount",
    },
)
STUDY_SPEC = Keys(
    read=("metrics", "parameters", "algorithm", *_ADDED_BY_VERTEX),
    refused={
        "transferLearningConfig": "Remove it: every study starts from scratch",
        "convexStopConfig": "Write convexAutomatedStoppingSpec, which replaced it",
    },
    ignored={"observationNoise": _OF_VIZIER},
)
METRIC = Keys(
    read=("metricId", "goal"), refused={"safetyConfig": "Remove it: a tuning job has one metric and no safety metric"}
)
