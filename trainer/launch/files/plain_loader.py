"""A loader for `yaml.compose_all` that composes plain values only, within bounds; it needs PyYAML to be installed."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml

from trainer.job.findings import Finding, Place
from trainer.launch.files.nodes import shortened

MOST_VALUES = 20_000
DEEPEST = 32
REFUSED_TAG = "!refused"  # of a node that stands for what is not accepted

_CORE_TAG = re.compile(r"tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)")
_TEXT_TAG = "tag:yaml.org,2002:str"


class TooLargeError(Exception):
    """The file is too deep or holds too many values to go on."""


class PlainLoader(yaml.SafeLoader):
    """Refuses aliases, tags that are not YAML's own, and files that are too large.

    What is refused becomes a node with the tag `REFUSED_TAG`, so that the rest of the file is read.

    Args:
      text: of the file.
      path: of the file, for places.
      findings: grows by what is refused.
    """

    def __init__(self, text: str, path: str, findings: list[Finding]) -> None:
        super().__init__(text)
        self._path, self._findings = path, findings
        self._values = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The node that begins here; called by PyYAML for every node. Raises TooLargeError."""
        event = self.peek_event()
        self._values += 1
        if self._values > MOST_VALUES:
            self._stop(event, f"More than {MOST_VALUES:,} values")
        if isinstance(event, yaml.AliasEvent):
            alias: Any = self.get_event()
            accept = "values written out; an alias can stand for gigabytes"
            self._refuse(event, f"The alias *{event.anchor}", accept, "Write the value here once more")
            return yaml.ScalarNode(REFUSED_TAG, "", alias.start_mark, alias.end_mark)
        is_collection = isinstance(event, yaml.CollectionStartEvent)
        self._depth += is_collection
        if self._depth > DEEPEST:
            self._stop(event, f"More than {DEEPEST} levels of lists and keys")
        node = super().compose_node(parent, index)
        self._depth -= is_collection
        self._check_tag(node, event)
        return node

    def _check_tag(self, node: Any, event: Any) -> None:
        """Checks the tag in the file, which the event has; the node's own is a guess where there is none."""
        if event.tag not in (None, "!") and not _CORE_TAG.fullmatch(event.tag):
            shown = shortened(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self._refuse(event, f"The tag {shown}", "plain values; nothing is run from a file", "Remove the tag")
            node.tag = REFUSED_TAG
        elif event.tag == _TEXT_TAG and isinstance(node, yaml.ScalarNode):
            node.style = node.style or '"'  # what is tagged as text counts as quoted

    def _stop(self, event: yaml.Event, got: str) -> NoReturn:
        self._refuse(event, got, "a file of settings", "Name the right file")
        raise TooLargeError

    def _refuse(self, event: yaml.Event, got: str, accept: str, do: str) -> None:
        self._findings.append(Finding(where=place_of(event, self._path), got=got, accept=accept, do=do))


def place_of(marked: yaml.Node | yaml.Event, path: str) -> Place:
    """Where a node or an event of the file at `path` begins."""
    mark = marked.start_mark
    assert mark is not None, "the parser marks all it reads"
    return Place(path=path, line=mark.line + 1, column=mark.column + 1)
