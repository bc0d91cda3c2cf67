"""How a model is served: the flags of `trainer.serve`, and what Vertex AI says to a container."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from trainer.job.config import require_not_negative, require_positive, setting
from trainer.job.errors import UsageError

DEFAULT_PORT = 8501
"""That of TensorFlow Serving's REST interface."""
_VERTEX_PORT = 8080
_HERE, _EVERYWHERE = "127.0.0.1", "0.0.0.0"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Predictions of a model over HTTP, in the shape of TensorFlow Serving's REST interface:"""

    model_dir: str | None = setting(
        None, "a run's directory, or a SavedModel, or a folder of numbered ones; local or gs://; or AIP_STORAGE_URI"
    )
    port: int | None = setting(None, f"to listen at; 0 takes a free one; default: AIP_HTTP_PORT, else {DEFAULT_PORT}")
    host: str | None = setting(None, f"address to listen at; default: {_HERE}, on Vertex AI {_EVERYWHERE}")
    model_name: str = setting("model", "in addresses: /v1/models/<model_name>:predict")
    poll_secs: float = setting(5.0, "seconds between two looks for a newer export")
    max_batch_rows: int = setting(256, "rows of several requests that are asked together, at most")
    batch_wait_ms: float = setting(0.0, "how long rows wait for others, though a thread is free")
    max_queue_rows: int = setting(20_000, "rows that wait, at most; a request beyond is answered 429")
    max_body_bytes: int = setting(32 << 20, "of a request, unpacked; a larger one is answered 413")
    max_connections: int = setting(1000, "at a time; one beyond is answered 503")
    threads: int | None = setting(None, "that ask the model; default: one for each core, 4 at most")
    grace_secs: float = setting(25.0, "seconds from a signal to the end, in which requests are answered")

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65535:
            raise UsageError(f"--port={self.port}", "a port from 0 to 65535", "Change the number")
        if not self.model_name or "/" in self.model_name or ":" in self.model_name:
            raise UsageError(f"--model_name={self.model_name}", "a name without / and :", "Change it")
        for name in ("max_batch_rows", "max_queue_rows", "max_body_bytes", "max_connections", "threads"):
            require_positive(name, getattr(self, name), "a whole number from 1 up")
        require_positive("poll_secs", self.poll_secs, "seconds above 0")
        require_positive("grace_secs", self.grace_secs, "seconds above 0")
        require_not_negative("batch_wait_ms", self.batch_wait_ms)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model is served, and at which addresses besides those of TensorFlow Serving.

    Attributes:
      model_dir: local or in a bucket.
      host: to listen at.
      port: 0 for a free one.
      health_route: that Vertex AI asks; None elsewhere.
      predict_route: likewise.
    """

    model_dir: str
    host: str
    port: int
    health_route: str | None = None
    predict_route: str | None = None


def place(options: ServeOptions, environ: Mapping[str, str]) -> Place:
    """Where a model is served: as the flags say, else as Vertex AI does.

    Its contract: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements

    Args:
      options: the flags.
      environ: of the process; AIP_HTTP_PORT is set on Vertex AI.

    Raises:
      UsageError: no model, or a variable that is no port or route.
    """
    model_dir = options.model_dir or environ.get("AIP_STORAGE_URI", "").strip()
    if not model_dir:
        do = "python -m trainer.serve --model_dir=DIR"
        raise UsageError("No --model_dir", "a run's directory, or an export", do)
    told = environ.get("AIP_HTTP_PORT", "").strip()
    if told and not (told.isdecimal() and 0 < int(told) <= 65535):
        raise UsageError(f"AIP_HTTP_PORT={told}", f"a port, such as {_VERTEX_PORT}", "Correct the variable")
    port = options.port if options.port is not None else int(told or DEFAULT_PORT)
    return Place(
        model_dir=model_dir,
        host=options.host or (_EVERYWHERE if told else _HERE),
        port=port,
        health_route=_route("AIP_HEALTH_ROUTE", environ),
        predict_route=_route("AIP_PREDICT_ROUTE", environ),
    )


def _route(name: str, environ: Mapping[str, str]) -> str | None:
    value = environ.get(name, "").strip()
    if value and (not value.startswith("/") or "{" in value):
        raise UsageError(f"{name}={value}", "a path that begins with /", "Correct the variable")
    return value or None
