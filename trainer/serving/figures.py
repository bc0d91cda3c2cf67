"""What a monitor is told, in the format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Figures:
    """The figures of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter("trainer_requests", "Requests answered", ["verb", "code"], registry=registry)
        self._seconds = Histogram(
            "trainer_request_seconds", "Seconds of an answer", ["verb"], buckets=_SECONDS, registry=registry
        )
        self._rows = Histogram("trainer_batch_rows", "Rows in a call of the model", buckets=_ROWS, registry=registry)
        self._queued = Gauge("trainer_queued_rows", "Rows that wait or are being asked", registry=registry)
        self._version = Gauge("trainer_model_version", "Version that is served", registry=registry)
        self._loads = Counter("trainer_model_loads", "Tries to load a version", ["outcome"], registry=registry)

    def answered(self, verb: str, code: int, seconds: float) -> None:
        """Counts a request.

        Args:
          verb: of the request.
          code: of the answer.
          seconds: that it took.
        """
        self._requests.labels(verb, str(code)).inc()
        self._seconds.labels(verb).observe(seconds)

    def asked(self, rows: int) -> None:
        """Counts a call of the model."""
        self._rows.observe(rows)

    def loaded(self, version: int, went_well: bool) -> None:
        """Counts a try to load a version."""
        self._loads.labels("served" if went_well else "failed").inc()
        if went_well:
            self._version.set(version)

    def text(self, queued: int) -> bytes:
        """All figures, now that so many rows wait."""
        self._queued.set(queued)
        return generate_latest(self._registry)
