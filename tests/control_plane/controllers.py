"""All controllers, one after the other, until none has anything left to do."""

from __future__ import annotations

from tests.control_plane import experiment_controller, job_controller, job_set_controller, tf_job_controller
from tests.control_plane.store import Store

_ALL = (experiment_controller, job_set_controller, tf_job_controller, job_controller)
_MOST_PASSES = 100


def settle(store: Store) -> None:
    """Until nothing changes any more; only then may pods be started, since by then they have their names."""
    for _ in range(_MOST_PASSES):
        before = store.version
        for controller in _ALL:
            with store.changed:
                controller.reconcile(store)
        store.collect()
        if store.version == before:
            return
    raise AssertionError(f"the controllers never rest: {list(store.changes(before, 0))}")
