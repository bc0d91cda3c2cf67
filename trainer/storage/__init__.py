"""The one seam to disks and buckets: `storage.read(path)` and its like, for local paths and `gs://bucket/name`.

The Google Cloud client is loaded when the first `gs://` path is met. Requests are tried again for five minutes; where
that is not what is wanted, make a `Store` with another `RetryPolicy`.

    paths, disk                      names of files and objects; local files
    framing                          the frames of TFRecord and event files
    client, failures, retry_policy   the client of a bucket, what its exceptions mean, when to try again
    bucket_reads, bucket_deletions   requests that read, and that delete
    bucket, parts                    requests that write; large objects in parts
    store, trees                     the same verbs for files and objects; whole directories
    recent_reads                     small objects that are asked for every second

    compiled_programs                what XLA compiled on this machine, for the next process

A process that works in a folder of a bucket has a `SyncedFolder`, whose changes an upload thread carries out:

    scratch, folder, commits         the local directory; names on both sides; the file that commits
    fenced_writer, uploader          writes that end when another process takes over; one upload
    uploads, upload_queue            what to upload, kept on disk
    upload_thread, synced_folder     one after the other, in the background; all of it together
"""

from __future__ import annotations

import functools

from trainer.storage import trees
from trainer.storage.entry import ABSENT, Entry
from trainer.storage.errors import (
    ConflictError,
    CorruptError,
    NotFoundError,
    PathError,
    RefusedError,
    StorageError,
    UnavailableError,
)
from trainer.storage.paths import escaped, is_remote, join, resolved
from trainer.storage.retry_policy import RetryPolicy
from trainer.storage.store import Store

__all__ = [
    "ABSENT",
    "ConflictError",
    "CorruptError",
    "Entry",
    "NotFoundError",
    "RetryPolicy",
    "PathError",
    "RefusedError",
    "StorageError",
    "Store",
    "UnavailableError",
    "copy_in",
    "copy_out",
    "delete",
    "entries",
    "escaped",
    "exists",
    "fetch",
    "is_remote",
    "join",
    "open_stream",
    "read",
    "resolved",
    "stat",
    "upload",
    "write",
]

_DEFAULT = Store()
copy_in = functools.partial(trees.copy_in, _DEFAULT)
copy_out = functools.partial(trees.copy_out, _DEFAULT)
delete = _DEFAULT.delete
entries = _DEFAULT.entries
exists = _DEFAULT.exists
fetch = _DEFAULT.fetch
open_stream = _DEFAULT.open_stream
read = _DEFAULT.read
stat = _DEFAULT.stat
upload = _DEFAULT.upload
write = _DEFAULT.write
