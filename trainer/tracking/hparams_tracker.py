"""TensorBoard's HParams page: settings beside the metrics that are in the events anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainer.estimator.saving.events import Events

_STATUSES = {"finished": "STATUS_SUCCESS", "interrupted": "STATUS_RUNNING", "failed": "STATUS_FAILURE"}


class HparamsTracker:
    """A session of the HParams plugin, in an event file beside those of the run.

    Args:
      directory: local, of the run.
      now: seconds since 1970.
    """

    def __init__(self, directory: str, now: Callable[[], float]) -> None:
        self._events, self._now = Events(directory), now

    def begin(self, run_id: str | None, name: str, params: Mapping[str, str]) -> str | None:
        from tensorboard.plugins.hparams import summary_v2

        made = summary_v2.hparams_pb(dict(params), start_time_secs=self._now())
        self._events.serialized(made.SerializeToString(), 0, self._now())
        self._events.flush()
        return None

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """They are in the events of the run."""

    def end(self, status: str, facts: Mapping[str, str]) -> None:
        from tensorboard.plugins.hparams import api_pb2, summary

        made = summary.session_end_pb(api_pb2.Status.Value(_STATUSES[status]), end_time_secs=self._now())
        self._events.serialized(made.SerializeToString(), 0, self._now())
        self._events.close()
