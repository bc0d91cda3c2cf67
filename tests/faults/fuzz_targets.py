"""What a fuzzer gives rubbish to: each reader of something that others write, with sound examples of it."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math
import pathlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainer import inputs
from trainer.formats import baselines
from trainer.formats.records import tfrecords
from trainer.formats.settings import DataFormat, ForecastData
from trainer.job.cluster import from_environment
from trainer.launch import validate
from trainer.launch.study import search_space, study_file
from trainer.launch.sweep import evaluations, journal_file
from trainer.storage import commits, framing, upload_queue

ROOT = pathlib.Path(__file__).parent.parent.parent


class RubbishError(AssertionError):
    """Something was taken for sound that is not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A reader.

    Attributes:
      name: of what it reads.
      examples: sound ones.
      read: reads a mutated one in an empty folder; raises JobError where it is refused, RubbishError where something
        senseless is taken, and nothing else.
    """

    name: str
    examples: Sequence[bytes]
    read: Callable[[bytes, pathlib.Path], object]


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape").replace("\0", "")  # as a variable of the environment may be


_CLUSTER = {"chief": ["10.0.0.1:2222"], "worker": ["10.0.0.2:2222", "w-1.jobs:2222"], "ps": {"0": "10.0.0.4:2222"}}
_TF_CONFIGS = (
    {"cluster": _CLUSTER, "task": {"type": "worker", "index": 1}},
    {"cluster": {**_CLUSTER, "evaluator": ["e:1"]}, "task": {"type": "evaluator", "index": 0}, "environment": "cloud"},
    {"cluster": {"master": ["m:1"], "worker": ["w:1"]}, "task": {"type": "master", "index": "0", "trial": "7"}},
    {
        "sparseCluster": {"worker": {"1": "w:1"}, "ps": ["p:1"], "chief": ["c:1"]},
        "task": {"type": "worker", "index": 1},
    },
    {"task": {"type": "worker", "index": 0}},
)
_POOLS = {
    "cluster": {"workerpool0": ["c:1"], "workerpool1": ["w:1", "x:1"]},
    "task": {"type": "workerpool1", "index": 1, "trial": "3"},
    "environment": "cloud",
}


def _tf_config(data: bytes, folder: pathlib.Path) -> object:
    return from_environment({"TF_CONFIG": _text(data)})


def _cluster_spec(data: bytes, folder: pathlib.Path) -> object:
    return from_environment({"CLUSTER_SPEC": _text(data)})


def _replicas(data: bytes, folder: pathlib.Path) -> object:
    names = ("TRAINER_REPLICAS", "TRAINER_HOST_PATTERN", "JOB_COMPLETION_INDEX")
    return from_environment(dict(zip(names, _text(data).split("|"), strict=False)))


def _study(data: bytes, folder: pathlib.Path) -> object:
    path = folder / "study.yaml"
    path.write_bytes(data)
    study = study_file.read(str(path), _SPACE)
    for parameter in study.parameters:
        low, high = getattr(parameter, "low", 0.0), getattr(parameter, "high", 0.0)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RubbishError(f"{parameter} has no finite bounds")
    return study


def _manifest_file(data: bytes, folder: pathlib.Path) -> object:
    path = folder / "job.yaml"
    path.write_bytes(data)
    return validate.check(str(path), _FORMATS)


def _reads(name: str, data_format: DataFormat, **settings: Any) -> Callable[[bytes, pathlib.Path], object]:
    def read(data: bytes, folder: pathlib.Path) -> object:
        path = folder / name
        path.write_bytes(data)
        paths = (str(path),)
        given = ForecastData(train_data_paths=paths, eval_data_paths=paths, data_format=data_format, **settings)
        if data_format is DataFormat.SERIES:
            given = dataclasses.replace(given, eval_data_paths=())
        source = inputs.describe(given)
        numbers = [*source.mean, *source.scale, *baselines.score(source).values()]
        if not np.isfinite(numbers).all() or not all(scale > 0 for scale in source.scale):
            raise RubbishError(f"means, scales and scores of simple models are {numbers}")
        return source

    return read


def _rows(count: int, columns: int) -> str:
    draw = random.Random(0)
    return "".join(",".join(f"{draw.gauss(10, 3):.4f}" for _ in range(columns)) + "\n" for _ in range(count))


def _series(count: int) -> bytes:
    lines = [
        f"2026-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{math.sin(hour):.4f},{hour % 7}" for hour in range(count)
    ]
    return "\n".join(["time,value,weekday", *lines, ""]).encode()


def _example(draw: random.Random) -> bytes:
    example = tfrecords.example_class()()
    example.features.feature["values"].float_list.value.extend(draw.gauss(0, 1) for _ in range(9))
    example.features.feature["labels"].float_list.value.append(draw.gauss(0, 1))
    return bytes(example.SerializeToString())


def _records(count: int) -> bytes:
    draw = random.Random(0)
    return b"".join(framing.frame(_example(draw)) for _ in range(count))


def _framed(data: bytes, folder: pathlib.Path) -> object:
    """With checksums that are right, so that what is inside is looked at."""
    return _reads("a.tfrecord", DataFormat.EXAMPLES)(_records(5) + framing.frame(data) + _records(5), folder)


def _packed(data: bytes, folder: pathlib.Path) -> object:
    return _reads("a.csv.gz", DataFormat.SEQUENCES)(gzip.compress(data), folder)


def _tuner_file(data: bytes, folder: pathlib.Path) -> object:
    path = folder / "output.metrics"
    path.write_bytes(data)
    return evaluations.read(path, metric="rmse", trial="1", started_at=0.0)


def _journal(data: bytes, folder: pathlib.Path) -> object:
    path = folder / "journal.log"
    path.write_bytes(data)
    storage = journal_file.storage(path)
    return [storage.get_all_trials(study._study_id) for study in storage.get_all_studies()]


def _upload_queue(data: bytes, folder: pathlib.Path) -> object:
    (folder / upload_queue.FILE).write_bytes(data)
    return upload_queue.left_behind(str(folder))


def _commit(data: bytes, folder: pathlib.Path) -> object:
    return commits.parse(data)


_SPACE = search_space.of_task()
_FORMATS = validate.formats()
_LINE = {"timestamp": 1.5, "trial": "1", "rmse": "0.25", "global_step": "100", "checkpoint_path": "model.ckpt-100"}
_RANGE = {"step": None, "low": 0.001, "high": 0.3, "log": True}
_ENTRIES = (
    {"op_code": 0, "worker_id": "w", "study_name": "sweep", "directions": [1]},
    {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"seed": 7}},
    {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2026-01-01T10:00:00.000000"},
    {
        "op_code": 5,
        "worker_id": "w",
        "trial_id": 0,
        "param_name": "learning_rate",
        "param_value_internal": 0.1,
        "distribution": json.dumps({"name": "FloatDistribution", "attributes": _RANGE}),
    },
    {"op_code": 7, "worker_id": "w", "trial_id": 0, "step": 100, "intermediate_value": 0.5},
    {
        "op_code": 6,
        "worker_id": "w",
        "trial_id": 0,
        "state": 1,
        "values": [0.5],
        "datetime_complete": "2026-01-01T10:01:00",
    },
)
_QUEUE = {"owner": "x", "pending": '[["File", {"name": "summary.json"}]]'}


def _lines(*entries: Any) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def targets() -> list[Target]:
    """All readers that need no TensorFlow."""
    sequences, series, framed = _rows(30, 10).encode(), _series(200), _records(20)
    read_sequences = _reads("a.csv", DataFormat.SEQUENCES)
    studies = [path.read_bytes() for path in sorted((ROOT / "tests" / "golden" / "studies").glob("*.yaml"))]
    return [
        Target(name="TF_CONFIG", examples=[json.dumps(one).encode() for one in _TF_CONFIGS], read=_tf_config),
        Target(name="CLUSTER_SPEC", examples=[json.dumps(_POOLS).encode()], read=_cluster_spec),
        Target(name="TRAINER_REPLICAS", examples=[b"chief=1,worker=2,ps=1|j-{index}.j:2222|2"], read=_replicas),
        Target(name="study file", examples=[(ROOT / "hptuning_config.yaml").read_bytes(), *studies], read=_study),
        Target(name="job file", examples=_job_files(), read=_manifest_file),
        Target(name="CSV of sequences", examples=[sequences], read=read_sequences),
        Target(
            name="CSV, gzip",
            examples=[gzip.compress(sequences, mtime=0)],
            read=_reads("a.csv.gz", DataFormat.SEQUENCES),
        ),
        Target(
            name="CSV of a series",
            examples=[series],
            read=_reads("s.csv", DataFormat.SERIES, target_columns=("value",)),
        ),
        Target(name="CSV, found out", examples=[series, sequences], read=_reads("x.csv", DataFormat.AUTO)),
        Target(name="TFRecord", examples=[framed], read=_reads("a.tfrecord", DataFormat.EXAMPLES)),
        Target(name="Example in TFRecord", examples=[_example(random.Random(1))], read=_framed),
        Target(name="CSV inside gzip", examples=[sequences], read=_packed),
        Target(name="tuner file", examples=[_lines(_LINE, {**_LINE, "global_step": "200"})], read=_tuner_file),
        Target(name="sweep's journal", examples=[_lines(*_ENTRIES)], read=_journal),
        Target(name="upload queue", examples=[json.dumps(_QUEUE).encode()], read=_upload_queue),
        Target(name="commit of a bucket", examples=[_COMMIT], read=_commit),
    ]


def _job_files() -> list[bytes]:
    folder = ROOT / "tests" / "golden"
    found = [
        path
        for pattern in ("*.yaml", "*.json")
        for path in sorted(folder.rglob(pattern))
        if "studies" not in path.parts
    ]
    return [path.read_bytes() for path in found[:20]]


_COMMIT = commits.Commit(
    owner="o",
    files={"model.ckpt-1.index": commits.Stamp(12, "AAAAAA==")},
    text='model_checkpoint_path: "model.ckpt-1"\n',
).render()
