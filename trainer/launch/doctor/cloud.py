"""What this machine may do in the cloud: credentials, buckets of a job, and room for what goes there."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import secrets
from collections.abc import Iterator, Mapping, Sequence

from trainer import storage
from trainer.job.findings import Finding
from trainer.launch import machine
from trainer.launch.doctor.report import gigabytes, note, ok, wrong
from trainer.storage import RetryPolicy, StorageError, Store, scratch

_LEAST_SCRATCH = 1 << 30
# A person is waiting; whatever does not answer this soon deserves a line of its own.
_RETRY_POLICY = RetryPolicy(connect_secs=5.0, silence_secs=5.0, total_secs=10.0)
_KINDS = ("authorized_user", "service_account", "external_account", "impersonated_service_account")
_LOG_IN = "gcloud auth application-default login"


def credentials(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Where Google's credentials would come from. Their content is never shown, and no service is asked."""
    emulator, named = environ.get("STORAGE_EMULATOR_HOST"), environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if emulator:
        yield note("credentials", "none are needed: STORAGE_EMULATOR_HOST is set", "Unset it for Google's own buckets")
    elif named:
        yield _key_file(named, "GOOGLE_APPLICATION_CREDENTIALS", "Name a key file, or unset the variable")
    else:
        directory = environ.get("CLOUDSDK_CONFIG") or os.path.join(environ.get("HOME", "~"), ".config", "gcloud")
        path = os.path.join(directory, "application_default_credentials.json")
        if os.path.exists(path):
            yield _key_file(path, "gcloud", _LOG_IN)
        else:
            got = "none for Google Cloud here; Google's own machines bring theirs"
            yield note("credentials", got, f"For gs:// and submissions: {_LOG_IN}")


def bucket(root: str) -> Finding:
    """Whether the output directory of a job can be written and read: with a small object that is deleted at once."""
    probe = f"{root.rstrip('/')}/.doctor-{secrets.token_hex(8)}"
    store = Store(retry_policy=_RETRY_POLICY)
    try:
        generation = store.write(probe, b"?", if_generation=storage.ABSENT)
        read = store.read(probe)
        store.delete(probe, if_generation=generation)
    except StorageError as refused:
        do = refused.do or "Check that the bucket exists and that this account may write to it"
        return dataclasses.replace(refused.findings[0], where="output", do=do)
    if read != b"?":
        return wrong("output", f"{root} returns something else than was written", "Check whether a proxy changes it")
    return ok("output", f"{root} can be written and read")


def data(paths: Sequence[str]) -> Iterator[Finding]:
    """Which files the paths of a job's data mean, local or in buckets."""
    store = Store(retry_policy=_RETRY_POLICY)
    for path in paths:
        try:
            entries = store.entries(path)
        except StorageError as refused:
            yield dataclasses.replace(refused.findings[0], where="data", do=refused.do or "Correct the path")
            continue
        total = sum(entry.size for entry in entries)
        if entries:
            yield ok("data", f"{path}: {len(entries)} files, {gigabytes(total)}")
        else:
            yield wrong("data", f"{path}: no such file", "Correct the path, or copy the data there")


def scratch_room(environ: Mapping[str, str]) -> Finding:
    """Room for checkpoints and events on their way to a bucket."""
    root = scratch.root(environ)
    parent = machine.existing_parent(root)
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        return wrong("scratch", f"{parent} is not writable", f"Set {scratch.VARIABLE} to a directory that is")
    free = machine.free_disk_bytes(root)
    if free < _LEAST_SCRATCH:
        return wrong("scratch", f"{root}: {gigabytes(free)} free", f"Make room, or set {scratch.VARIABLE}")
    return ok("scratch", f"{root}: {gigabytes(free)} free")


def _key_file(path: str, source: str, fix: str) -> Finding:
    try:
        content = json.loads(pathlib.Path(path).expanduser().read_text(encoding="utf-8"))
        kind = content.get("type") if isinstance(content, dict) else None
    except OSError as error:
        return wrong("credentials", f"{source}: {path}: {error.strerror}", fix)
    except ValueError:
        return wrong("credentials", f"{source}: {path} is not valid JSON", fix)
    if kind not in _KINDS:
        return wrong("credentials", f"{source}: {path} is not a Google key file", fix)
    return ok("credentials", f"{source}: {path} ({kind})")
