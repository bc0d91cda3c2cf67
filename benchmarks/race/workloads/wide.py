"""A wide table: 200 columns of numbers, read and trained on, as CSV, compressed CSV and TFRecord."""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.race.contest import Contender, Role, Workload
from trainer.formats.records import tfrecords
from trainer.storage import framing

COLUMNS, BLOCK_ROWS, EVAL_ROWS = 200, 5_000, 5_000
NAMES = [f"c{number}" for number in range(COLUMNS)]
HEADER = ",".join([*NAMES, "label"]) + "\n"
MEMORY_MIB = 2_048
"""Of data that a contender may hold, libraries included; a million rows of CSV are 1.7 GB, ten million 17."""


@functools.cache
def block(seed: int) -> np.ndarray:
    """Normal numbers, and as the label a weighted sum of them with some noise: float32 [5000, 201]."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((BLOCK_ROWS, COLUMNS), np.float32)
    weights = np.random.default_rng(7).standard_normal(COLUMNS).astype(np.float32) / COLUMNS**0.5
    label = features @ weights + 0.1 * random.standard_normal(BLOCK_ROWS).astype(np.float32)
    return np.column_stack([features, label])


def csv_lines(rows: np.ndarray) -> bytes:
    """As CSV, five digits each."""
    return "".join(",".join(f"{value:.5g}" for value in row) + "\n" for row in rows.tolist()).encode()


def examples(rows: np.ndarray) -> bytes:
    """As TFRecord of tf.train.Example with `values` float [200] and `label` float [1]."""
    made = []
    for row in rows:
        example = tfrecords.example_class()()
        example.features.feature["values"].float_list.value.extend(row[:-1].tolist())
        example.features.feature["label"].float_list.value.extend(row[-1:].tolist())
        made.append(framing.frame(example.SerializeToString()))
    return b"".join(made)


def prepare(kind: str, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The files of one kind; four blocks of rows follow each other again and again, as many as are asked for."""
    path, judged = folder / f"wide-{options['rows']}.{kind}", folder / f"judged.{kind}"
    if path.exists():
        return {"path": str(path), "eval_path": str(judged)}
    head, written = (b"", examples) if kind == "tfrecord" else (HEADER.encode(), csv_lines)
    blocks = [written(block(seed)) for seed in range(4)]
    judged.write_bytes(head + written(block(9)[:EVAL_ROWS]))
    squeeze = zlib.compressobj(1, wbits=31) if kind == "csv.gz" else None
    with path.open("wb") as file:
        for number in range(options["rows"] // BLOCK_ROWS):
            text = blocks[number % len(blocks)] if number else head + blocks[0]
            file.write(squeeze.compress(text) if squeeze else text)
        file.write(squeeze.flush() if squeeze else b"")
    if squeeze:
        judged.write_bytes(zlib.compress(judged.read_bytes(), 1, wbits=31))
    return {"path": str(path), "eval_path": str(judged)}


def contender(title: str, program: str, role: Role = Role.PEER, environment: str = "trainer") -> Contender:
    """One that has the limit of memory."""
    return Contender(title=title, program=program, role=role, environment=environment, memory_mib=MEMORY_MIB)


def workload(key: str, title: str, kind: str, contenders: tuple[Contender, ...], **settings: Any) -> Workload:
    """Rows a second of files of one kind."""
    return Workload(
        key=key,
        title=title,
        unit="rows/s",
        contenders=contenders,
        options={"rows": 1_000_000, "batch_size": 500, "columns": COLUMNS},
        quick={"rows": 50_000},
        prepare=functools.partial(prepare, kind),
        **settings,
    )


DISK = dataclasses.replace(contender("the file's bytes alone", "wide:disk", Role.LIMIT), same_loss=False)
READING = (
    contender("trainer", "wide_trainer:read", Role.OURS),
    contender("`tf.data` + `decode_csv`", "wide:decode_csv"),
    DISK,
)
TARGETS = {"`tf.data` + `decode_csv`": 4}
TITLE = "wide table, 200 columns"
WORKLOADS = (
    workload("e1", f"{TITLE}, CSV, read", "csv", READING, targets=TARGETS),
    workload("e2", f"{TITLE}, .csv.gz, read", "csv.gz", READING, targets=TARGETS, long=True),
    workload(
        "e3",
        f"{TITLE}, TFRecord, three dense layers",
        "tfrecord",
        (
            contender("trainer", "wide_estimator:records", Role.OURS),
            contender("tf.estimator", "wide_estimator:records", environment="reference"),
            DISK,
        ),
        tolerance=0.05,
        targets={"tf.estimator": 1},
    ),
    workload(
        "e4",
        f"{TITLE}, CSV, three dense layers, the whole command",
        "csv",
        (
            contender("trainer", "wide_trainer:whole_job", Role.OURS),
            contender("Keras `fit`, `decode_csv`", "wide:keras_fit"),
        ),
        tolerance=0.25,  # weights begin at random, and ours standardises the label
        long=True,
        targets={"Keras `fit`, `decode_csv`": 1},
    ),
)
