"""Requests as a person reads them: JSON, or YAML that kubectl and gcloud take."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.job.errors import UsageError


class Format(enum.Enum):
    JSON = "json"
    YAML = "yaml"


def text(documents: Sequence[Mapping[str, Any]], form: Format) -> str:
    """The documents, in the order of their fields: JSON as a list where there are several, YAML with `---` between.

    Raises:
      UsageError: YAML is asked for, and not installed.
    """
    if form is Format.JSON:
        return json.dumps(documents[0] if len(documents) == 1 else documents, indent=2, ensure_ascii=False) + "\n"
    try:
        import yaml
    except ImportError as error:
        do = "python -m pip install '.[launch]', or use --format=json, which kubectl reads too"
        raise UsageError("PyYAML, which writes YAML, is not installed", None, do) from error

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True  # repeated lists are written out: our own reader, for one, refuses aliases

    dumped: str = yaml.dump_all(documents, Dumper=Plain, sort_keys=False, allow_unicode=True, width=110)
    return dumped
