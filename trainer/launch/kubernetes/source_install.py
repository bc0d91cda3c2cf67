"""Code on Kubernetes without an image of one's own: each process installs the source distribution from a bucket. Pure.

The container runs a short script in a plain Python image, which installs and then becomes the task, so that the task
is the process that gets SIGTERM. Until then the script answers it, with 143: there is nothing to save yet.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.launch.kubernetes.pods import Manifest
from trainer.launch.task_flags import TASK_MODULE

_DOWNLOAD = (
    "import sys; from google.cloud import storage; "
    "bucket, _, name = sys.argv[1].removeprefix('gs://').partition('/'); "
    "storage.Client().bucket(bucket).blob(name).download_to_filename(sys.argv[2])"
)
# pip dictates the name of the file. An image that has TensorFlow keeps its own; where no GPU is asked for the wheel for
# processors does, a third of the size.
_SCRIPT = """\
set -e
trap 'exit 143' TERM
run() {{ "$@" & wait $!; }}
package={package}
file="${{TMPDIR:-/tmp}}/${{package##*/}}"
extra={extra}
run python -m pip install --quiet --root-user-action=ignore "google-cloud-storage>=3.17"
run python -c "$DOWNLOAD" "$package" "$file"
if python -c "import importlib.util as u, sys; sys.exit(not u.find_spec('tensorflow'))"; then extra=""
elif [ -z "$extra" ]; then export TRAINER_TENSORFLOW=tensorflow-cpu; fi
run python -m pip install --quiet --root-user-action=ignore "$file$extra"
set +e
"""
_BECOME = f'exec python -m {TASK_MODULE} "$@"\n'


def installing(documents: Sequence[Manifest], package: str) -> list[Manifest]:
    """The manifests, whose containers install the package before they run the task with the arguments they have.

    Args:
      documents: of a job whose containers have arguments and no command, or of a study, whose have a script.
      package: gs:// path of the source distribution.
    """
    return [_changed(document, package) for document in documents]


def _changed(value: Any, package: str) -> Any:
    """A copy in which each container is another one."""
    if isinstance(value, list):
        return [_changed(entry, package) for entry in value]
    if not isinstance(value, Mapping):
        return value
    changed = {name: _changed(entry, package) for name, entry in value.items()}
    if isinstance(changed.get("containers"), list):
        changed["containers"] = [_container(entry, package) for entry in changed["containers"]]
    return changed


def _container(entry: Manifest, package: str) -> Manifest:
    extra = "[gpu]" if any("gpu" in name for name in _resources(entry)) else ""
    first = _SCRIPT.format(package=shlex.quote(package), extra=shlex.quote(extra))
    variables = [*entry.get("env", ()), {"name": "DOWNLOAD", "value": _DOWNLOAD}]
    if "command" in entry:  # of Katib's trials: `sh -c` and one script, behind which Katib writes words of its own
        words = {"command": entry["command"], "args": [first + entry["args"][0]]}
    else:
        words = {"command": ["sh", "-c", first + _BECOME, "sh"], "args": entry.get("args", [])}
    return {**entry, **words, "env": variables}


def _resources(entry: Manifest) -> Iterator[str]:
    yield from (entry.get("resources") or {}).get("limits") or {}
