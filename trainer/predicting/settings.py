"""What a batch prediction is asked to do: the flags of `trainer.predict`."""

from __future__ import annotations

import dataclasses
import enum

from trainer.formats.settings import BadRowsPolicy
from trainer.job.config import DEFAULT_PROBLEM, require_names, require_positive, setting
from trainer.job.errors import UsageError

_INPUT_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".tfr": "tfrecord",
}


class InputFormat(enum.Enum):
    CSV = "csv"
    JSONL = "jsonl"
    TFRECORD = "tfrecord"


class OutputFormat(enum.Enum):
    CSV = "csv"
    JSONL = "jsonl"


class Header(enum.Enum):
    AUTO = "auto"
    YES = "yes"
    NO = "no"


class Blanks(enum.Enum):
    ERROR = "error"
    NAN = "nan"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Predictions of a model for the rows of files, written to a file in the order of the rows:"""

    model_dir: str | None = setting(
        None, "a run's directory, or a SavedModel, or a folder of numbered ones; local or gs://"
    )
    input: tuple[str, ...] = setting((), "files or globs, local or gs://, comma separated, plain or .gz")
    output: str | None = setting(None, "file to write, local or gs://; compressed where it ends in .gz")
    input_format: InputFormat | None = setting(None, "csv, jsonl or tfrecord; default: by the ending of the files")
    output_format: OutputFormat | None = setting(None, "csv or jsonl; default: by the ending of --output")
    signature: str | None = setting(None, "signature of the model; default: the one that takes the input, if one does")
    outputs: tuple[str, ...] = setting((), "outputs to write; default: all of the signature")
    keep: tuple[str, ...] = setting((), "columns or fields of the input to write in front of the predictions")
    header: Header = setting(
        Header.AUTO, "whether CSV files begin with the names of columns: yes, no, auto: if they name the inputs"
    )
    blanks: Blanks = setting(
        Blanks.ERROR,
        "what a number that is blank, ?, NA or null is: a bad row (error), or nan for a model that knows",
    )
    batch_size: int = setting(1000, "rows in a call of the model")
    bad_rows: BadRowsPolicy = setting(
        BadRowsPolicy.ERROR, "what a row that cannot be read is: an error, or skip it and list it beside the output"
    )
    max_bad_fraction: float = setting(0.01, "how many of all rows --bad_rows=skip may skip")
    overwrite: bool = setting(False, "replace --output, if it is there")
    checkpoint: str | None = setting(
        None, "predict from a checkpoint of --problem instead of an export: latest, or model.ckpt-N in --model_dir"
    )
    problem: str = setting(DEFAULT_PROBLEM, "of --checkpoint; its own flags, as the run had them, follow")
    data_cache_dir: str | None = setting(None, "where copies of files in buckets are kept; default: nowhere")

    def __post_init__(self) -> None:
        for name, value in (("model_dir", self.model_dir), ("input", self.input), ("output", self.output)):
            if not value or not all(part.strip() for part in value):
                do = "python -m trainer.predict --model_dir=DIR --input=GLOB --output=FILE"
                raise UsageError(f"No --{name}", "a model, files to read, and a file to write", do)
        require_names(self, "input", "outputs", "keep")
        require_positive("batch_size", self.batch_size, "a whole number from 1 up")
        if not 0 <= self.max_bad_fraction < 1:
            got = f"--max_bad_fraction={self.max_bad_fraction:g}"
            raise UsageError(got, "a fraction from 0 up, below 1", "Set 0.01")

    @property
    def writes(self) -> OutputFormat:
        """The format of the output.

        Raises:
          UsageError: neither a flag nor the ending says it.
        """
        if self.output_format is not None:
            return self.output_format
        assert self.output is not None  # checked when this was built
        found = _INPUT_ENDINGS.get(_ending(self.output))
        if found not in ("csv", "jsonl"):
            got = f"--output={self.output}: its ending says no format"
            raise UsageError(got, ".csv or .jsonl, also with .gz", "Rename it, or set --output_format")
        return OutputFormat(found)

    def reads(self, paths: tuple[str, ...]) -> InputFormat:
        """The format of the input.

        Args:
          paths: of all files.

        Raises:
          UsageError: neither a flag nor the endings say it, or they differ.
        """
        if self.input_format is not None:
            return self.input_format
        found = {_INPUT_ENDINGS.get(_ending(path)) for path in paths}
        if len(found) != 1 or None in found:
            odd = next((path for path in paths if _INPUT_ENDINGS.get(_ending(path)) is None), paths[-1])
            got = f"--input: the ending of {odd} says no format" if None in found else "--input names several formats"
            raise UsageError(got, ".csv, .jsonl or .tfrecord, also with .gz", "Set --input_format")
        return InputFormat(found.pop())


def _ending(path: str) -> str:
    name = path.rpartition("/")[2].lower().removesuffix(".gz")
    stem, dot, ending = name.rpartition(".")
    return dot + ending if stem else ""
