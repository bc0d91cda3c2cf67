"""Notices of Google Cloud's metadata server that this machine is about to be taken away, heard like SIGTERM.

A spot machine is told half a minute before its end, and one that maintenance ends up to an hour before: `preempted`
turns TRUE, `maintenance-event` TERMINATE_ON_HOST_MAINTENANCE. Containers on it hear nothing of that unless whatever
runs them passes it on. The server answers a request with `wait_for_change` when the value changes, so that a notice
arrives at once and asking costs nothing.
"""

from __future__ import annotations

import http.client
import logging
import pathlib
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote

from trainer.job.config import Notices

_log = logging.getLogger("trainer")

HOST_VARIABLE = "GCE_METADATA_HOST"
"""Names another metadata server, as for Google's own libraries."""
_HOST = "metadata.google.internal"
_PRODUCT = "/sys/class/dmi/id/product_name"
_FLAVOR = {"Metadata-Flavor": "Google"}
_WAIT_SECS, _MARGIN_SECS, _PAUSE_SECS = 60, 15.0, 5.0
_MOST_BYTES = 4096
_TRIES = 3
"""How often a server that has never answered is asked."""


def follow(
    notices: Notices, environ: Mapping[str, str], receive: Callable[[str], None], product: str = _PRODUCT
) -> None:
    """Begins to listen, in threads that end with the process. Elsewhere than on Google Cloud nothing is asked.

    Args:
      notices: whether to.
      environ: of the process.
      receive: called with the reason when a notice comes.
      product: the file in which Linux says what machine this is.
    """
    host = environ.get(HOST_VARIABLE) or _HOST
    asked = notices is Notices.ON or HOST_VARIABLE in environ or _is_google(product)
    if notices is Notices.OFF or not asked:
        return
    # Whoever started this process on a machine whose maintenance was announced already knows of that.
    for key, ends, at_start in (
        ("preempted", "TRUE", True),
        ("maintenance-event", "TERMINATE_ON_HOST_MAINTENANCE", False),
    ):
        follower = Follower(host, key, ends, at_start, receive)
        threading.Thread(target=follower.run, name=f"notices of {key}", daemon=True).start()


def _is_google(product: str) -> bool:
    try:
        return pathlib.Path(product).read_text().startswith("Google")
    except OSError:
        return False


class Follower:
    """Follows one value of the metadata server until it says that the machine ends.

    Args:
      host: of the server, with a port where it is not 80.
      key: of the value, below `instance/`.
      ends: the value that means the end.
      at_start: whether it counts where it is there from the start.
      receive: called with the reason.
      pause: waits some seconds between two tries.
    """

    def __init__(
        self,
        host: str,
        key: str,
        ends: str,
        at_start: bool,
        receive: Callable[[str], None],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._host, self._key, self._ends, self._counts = host, key, ends, at_start
        self._receive, self._pause = receive, pause
        self._etag: str | None = None

    def run(self) -> None:
        """Asks until the value comes; gives up on a server that never answers."""
        failures = 0
        while self._etag is not None or failures < _TRIES:
            try:
                value = self._ask()
            except (OSError, http.client.HTTPException, _NoServerError) as error:
                failures += 1
                _log.debug("No answer of the metadata server on %s: %s", self._key, error)
                self._pause(_PAUSE_SECS)
                continue
            if value == self._ends and self._counts:
                self._receive(f"the notice {self._key}={value}")
                return
            self._counts = True

    def _ask(self) -> str:
        """The value: at first that of now, later the next one, or the same after a minute."""
        wait = f"&wait_for_change=true&timeout_sec={_WAIT_SECS}&last_etag={quote(self._etag)}" if self._etag else ""
        connection = http.client.HTTPConnection(self._host, timeout=_WAIT_SECS + _MARGIN_SECS if wait else _MARGIN_SECS)
        try:
            connection.request("GET", f"/computeMetadata/v1/instance/{self._key}?alt=text{wait}", headers=_FLAVOR)
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK or response.headers["Metadata-Flavor"] != "Google":
                raise _NoServerError(f"status {response.status}")
            value = response.read(_MOST_BYTES).decode(errors="replace").strip()
            self._etag = response.headers["ETag"] or "0"
            return value
        finally:
            connection.close()


class _NoServerError(Exception):
    """What answers is not a metadata server, or not ready."""
