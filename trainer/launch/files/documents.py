"""Reads YAML and JSON files into nodes with their places, and says as `file:line:column` what cannot be read.

Files may come from anybody: their size, depth and number of values are bounded, nothing is constructed from tags, and
aliases, with which a few lines can stand for gigabytes, are refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Place
from trainer.launch.files.nodes import Entry, Invalid, Mapping, Node, Scalar, Sequence, shortened

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 1 << 20
REFUSED = "The file is not accepted:"  # the heading of all that is wrong in one

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def load(path: str, findings: list[Finding]) -> list[Node]:
    """The documents of a YAML (or JSON) file, one for each `---`.

    Args:
      path: of the file.
      findings: grows by what is wrong; where a document could not be read at all, those before it are returned.

    Raises:
      UsageError: there is no such file, or it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "a YAML file", "Correct the path") from error
    return parse(data, path, findings)


def parse(data: bytes, path: str, findings: list[Finding]) -> list[Node]:
    """As `load`, of bytes.

    Args:
      data: what the file holds.
      path: of the file, for places.
      findings: grows by what is wrong.
    """
    if len(data) > MOST_BYTES:
        got = f"The file has more than {MOST_BYTES >> 20} MB"
        findings.append(Finding(where=Place(path=path), got=got, accept="a file of settings", do="Name the right file"))
        return []
    text = _decoded(data, path, findings)
    if text is None:
        return []
    documents = _composed(text, path, findings)
    if not documents and not findings:
        got = "The file is empty" if not text.strip() else "The file holds nothing but comments"
        findings.append(Finding(where=Place(path=path), got=got, do="Add content, or name the right file"))
    return documents


def _composed(text: str, path: str, findings: list[Finding]) -> list[Node]:
    """The documents of the text; findings for what is not plain YAML."""
    yaml = _yaml()
    from trainer.launch.files.plain_loader import PlainLoader, TooLargeError

    documents: list[Node] = []
    try:
        for root in yaml.compose_all(text, Loader=lambda stream: PlainLoader(stream, path, findings)):
            documents.append(_node(root, path, findings))
        # Behind the last `---` there may be nothing but comments; a cluster's tools leave such documents out.
        documents = [each for each in documents if not _is_empty(each)] or documents[:1]
    except yaml.MarkedYAMLError as error:
        findings.append(_syntax_error(error, text, path))
    except TooLargeError:
        pass  # its finding is there
    return documents


def _is_empty(document: Node) -> bool:
    return isinstance(document, Scalar) and not document.text and not document.quoted


def _node(composed: Any, path: str, findings: list[Finding]) -> Node:
    """Our node of a composed one; a finding for each key that is not a text, or there before."""
    from trainer.launch.files.plain_loader import REFUSED_TAG, place_of

    place = place_of(composed, path)
    if composed.tag == REFUSED_TAG:
        return Invalid(place=place)
    match composed.id:
        case "scalar":
            return Scalar(text=composed.value, quoted=bool(composed.style), place=place)
        case "sequence":
            return Sequence(items=tuple(_node(item, path, findings) for item in composed.value), place=place)
    entries: dict[str, Entry] = {}
    for composed_key, composed_value in composed.value:
        key, value = _node(composed_key, path, findings), _node(composed_value, path, findings)
        got, accept, do = None, "keys such as goal: or params:", "Correct the brackets"
        if isinstance(key, Scalar) and key.text not in entries:
            entries[key.text] = Entry(key=key, value=value)
        elif isinstance(key, Scalar):
            first = entries[key.text].key.place
            got, accept, do = f"{key} appears a second time", f"each key once; see line {first.line}", "Remove one"
        elif not isinstance(key, Invalid):
            got = "A key that is not a text"
        if got is not None:
            findings.append(Finding(where=key.place, got=got, accept=accept, do=do))
    return Mapping(entries=tuple(entries.values()), place=place)


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        do = "python -m pip install '.[launch]'"
        raise UsageError("PyYAML, which reads sweep and job files, is not installed", None, do) from error
    return yaml


def _decoded(data: bytes, path: str, findings: list[Finding]) -> str | None:
    """The text, or None and a finding at the line of the first byte that is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(path=path, line=data[: error.start].count(b"\n") + 1)
        got = f"The byte 0x{data[error.start]:02x}, which is not UTF-8"
        findings.append(Finding(where=place, got=got, accept="UTF-8", do="Save the file as UTF-8"))
        return None
    wrong = _NOT_YAML.search(text)
    if wrong is None:
        return text
    before = _LINE_END.split(text[: wrong.start()])
    place = Place(path=path, line=len(before), column=len(before[-1]) + 1)
    got = f"The control character U+{ord(wrong[0]):04X}"
    findings.append(Finding(where=place, got=got, accept="text", do="Remove it, or name the right file"))
    return None


def _syntax_error(error: yaml.MarkedYAMLError, text: str, path: str) -> Finding:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Finding(where=Place(path=path), got=f"Not valid YAML: {error}", do="Correct it")
    lines = _LINE_END.split(text.rstrip())
    line = lines[mark.line] if mark.line < len(lines) else ""
    place = Place(path=path, line=mark.line + 1, column=mark.column + 1)
    if mark.line >= len(lines):  # the end of the file
        place = Place(path=path, line=len(lines), column=len(lines[-1]) + 1)
    if line[mark.column : mark.column + 1] == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        return Finding(where=place, got="A tab", accept="spaces before a key", do="Replace each tab by two spaces")
    problem = shortened(str(error.problem or error.context))
    if "mapping values are not allowed" in problem:
        do = "Indent it as its neighbours, or put a value that holds a colon in quotes"
        return Finding(where=place, got="A second colon, or a key that is indented too far", do=do)
    begun = error.context_mark
    where = f" (in what begins in line {begun.line + 1})" if begun is not None and begun.line < mark.line else ""
    do = "Correct the indentation, the brackets or the quotes"
    got = f"Not valid YAML: {problem}{where}"
    return Finding(where=place, got=got, accept="key: value, indented by spaces", do=do)
