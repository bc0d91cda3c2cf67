"""Which signature a file is for, and where its inputs stand in the file. What cannot be known is asked, not guessed.

TFRecord     a signature that takes serialized examples, else a dense one whose inputs are features of them
JSON lines   `serving_default`, whose inputs are fields
CSV          with a header that names the inputs of a dense signature, that one;
             without a header, one that takes rows of CSV, else a dense one whose one input has as many numbers
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Sequence

from trainer.estimator.contract.export import CLASSIFY_METHOD, DEFAULT_SIGNATURE, REGRESS_METHOD
from trainer.exported.model import Model
from trainer.exported.signatures import Signature
from trainer.formats.files import contents
from trainer.formats.text.dialect import Dialect, Head, Kind, read_head
from trainer.job import spelling
from trainer.job.errors import DataError, UsageError
from trainer.predicting import parsing
from trainer.predicting.parsing import CsvColumns, ExampleFeatures, JsonRows, Parser, WholeRows
from trainer.predicting.settings import Blanks, Header, InputFormat, OutputFormat, PredictOptions

_CSV_ALTERNATIVE, _EXAMPLES_ALTERNATIVE = "csv:", "examples:"
"""What the names of signatures begin with that take rows of CSV or examples instead of what `serving_default` does."""
_CSV_INPUTS, _EXAMPLES_INPUTS = ("rows", "csv_row", "csv_rows"), ("examples", "inputs")
"""What their one input is called where their names do not say it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """How a file is read.

    Attributes:
      signature: that is asked.
      parser: of its rows.
      skip: lines at the top that are none.
      alike: equal for files whose rows are read alike.
      how: in words, for the person.
    """

    signature: Signature
    parser: Parser
    skip: int = 0
    alike: Hashable = None
    how: str


def for_file(path: str, form: InputFormat, model: Model, options: PredictOptions) -> Choice:
    """How a file is read.

    Args:
      path: of the file.
      form: of the file.
      model: that is asked.
      options: of the person.

    Raises:
      UsageError: no signature takes such a file, or several could.
      DataError: the file lacks columns.
    """
    if form is InputFormat.CSV:
        return _for_csv(path, model, options)
    if form is InputFormat.TFRECORD:
        if options.keep:
            got, do = f"--keep={','.join(options.keep)} with TFRecord", "Leave --keep out, or convert the files"
            raise UsageError(got, "columns of CSV, or fields of JSON lines", do)
        return _for_examples(model, options)
    signature = model.signature(options.signature)
    nan = options.blanks is Blanks.NAN
    parser = JsonRows(signature, options.keep, blanks_are_nan=nan, keeps_json=options.writes is OutputFormat.JSONL)
    return Choice(signature=signature, parser=parser, how="fields of JSON lines")


def _for_examples(model: Model, options: PredictOptions) -> Choice:
    if options.signature is None:
        takers = [one for one in model.signatures.values() if _takes_examples(one)]
        signature = next((one for one in takers if _is_default(one)), None) or model.signature(None)
    else:
        signature = model.signature(options.signature)
    if signature.takes_strings:
        return Choice(signature=signature, parser=WholeRows(signature), how="serialized examples")
    if all(parsing.examples_can_hold(port) for port in signature.inputs.values()):
        return Choice(signature=signature, parser=ExampleFeatures(signature), how="features of examples")
    raise _no_way(signature, "features of tf.train.Example", model)


def _for_csv(path: str, model: Model, options: PredictOptions) -> Choice:
    head = read_head(path, contents.first_lines(path))
    if options.signature is not None:
        candidates = [model.signature(options.signature)]
    else:
        default = model.signature(None)
        rows = [one for one in model.signatures.values() if _takes_rows(one) and _is_default(one)]
        candidates = [default, *(one for one in rows if one is not default)]
    dense = [one for one in candidates if all(parsing.csv_can_hold(port) for port in one.inputs.values())]
    for signature in dense:
        if options.header is not Header.NO and set(_columns_of(signature)) <= set(head.first):
            return _by_names(signature, head, options)
    if options.header is Header.AUTO and head.has_header and not any(map(_takes_rows, candidates)):
        raise _missing_columns(dense, head, model, candidates)
    return _by_places(head, candidates, dense, model, options)


def _by_names(signature: Signature, head: Head, options: PredictOptions) -> Choice:
    doubled = sorted({name for name in head.first if head.first.count(name) > 1 and name in _columns_of(signature)})
    if doubled:
        raise DataError(f"{head.path}: two columns are called {doubled[0]!r}", "one of each name", "Rename one")
    place = {name: at for at, name in enumerate(head.first)}
    positions = {
        name: [place[column] for column in parsing.csv_columns(port)] for name, port in signature.inputs.items()
    }
    missing = [name for name in options.keep if name not in place]
    if missing:
        do = spelling.suggestion(missing[0], place, "Name columns of the file")
        raise UsageError(f"--keep={missing[0]}: {head.path} has no such column", ", ".join(head.first), do)
    used = {at for places in positions.values() for at in places}
    rest = [name for at, name in enumerate(head.first) if at not in used and name not in options.keep]
    how = "columns by their names" + (f", without {_few(rest)}, which it does not take" if rest else "")
    keep = {name: place[name] for name in options.keep}
    parser = _csv_parser(signature, head, positions, keep, head.first, options)
    return Choice(signature=signature, parser=parser, skip=head.first_line, alike=(head.first, head.dialect), how=how)


def _by_places(
    head: Head, candidates: Sequence[Signature], dense: Sequence[Signature], model: Model, options: PredictOptions
) -> Choice:
    """A file without names, or whose names are not those of inputs."""
    if options.keep:
        got = f"--keep={','.join(options.keep)}, and the columns of {head.path} have no names that the model knows"
        raise UsageError(got, "files with a header that names the inputs too", "Add a header")
    if head.has_header and options.header is Header.AUTO:
        raise UsageError(
            f"{head.path} begins with {_few(head.first)}, which may be a header, but does not name the inputs",
            _few([column for one in dense for column in _columns_of(one)]),
            "Rename the columns, or set --header=yes to skip that line, or --header=no where it is a row",
        )
    skip = head.first_line if options.header is Header.YES else 0
    takers = [one for one in candidates if _takes_rows(one) or (options.signature is not None and one.takes_strings)]
    if takers:
        if head.dialect.separator != "," and head.dialect.separator is not None and len(head.first) > 1:
            got = f"{head.path} is separated by {head.dialect.separator!r}, and {takers[0].name} takes rows of CSV"
            raise DataError(got, "commas", "Convert the file, or give it a header that names the inputs")
        how = "rows of CSV as they are"
        return Choice(signature=takers[0], parser=WholeRows(takers[0]), skip=skip, alike=takers[0].name, how=how)
    for signature in dense:
        (name, port), *others = signature.inputs.items()
        if not others and len(parsing.csv_columns(port)) == len(head.first) and port.dtype.is_floating:
            names = parsing.csv_columns(port)
            parser = _csv_parser(signature, head, {name: range(len(names))}, {}, names, options)
            how = f"all columns, in order, as {name}"
            return Choice(signature=signature, parser=parser, skip=skip, alike=head.dialect, how=how)
    raise _missing_columns(dense, head, model, candidates)


def _csv_parser(
    signature: Signature,
    head: Head,
    positions: dict[str, list[int]] | dict[str, range],
    keep: dict[str, int],
    names: Sequence[str],
    options: PredictOptions,
) -> CsvColumns:
    if head.dialect.separator is None and len(head.first) > 1:
        raise DataError(f"{head.path} is separated by blanks", "commas, semicolons, tabs or bars", "Convert it")
    nan = options.blanks is Blanks.NAN
    dialect = head.dialect if head.dialect.separator else Dialect(decimal_comma=head.dialect.decimal_comma)
    return CsvColumns(signature, dialect, positions, keep, names, blanks_are_nan=nan)


def _columns_of(signature: Signature) -> list[str]:
    return [column for port in signature.inputs.values() for column in parsing.csv_columns(port)]


def _takes_rows(signature: Signature) -> bool:
    name = next(iter(signature.inputs), "")
    return signature.takes_strings and (signature.name.startswith(_CSV_ALTERNATIVE) or name in _CSV_INPUTS)


def _takes_examples(signature: Signature) -> bool:
    if not signature.takes_strings:
        return False
    named = signature.name.startswith(_EXAMPLES_ALTERNATIVE) or next(iter(signature.inputs)) in _EXAMPLES_INPUTS
    return named or signature.method in (CLASSIFY_METHOD, REGRESS_METHOD)


def _is_default(signature: Signature) -> bool:
    """Whether it answers as `serving_default` does, whatever it takes."""
    return signature.name.rpartition(":")[2] == DEFAULT_SIGNATURE


def _missing_columns(
    dense: Sequence[Signature], head: Head, model: Model, candidates: Iterable[Signature]
) -> DataError | UsageError:
    if not dense:
        return _no_way(next(iter(candidates)), "columns of CSV", model)
    wanted = _columns_of(dense[0])
    missing = [name for name in wanted if name not in head.first]
    numbers = all(head.dialect.kind(field) is Kind.NUMBER for field in head.first)
    there = f"{len(head.first)} columns without names" if numbers else f"the columns {_few(head.first)}"
    do = spelling.suggestion(missing[0], head.first, "Add them, or name another --signature")
    return DataError(f"{head.path} has {there}, and no {_few(missing)}", f"the inputs of {dense[0]}", do)


def _no_way(signature: Signature, what: str, model: Model) -> UsageError:
    there = "; ".join(str(one) for one in model.signatures.values())
    return UsageError(
        f"The inputs of the signature {signature.name} cannot be {what}",
        f"a signature of numbers and texts of known shapes (the model has: {there})",
        "Name another --signature, or write the rows as JSON lines",
    )


def _few(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"
