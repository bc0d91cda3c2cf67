"""A batch prediction: rows of files in their order, answered some at a time in threads, into one file."""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import logging
import os
import re
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from trainer import storage
from trainer.exported.model import Model
from trainer.formats.text import bad_rows
from trainer.formats.text.bad_rows import BadRows
from trainer.job.errors import DataError, JobError
from trainer.job.signals import SAVED_EXIT_CODE
from trainer.predicting import choosing, rows
from trainer.predicting.output_file import OutputFile
from trainer.predicting.program import Answer, Program
from trainer.predicting.rows import Rows
from trainer.predicting.settings import InputFormat, OutputFormat, PredictOptions

_log = logging.getLogger("trainer")

_MOST_THREADS = 4
_AHEAD = 2
"""Batches for each thread that are read before the first of them is written."""
_TELL_SECS = 10.0
_DO = "Repair the row, or set --bad_rows=skip"
_DO_BLANK = "Set --blanks=nan if the model knows missing values; else repair the row, or set --bad_rows=skip"
_BLANK = re.compile(r": (no value|null|nan|'nan') ?")


class StoppedError(JobError):
    """Somebody asked for the end. Nothing was published."""

    exit_code = SAVED_EXIT_CODE


@dataclasses.dataclass(kw_only=True)
class Result:
    """What became of a prediction.

    Attributes:
      rows: that were read.
      written: that have predictions.
      not_finite: of these, rows with a prediction that is no finite number.
      seconds: from the first row to the last line.
      signatures: that were asked, and how their inputs were found, in words.
      bad_rows: the file that lists rows without predictions; None where there are none.
    """

    rows: int = 0
    written: int = 0
    not_finite: int = 0
    seconds: float = 0.0
    signatures: list[str] = dataclasses.field(default_factory=list)
    bad_rows: str | None = None


class Prediction:
    """Predictions of a model for files.

    Args:
      model: that is asked.
      paths: of the files, in the order of their predictions.
      options: of the person.
      stopped: says whether a signal asked for the end.
      clock: seconds.
    """

    def __init__(
        self,
        model: Model,
        paths: Sequence[str],
        options: PredictOptions,
        stopped: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model, self._paths, self._options = model, paths, options
        self._stopped, self._clock = stopped, clock
        self._form = options.reads(tuple(paths))
        self._bad, self._columns = BadRows(options), ()  # type: tuple[BadRows, Sequence[str]]
        self._result = Result()

    def run(self, output: OutputFile) -> Result:
        """Reads, asks and writes everything, and publishes the output.

        Raises:
          DataError: a bad row, or too many of them.
          UsageError: a file that no signature takes, or an output that is there by now.
          StoppedError: somebody asked for the end.
        """
        began = told = self._clock()
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        waiting: collections.deque[tuple[Rows, Future[Answer]]] = collections.deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="predict") as pool:
            try:
                for program, batch in self._batches():
                    waiting.append((batch, pool.submit(program.answer, batch, stops_at_first=not self._bad.skips)))
                    if len(waiting) > threads * _AHEAD:
                        self._take(*waiting.popleft(), output)
                    if self._clock() >= told + _TELL_SECS:
                        told = self._clock()
                        _log.info(
                            "%s rows, %s rows/s", f"{self._result.rows:,}", f"{self._result.rows / (told - began):,.0f}"
                        )
                while waiting:
                    self._take(*waiting.popleft(), output)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._list_bad_rows()
        output.publish()
        self._result.seconds = self._clock() - began
        return self._result

    def _tell(self, seconds: float) -> None:
        rows = self._result.rows
        _log.info("%s rows, %s rows/s", f"{rows:,}", f"{rows / seconds:,.0f}")

    def _batches(self) -> Iterator[tuple[Program, Rows]]:
        """All rows, each file's with its program. Files that are read alike share one."""
        programs: dict[Hashable, Program] = {}
        for path in self._paths:
            choice = choosing.for_file(path, self._form, self._model, self._options)
            if choice.alike not in programs:
                programs[choice.alike] = Program(self._model, choice, self._options.outputs, self._options.writes)
                self._say(path, f"{choice.signature.name}, {choice.how}")
            program = programs[choice.alike]
            size = min(self._options.batch_size, program.most_rows or self._options.batch_size)
            for batch in self._rows(path, size, choice.skip):
                if self._stopped():
                    raise StoppedError("Asked to end; nothing was written", None, "Run the same command again")
                yield program, batch

    def _say(self, path: str, how: str) -> None:
        if how not in self._result.signatures:
            self._result.signatures.append(how)
            _log.info("%s: asked through the signature %s.", path, how)

    def _rows(self, path: str, size: int, skip: int) -> Iterator[Rows]:
        if self._form is InputFormat.TFRECORD:
            return rows.of_records(path, size, self._bad)
        return rows.of_text(path, size, skip)

    def _take(self, batch: Rows, future: Future[Answer], output: OutputFile) -> None:
        """Writes the answer of the batch that is next."""
        answer = future.result()
        self._bad.count(len(batch))
        for bad in answer.bad:
            error = DataError(
                f"{bad.row.place}: {bad.reason}",
                f"rows that {self._result.signatures[-1].partition(',')[0]} takes",
                _DO_BLANK if _BLANK.search(bad.reason) else _DO,
            )
            self._bad.meet(error, bad.row.path, int(bad.row.numbers[0]), bad.row.place)
        if answer.columns is not None:
            self._begin(answer.columns, batch, output)
        output.write(answer.text)
        self._result.rows += len(batch)
        self._result.written += len(batch) - len(answer.bad)
        self._result.not_finite += answer.not_finite
        if self._result.written == 0:
            self._bad.checked()  # where every row so far is bad, it is not the rows that are wrong

    def _begin(self, columns: Sequence[str], batch: Rows, output: OutputFile) -> None:
        """Writes the header of CSV in front of the first predictions, which all others are to fit."""
        if self._form_out is not OutputFormat.CSV or columns == self._columns:
            return
        if self._columns:
            got = f"{batch.place}: predictions in {len(columns)} columns, after others in {len(self._columns)}"
            raise DataError(got, "as many in each row", "Write JSON lines, whose rows may differ")
        if len(set(columns)) != len(columns):
            doubled = next(name for name in columns if columns.count(name) > 1)
            got = f"Two columns of the output would be called {doubled}"
            raise DataError(got, "names that differ", "Name fewer --outputs or --keep, or write JSON lines")
        self._columns = columns
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(columns)
        output.write(text.getvalue().encode())

    @property
    def _form_out(self) -> OutputFormat:
        return self._options.writes

    def _list_bad_rows(self) -> None:
        """Writes which rows have no predictions beside the output."""
        found = self._bad.checked()
        if found:
            self._result.bad_rows = f"{self._options.output}.{bad_rows.FILE}"
            storage.write(storage.resolved(self._result.bad_rows), bad_rows.table(found))
