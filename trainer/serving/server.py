"""The server as a whole: a model that is followed, an application, and uvicorn, until somebody asks for the end."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.applications import Starlette

from trainer.job.errors import UsageError
from trainer.job.signals import StopRequest
from trainer.serving.app import Server
from trainer.serving.batching import Batcher
from trainer.serving.figures import Figures
from trainer.serving.settings import Place, ServeOptions
from trainer.serving.versions import Versions

_log = logging.getLogger("trainer")

_MOST_THREADS = 4
_KEEP_ALIVE_SECS = 75
_LEAVING_SECS = 1.0
"""From a signal to when no more connections are taken."""
_BACKLOG = 2048


def serve(options: ServeOptions, place: Place, listener: socket.socket, stop: StopRequest) -> None:
    """Serves until a stop is requested and the requests of before are answered.

    Args:
      options: the flags.
      place: where the model is.
      listener: bound, at which requests come.
      stop: ends it.

    Raises:
      JobError: no version of the model can be loaded.
    """
    figures = Figures()
    versions = Versions(place.model_dir, figures.loaded)
    threads = options.threads or min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="ask") as pool:
        batcher = Batcher(
            pool,
            threads,
            most_rows=options.max_batch_rows,
            wait_secs=options.batch_wait_ms / 1000,
            most_queued=options.max_queue_rows,
            told=figures.asked,
        )
        server = Server(versions, batcher, figures, options)
        http = uvicorn.Server(_config(server.app(place), options))
        thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]}, name="http", daemon=True)

        def end() -> None:
            http.should_exit = True

        def drain(reason: str) -> None:
            _log.info("Asked to end by %s: requests that are here are answered.", reason)
            server.is_draining = True
            # Until then clients are told, with what they are answered, to go elsewhere: a connection that ends without
            # that may have a request on its way.
            threading.Timer(min(_LEAVING_SECS, options.grace_secs / 4), end).start()

        stop.tell(drain)
        thread.start()
        with _followed(versions, options.poll_secs, end):
            thread.join()


@contextlib.contextmanager
def _followed(versions: Versions, poll_secs: float, end: Callable[[], None]) -> Iterator[None]:
    """Loads the first version, and then the newer ones, while it is open. Ends the server where none can be."""
    stopped = threading.Event()
    try:
        versions.begin()
    except BaseException:
        end()
        raise
    follower = threading.Thread(target=versions.follow, args=(poll_secs, stopped), name="versions", daemon=True)
    follower.start()
    try:
        yield
    finally:
        stopped.set()
        follower.join()


def listening(place: Place) -> socket.socket:
    """The socket at which requests come.

    Raises:
      UsageError: the address is taken, or is none of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        listener = socket.create_server((place.host, place.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        got = f"--host={place.host} --port={place.port}: {error.strerror or error}"
        raise UsageError(got, "a free port of this machine", "Take another one, or --port=0 for any") from error
    # Connections inherit it. asyncio sets it for sockets that it has made itself only, and without it an answer's body
    # waits 40 ms for the client to acknowledge its head (Nagle's algorithm beside delayed acknowledgements).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _config(app: Starlette, options: ServeOptions) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=options.max_connections,
        timeout_keep_alive=_KEEP_ALIVE_SECS,
        timeout_graceful_shutdown=math.ceil(options.grace_secs),
    )
