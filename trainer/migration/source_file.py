"""One source file of a program: rewritten, and what is left to do by hand in it."""

from __future__ import annotations

import dataclasses
import re

import libcst as cst
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import AddImportsVisitor
from libcst.metadata import MetadataWrapper, QualifiedNameProvider

from trainer.job.findings import Finding, Place
from trainer.migration import python2, survey
from trainer.migration.imports import Imports
from trainer.migration.known_names import Api
from trainer.migration.leftovers import Leftovers
from trainer.migration.lists import Lists
from trainer.migration.modules import Generation
from trainer.migration.own_names import OwnNames
from trainer.migration.own_package import OwnPackage
from trainer.migration.receivers import Receivers
from trainer.migration.survey import Survey
from trainer.migration.tensors import Tensors

_DIVIDES = re.compile(r"^from __future__ import .*\bdivision\b", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What is known of the whole program while one of its files is rewritten.

    Attributes:
      generation: which `tf` it was written for.
      api: the names of `tf.compat.v1`.
      own: the names that this package gives beside them.
      keeps_dimensions: whether it asks for the behaviour of TensorFlow 1.
      renamed: the new name of its own package `trainer`; None where it has none.
    """

    generation: Generation
    api: Api
    own: OwnNames
    keeps_dimensions: bool
    renamed: str | None


@dataclasses.dataclass(frozen=True)
class Rewritten:
    """A file as it runs here, and what is left to do in it."""

    text: str
    findings: tuple[Finding, ...]


def rewrite(text: str, path: str, program: Program) -> Rewritten:
    """Rewrites a file.

    Args:
      text: of the file.
      path: as findings name it.
      program: that it belongs to.

    Returns:
      The text as it was, with a finding, where it cannot be parsed.
    """
    readable = text if python2.syntax_error(text) is None else python2.modernized(text)
    error = python2.syntax_error(readable)
    if error is not None:
        return Rewritten(text, (_unreadable(error, path),))
    try:
        module = cst.parse_module(readable)
    except cst.ParserSyntaxError as unread:
        place = Place(path=path, line=unread.raw_line, column=unread.raw_column + 1)
        return Rewritten(text, (Finding(where=place, got="This line is not understood", do="Rewrite it by hand"),))
    module = _rewritten(module, program)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    surveyor = Survey(path, program.api, program.own)
    wrapper.visit(surveyor)
    findings = [surveyor.findings[place] for place in sorted(surveyor.findings)]
    if readable != text and not _DIVIDES.search(text):
        findings.append(survey.of_division(path))
    return Rewritten(module.code, tuple(findings))


def _rewritten(module: cst.Module, program: Program) -> cst.Module:
    context = CodemodContext()
    transformers: list[cst.CSTTransformer] = [
        Lists(),
        Leftovers(context),
        Receivers(),
        Tensors(program.api, program.keeps_dimensions),
        *([OwnPackage(program.renamed)] if program.renamed else []),
        Imports(program.generation),
    ]
    for transformer in transformers:
        module = MetadataWrapper(module, unsafe_skip_copy=True).visit(transformer)
    return AddImportsVisitor(context).transform_module(module)


def _unreadable(error: SyntaxError, path: str) -> Finding:
    place = Place(path=path, line=error.lineno or 1, column=error.offset or 1)
    return Finding(
        where=place,
        got=f"Not Python 3: {error.msg}",
        accept="Python 3, or Python 2 whose statements can be rewritten one by one",
        do="Correct this line in the original, and start again",
    )


def names_of_tensorflow(text: str) -> set[str]:
    """All names of TensorFlow that a file uses, without the `tensorflow.`; none where it cannot be parsed."""
    readable = text if python2.syntax_error(text) is None else python2.modernized(text)
    if python2.syntax_error(readable) is not None:
        return set()
    try:
        wrapper = MetadataWrapper(cst.parse_module(readable), unsafe_skip_copy=True)
    except cst.ParserSyntaxError:
        return set()
    found = wrapper.resolve(QualifiedNameProvider)
    names = {each.name for entry in found.values() for each in (entry() if callable(entry) else entry)}
    return {name.removeprefix("tensorflow.") for name in names if name.startswith("tensorflow.")}
