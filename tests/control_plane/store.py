"""What the cluster holds: objects with versions, what changed since when, and the end of what lost its owner."""

from __future__ import annotations

import dataclasses
import datetime
import marshal
import random
import string
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping

from tests.control_plane.resources import EVENTS, PODS, Manifest, Resource

Key = tuple[str, str, str]
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as rand.String of apimachinery


class Refusal(Exception):
    """An answer other than 200, as the API's Status has it."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    @property
    def status(self) -> Manifest:
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return head | {"message": self.message, "reason": self.reason, "code": self.code}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    version: int
    type: str
    resource: Resource
    value: Manifest


class Store:
    """All objects. Whoever changes something wakes those who wait."""

    def __init__(self, admit: Callable[[Store, Resource, Manifest], None]) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._admit = admit
        self._objects: dict[Key, tuple[Resource, Manifest]] = {}
        self._changes: list[Change] = []
        self.version = 1

    def create(self, resource: Resource, namespace: str, given: Manifest) -> Manifest:
        """The object as it is kept. Raises Refusal."""
        with self.changed:
            value = copied(given)
            metadata = value.setdefault("metadata", {})
            if not metadata.get("name") and metadata.get("generateName"):
                metadata["name"] = metadata["generateName"] + suffix()
            if resource.namespaced:
                metadata["namespace"] = namespace
            key = _key(resource, namespace, str(metadata.get("name")))
            if key in self._objects:
                message = f'{resource.full_name} "{metadata["name"]}" already exists'
                raise Refusal(409, "AlreadyExists", message)
            self._admit(self, resource, value)
            metadata["uid"], metadata["creationTimestamp"] = str(uuid.uuid4()), now()
            value |= {"apiVersion": resource.group_version, "kind": resource.kind}
            self._keep("ADDED", resource, value)
            return copied(value)

    def get(self, resource: Resource, namespace: str, name: str) -> Manifest:
        """Raises Refusal where there is none."""
        with self.changed:
            found = self._objects.get(_key(resource, namespace, name))
            if found is None:
                raise Refusal(404, "NotFound", f'{resource.full_name} "{name}" not found')
            return copied(found[1])

    def find(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        with self.changed:
            found = self._objects.get(_key(resource, namespace, name))
            return None if found is None else copied(found[1])

    def listed(
        self, resource: Resource, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        with self.changed:
            kept = [value for kind, value in self._objects.values() if kind == resource]
            return [
                copied(value)
                for value in kept
                if (namespace is None or value["metadata"].get("namespace") == namespace)
                and all(value["metadata"].get("labels", {}).get(key) == text for key, text in (labels or {}).items())
            ]

    def replace(self, resource: Resource, value: Manifest) -> None:
        """The new state of an object that is there; nothing happens where it has gone meanwhile."""
        metadata = value["metadata"]
        with self.changed:
            found = self._objects.get(_key(resource, metadata.get("namespace", ""), metadata["name"]))
            if found is not None and _stripped(found[1]) != _stripped(value):
                self._keep("MODIFIED", resource, copied(value))

    def delete(self, resource: Resource, namespace: str, name: str) -> Manifest:
        """Removes it; what it owns goes in the background, as in Kubernetes (`collect`). A pod ends first."""
        with self.changed:
            value = self.get(resource, namespace, name)
            if resource == PODS and value.get("status", {}).get("phase") in ("Pending", "Running"):
                if "deletionTimestamp" not in value["metadata"]:
                    value["metadata"]["deletionTimestamp"] = now()
                    self._keep("MODIFIED", resource, value)
            else:
                self.remove(resource, value)
            return value

    def remove(self, resource: Resource, value: Manifest) -> None:
        metadata = value["metadata"]
        with self.changed:
            if self._objects.pop(_key(resource, metadata.get("namespace", ""), metadata["name"]), None) is None:
                return
            self._note("DELETED", resource, value)

    def collect(self) -> None:
        """Removes what names owners that are all gone."""
        with self.changed:
            there = {value["metadata"]["uid"] for _, value in self._objects.values()}
            for resource, value in list(self._objects.values()):
                owners = [entry["uid"] for entry in value["metadata"].get("ownerReferences", ())]
                if owners and not there.intersection(owners):
                    self.delete(resource, value["metadata"].get("namespace", ""), value["metadata"]["name"])

    def event(self, about: Manifest, reason: str, message: str, kind: str = "Normal") -> None:
        """Notes an event, or counts it again."""
        metadata = about["metadata"]
        name = f"{metadata['name']}.{reason.lower()}.{abs(hash(message)) % 16**8:08x}"
        namespace = metadata.get("namespace", "default")
        with self.changed:
            if found := self.find(EVENTS, namespace, name):
                if found["lastTimestamp"] != now():  # else a controller that tries again and again would never rest
                    self.replace(EVENTS, found | {"count": found["count"] + 1, "lastTimestamp": now()})
                return
            involved = {"kind": about["kind"], "name": metadata["name"], "namespace": namespace}
            value = {
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved | {"uid": metadata.get("uid", "")},
                "reason": reason,
                "message": message,
                "type": kind,
                "count": 1,
                "firstTimestamp": now(),
                "lastTimestamp": now(),
            }
            self.create(EVENTS, namespace, value)

    def changes(self, since: int, timeout_secs: float) -> Iterator[Change]:
        """What happened after that version; waits for more, and ends after a while without any."""
        while True:
            with self.changed:
                fresh = [change for change in self._changes if change.version > since]
                if not fresh and not self._wait_for_more(since, timeout_secs):
                    return
            yield from fresh
            since = fresh[-1].version if fresh else since

    def _wait_for_more(self, since: int, timeout_secs: float) -> bool:
        return self.changed.wait_for(lambda: self.version > since, timeout_secs)

    def _keep(self, type_: str, resource: Resource, value: Manifest) -> None:
        self._note(type_, resource, value)
        metadata = value["metadata"]
        self._objects[_key(resource, metadata.get("namespace", ""), metadata["name"])] = (resource, value)

    def _note(self, type_: str, resource: Resource, value: Manifest) -> None:
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        change = Change(version=self.version, type=type_, resource=resource, value=copied(value))
        self._changes.append(change)
        self.changed.notify_all()


def copied(value: Manifest) -> Manifest:
    """A copy of what JSON can say, in a small part of the time that `deepcopy` takes."""
    copy: Manifest = marshal.loads(marshal.dumps(value))
    return copy


def owned(owner: Manifest, value: Manifest) -> Manifest:
    """The manifest with its controller."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    value["metadata"]["ownerReferences"] = [reference]
    return value


def is_owned(value: Manifest, owner: Manifest) -> bool:
    uid = owner["metadata"]["uid"]
    return any(entry["uid"] == uid for entry in value["metadata"].get("ownerReferences", ()))


def condition(value: Manifest, type_: str) -> bool:
    """Whether an object's status says so."""
    conditions = value.get("status", {}).get("conditions", ())
    return any(entry["type"] == type_ and entry["status"] == "True" for entry in conditions)


def set_condition(value: Manifest, type_: str, reason: str, message: str, status: str = "True") -> None:
    conditions = value.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [entry for entry in conditions if entry["type"] != type_]
    entry = {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}
    conditions.append(entry)


def suffix(length: int = 5) -> str:
    return "".join(random.choice(_SUFFIX) for _ in range(length))


def hexadecimal(length: int) -> str:
    return random.choice(string.ascii_lowercase) + uuid.uuid4().hex[: length - 1]


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age_secs(moment: str) -> float:
    then = datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    return (datetime.datetime.now(datetime.UTC) - then).total_seconds()


def _key(resource: Resource, namespace: str, name: str) -> Key:
    return resource.full_name, namespace if resource.namespaced else "", name


def _stripped(value: Manifest) -> Manifest:
    metadata = {key: text for key, text in value["metadata"].items() if key != "resourceVersion"}
    return value | {"metadata": metadata}
