"""ENTRY: `python -m trainer.serve --model_dir=DIR --port=N` answers requests for predictions over HTTP."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence

from trainer import storage
from trainer.exported import finding
from trainer.job import entry, flags, imports, logs, signals
from trainer.job.errors import UsageError
from trainer.job.signals import StopRequest
from trainer.serving import settings
from trainer.serving.settings import Place, ServeOptions

_USAGE = "python -m trainer.serve --model_dir=DIR --port=N"
_PACKAGES = ("starlette", "uvicorn", "prometheus_client")


def main(argv: Sequence[str] | None = None) -> int:
    """Serves as asked and returns the exit code: 0 asked to end, 1 failure, 2 wrong usage, or no model."""
    with signals.listening() as stop:
        words = sys.argv[1:] if argv is None else argv
        return entry.exit_code("trainer.serve", _USAGE, lambda: _serve(words, stop))


def _serve(argv: Sequence[str], stop: StopRequest) -> int:
    options = flags.parse(argv, ServeOptions)[ServeOptions]
    place = settings.place(options, os.environ)
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        got, do = f"{', '.join(missing)} not installed", "Run pip install '.[serve]' where setup.py is"
        raise UsageError(got, "the packages of a server", do)
    finding.newest(storage.resolved(place.model_dir))  # so that a wrong path is told at once
    logs.to_stderr()
    logs.quiet_tensorflow(os.environ)
    with imports.quick():
        from trainer.serving import server
    listener = server.listening(place)
    print(_told(options, place, listener.getsockname()[1]), flush=True)
    server.serve(options, place, listener, stop)
    return 0


def _told(options: ServeOptions, place: Place, port: int) -> str:
    """Where it is served, and what to type next."""
    host = "127.0.0.1" if place.host == "0.0.0.0" else place.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    model = f"{address}/v1/models/{options.model_name}"
    lines = [f"Serving {place.model_dir} at {model}", "", "Next"]
    lines += [f"  curl {model}/metadata", f"  curl -d '{{\"instances\": [...]}}' {model}:predict"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
