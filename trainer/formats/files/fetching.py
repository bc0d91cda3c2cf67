"""The op that fetches a file of a bucket, in whichever process runs the pipeline.

A graph that a chief builds may run in a worker's process. What it calls there is this module's function, registered
under a name that every process of a job agrees on (`tf.numpy_function` would leave the chief's own function, which
the worker does not have), with the download cache of that process. The function is pure: a path in a bucket, with its
generation, gives a local path. So the position of a pipeline is saved and restored as with local files.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer import storage
from trainer.formats.files.download_cache import DownloadCache
from trainer.formats.files.remote import RemoteFile
from trainer.job.errors import DataError, JobError

if TYPE_CHECKING:
    import tensorflow as tf

_NAME = "trainer.formats.files.fetching.local_path"
_OBJECT = "\0"  # what no path begins with
_MARK = "could not be fetched: "
_AHEAD = 4
"""Files that are fetched while those before them are read."""


def address(path: str) -> str:
    """What a graph carries for a file: its path, or for one in a bucket a mark and its entry as JSON."""
    if not isinstance(path, RemoteFile):
        return path
    return _OBJECT + json.dumps(dataclasses.asdict(path.entry))


def local_path(cache: DownloadCache, text: bytes) -> bytes:
    """The path of the file that an address names, on this machine: a copy, fetched if need be.

    Args:
      cache: where copies go.
      text: the address.

    Raises:
      ValueError: it cannot be fetched; TensorFlow makes an InvalidArgumentError of it, of which `failure` knows why.
    """
    if not text.startswith(_OBJECT.encode()):
        return text
    entry = storage.Entry(**json.loads(text[len(_OBJECT) :]))
    try:
        return cache.local(entry).encode()
    except JobError as error:
        fields = json.dumps({"got": error.got, "accept": error.accept, "do": error.do, "exit_code": error.exit_code})
        raise ValueError(f"{error} [{_MARK}{urllib.parse.quote(fields)}]") from None


def failure(text: str) -> JobError | None:
    """Why a file could not be fetched, in any process, from TensorFlow's words; None where they say something else."""
    match = re.search(re.escape(_MARK) + r"([^\]]+)\]", text)
    if not match:
        return None
    fields = json.loads(urllib.parse.unquote(match[1]))
    kind = {DataError.exit_code: DataError, storage.UnavailableError.exit_code: storage.UnavailableError}
    return kind.get(fields["exit_code"], JobError)(fields["got"], fields["accept"], fields["do"])


class Fetcher:
    """The function behind the op in this process. It is kept while pipelines run, for TensorFlow does not keep it.

    Args:
      cache: where copies go.
    """

    def __init__(self, cache: DownloadCache) -> None:
        self._function = functools.partial(local_path, cache)

    def register(self, define: Callable[[str, Callable[[bytes], bytes]], None]) -> None:
        """Makes the function known to TensorFlow, as every process does that runs pipelines over buckets.

        Args:
          define: has TensorFlow's ops call a function by a name:
            `trainer.estimator.graph.inside.python_functions.define`, which this layer does not know of.
        """
        define(_NAME, self._function)


def fetched(paths: tf.Tensor) -> tf.Tensor:
    """The local path [] of an address []."""
    import tensorflow as tf

    path = tf.raw_ops.PyFuncStateless(input=[paths], token=_NAME, Tout=[tf.string])[0]
    return tf.ensure_shape(path, [])


def ahead(listed: tf.data.Dataset) -> tf.data.Dataset:
    """The same tuples, of an address and what else opens a file; the files of those to come are being fetched."""
    import tensorflow as tf

    def warm(path: tf.Tensor, *others: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.control_dependencies([fetched(path)]):
            return tf.identity(path), *others

    return listed.map(warm, num_parallel_calls=_AHEAD, deterministic=True)


def opening(open_file: Callable[..., tf.data.Dataset]) -> Callable[..., tf.data.Dataset]:
    """`open_file` for addresses."""
    return lambda path, *others: open_file(fetched(path), *others)
