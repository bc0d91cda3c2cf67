"""The processes of a job on this machine: started, listened to and ended; others decide what follows from an end."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import selectors
from collections.abc import Callable, Iterator, Sequence

from trainer.launch.cluster.child import Child
from trainer.launch.cluster.tasks import Task
from trainer.launch.console import Console

# Python and other servers say the first; TensorFlow's server says one of the others.
_ADDRESS_IN_USE = re.compile(
    "address already in use|no address added out of|could not start grpc server", re.IGNORECASE
)


@dataclasses.dataclass(kw_only=True)
class Slot:
    """A task of the job, and the process that carries it out, which a restart replaces.

    Attributes:
      task: what to start there.
      child: the process that is there now; None when it has ended.
      restarts: how often one was started again.
      address_in_use: whether the process there said so.
      term_at: on the job's clock, when the process is asked to end.
      kill_at: when it is killed, because it did not; None until it was asked.
    """

    task: Task
    child: Child | None = None
    restarts: int = 0
    address_in_use: bool = False
    term_at: float = math.inf
    kill_at: float | None = None

    @property
    def name(self) -> str:
        """`role:index` of its task."""
        return self.task.name

    @property
    def role(self) -> str:
        """The type of its task, as TF_CONFIG has it."""
        return self.task.role


class Processes:
    """The processes of one job. When it is closed, none of them is left.

    Args:
      console: where the lines of all go.
      secs: since the start of the job.
    """

    def __init__(self, console: Console, secs: Callable[[], float]) -> None:
        self.slots: list[Slot] = []
        self._console, self._secs = console, secs
        self._selector = selectors.DefaultSelector()

    @property
    def are_running(self) -> bool:
        """Whether one of them has not ended."""
        return any(slot.child for slot in self.slots)

    def start(self, slot: Slot) -> int:
        """Starts the slot's task, and returns the number of its process."""
        slot.child = Child(slot.task.argv, slot.task.environ, started_at=self._secs())
        self._selector.register(slot.child, selectors.EVENT_READ, slot)
        return slot.child.pid

    def show_lines(self, wait_secs: float) -> None:
        """Shows what they have said since; waits so long for a first line."""
        for key, _ in self._selector.select(wait_secs):
            slot: Slot = key.data
            assert slot.child is not None
            lines, more = slot.child.read()
            if not more:
                self._selector.unregister(slot.child)
            self._show(slot, lines)

    def ended(self) -> Iterator[tuple[Slot, int, float]]:
        """Those that have ended, with exit code and seconds that they ran; their slots are empty then."""
        for slot in self.slots:
            child = slot.child
            code = child.exit_code() if child else None
            if child and code is not None:
                self._clear(slot)
                yield slot, code, self._secs() - child.started_at

    def destroy(self) -> None:
        """Ends all of them now."""
        for slot in self.slots:
            if slot.child:
                slot.child.destroy()
                self._clear(slot)

    def close(self) -> None:
        """Ends all of them, and gives the selector back."""
        self.destroy()
        self._selector.close()

    def _clear(self, slot: Slot) -> None:
        """Empties the slot of a process that has ended, once its last lines are shown."""
        assert slot.child is not None
        child, slot.child = slot.child, None
        with contextlib.suppress(KeyError):
            self._selector.unregister(child)
        self._show(slot, child.close())

    def _show(self, slot: Slot, lines: Sequence[str]) -> None:
        slot.address_in_use = slot.address_in_use or any(map(_ADDRESS_IN_USE.search, lines))
        self._console.lines(slot.name, lines)
