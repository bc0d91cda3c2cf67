"""ENTRY: `python -m trainer.predict --model_dir=DIR --input=GLOB --output=FILE` predicts for the rows of files."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trainer import problem_file, storage
from trainer.exported import finding
from trainer.formats.files import named
from trainer.formats.files.download_cache import DownloadCache
from trainer.job import early_flags, entry, flags, imports, logs, signals
from trainer.job.signals import StopRequest
from trainer.predicting.settings import PredictOptions

if TYPE_CHECKING:
    from trainer.exported.finding import Export
    from trainer.predicting.prediction import Result

_USAGE = "python -m trainer.predict --model_dir=DIR --input=GLOB --output=FILE"


def main(argv: Sequence[str] | None = None) -> int:
    """Predicts as asked and returns the exit code: 0 done, 1 failure, 2 wrong usage or data, 143 asked to end."""
    with signals.listening() as stop:
        words = sys.argv[1:] if argv is None else argv
        return entry.exit_code("trainer.predict", _USAGE, lambda: _main(words, stop))


def _main(argv: Sequence[str], stop: StopRequest) -> int:
    settings = _settings(argv)
    options = settings[PredictOptions]
    assert options.model_dir is not None and options.output is not None  # PredictOptions has checked it
    options.writes  # noqa: B018  (an output without a format is refused before anything is read)
    cache = DownloadCache(options.data_cache_dir)
    stop.tell(lambda reason: None)
    try:
        paths = _paths(options, cache)
        options.reads(paths)
        model_dir = storage.resolved(options.model_dir)
        export = None if options.checkpoint else finding.newest(model_dir)
        logs.to_stderr()
        logs.quiet_tensorflow(os.environ)
        with imports.quick():
            from trainer.exported.model import Model
            from trainer.predicting.output_file import OutputFile
            from trainer.predicting.prediction import Prediction
        with OutputFile(options.output, overwrite=options.overwrite) as output:
            with _on_disk(argv, settings, export) as directory:
                model = Model(directory)
            result = Prediction(model, paths, options, lambda: stop.reason is not None).run(output)
    finally:
        cache.close()
    print(_table(options, result, export.path if export is not None else f"{model_dir}, {options.checkpoint}"))
    return 0


def _settings(argv: Sequence[str]) -> flags.Settings:
    """The flags of a prediction, and where a checkpoint is asked those of its problem."""
    if early_flags.value(argv, "checkpoint") is None:
        return flags.parse(argv, PredictOptions)
    problem = problem_file.named_in(argv)
    return flags.parse(argv, PredictOptions, problem.data, problem.params)


def _paths(options: PredictOptions, cache: DownloadCache) -> tuple[str, ...]:
    """The files in the order of the flag, those of a glob in that of their names, each once."""
    found = [path for pattern in options.input for path in named.resolve((pattern,), "input", cache)]
    return tuple(dict.fromkeys(found))


@contextlib.contextmanager
def _on_disk(argv: Sequence[str], settings: flags.Settings, export: Export | None) -> Iterator[str]:
    """A local SavedModel to ask: the export, or one made of a checkpoint."""
    if export is not None:
        with finding.on_disk(export) as directory:
            yield directory
        return
    from trainer import checkpoint_export

    options, problem = settings[PredictOptions], problem_file.named_in(argv)
    assert options.model_dir is not None and options.checkpoint is not None
    model_dir = storage.resolved(options.model_dir)
    data: Any = settings[problem.data]
    params: Any = settings[problem.params]
    with checkpoint_export.written(problem, data, params, model_dir, options.checkpoint) as directory:
        yield directory


def _table(options: PredictOptions, result: Result, model: str) -> str:
    """What was done, and what to type next."""
    rate = f", {result.rows / result.seconds:,.0f} rows/s" if result.seconds > 0 else ""
    left_out = result.rows - result.written
    rows = [
        ("predictions", str(options.output)),
        ("rows", f"{result.written:,} in {result.seconds:.1f} s{rate}"),
        *([("left out", f"{left_out:,} bad rows, listed in {result.bad_rows}")] if result.bad_rows else []),
        *([("not finite", f"the predictions of {result.not_finite:,} rows")] if result.not_finite else []),
        ("model", model),
        *(("asked as", told) for told in result.signatures),
    ]
    lines = [f"  {name:<13}{value}" for name, value in rows]
    return "\n".join(["", *lines, "", "Next", *(f"  {command}" for command in _next(options))])


def _next(options: PredictOptions) -> list[str]:
    assert options.output is not None and options.model_dir is not None
    output, model_dir = shlex.quote(options.output), shlex.quote(options.model_dir)
    show = "gcloud storage cat" if storage.is_remote(options.output) else "cat"
    unpack = " | gunzip" if options.output.endswith(".gz") else ""
    look = f"{show} {output}{unpack} | head -3"
    return [look, *([] if options.checkpoint else [f"python -m trainer.serve --model_dir={model_dir}"])]


if __name__ == "__main__":
    sys.exit(main())
