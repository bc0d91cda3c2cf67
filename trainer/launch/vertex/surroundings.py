"""What is wrong with what surrounds the replicas of a job: account, networks, TensorBoard, directory, region."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trainer.job.findings import Finding, Level, Path, short
from trainer.launch.vertex.pools import BUCKET

_ACCOUNT = re.compile(r"[a-zA-Z0-9._-]+@[a-zA-Z0-9.-]+\.[a-z]+")
_ATTACHMENT = re.compile(r"(projects/[^/]+/regions/[^/]+/networkAttachments/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_RESERVATION = re.compile(r"projects/[^/]+/zones/[^/]+/reservations/[^/]+(/.+)?")
_PLACE = re.compile(r"projects/[^/]+/(?:locations|regions|zones)/([^/]+)/")


def violations(spec: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """What is wrong with a CustomJobSpec besides its pools and its scheduling."""
    account = spec.get("serviceAccount")
    if account is not None and not _ACCOUNT.fullmatch(account):
        accept, do = "an e-mail address, such as NAME@PROJECT.iam.gserviceaccount.com", "Correct --service_account"
        yield Finding(where=(*path, "serviceAccount"), got=short(account), accept=accept, do=do)
    yield from _networks(spec, path)
    directory = (spec.get("baseOutputDirectory") or {}).get("outputUriPrefix")
    if spec.get("baseOutputDirectory") is not None and not BUCKET.fullmatch(str(directory)):
        accept, do = "gs://bucket/folder, the bucket in lower case", "Set --output_dir=gs://bucket/folder"
        yield Finding(
            where=(*path, "baseOutputDirectory", "outputUriPrefix"), got=short(directory), accept=accept, do=do
        )
    yield from _tensorboard(spec, path)
    for index, pool in enumerate(spec.get("workerPoolSpecs") or []):
        at = (*path, "workerPoolSpecs", index)
        yield from _shares((pool or {}).get("nfsMounts") or [], (*at, "nfsMounts"))
        affinity = ((pool or {}).get("machineSpec") or {}).get("reservationAffinity")
        if affinity is not None:
            strategy = (spec.get("scheduling") or {}).get("strategy")
            yield from _reservation(affinity, strategy, (*at, "machineSpec", "reservationAffinity"))


def elsewhere(request: Mapping[str, Any], region: str) -> Iterator[Finding]:
    """What the request names in another region than the job's, where the job could not use it."""
    kind = "trialJobSpec" if "trialJobSpec" in request else "jobSpec"
    spec = request.get(kind) or {}
    named: list[tuple[Path, object]] = [
        (("encryptionSpec", "kmsKeyName"), (request.get("encryptionSpec") or {}).get("kmsKeyName")),
        ((kind, "tensorboard"), spec.get("tensorboard")),
        (
            (kind, "pscInterfaceConfig", "networkAttachment"),
            (spec.get("pscInterfaceConfig") or {}).get("networkAttachment"),
        ),
    ]
    for index, pool in enumerate(spec.get("workerPoolSpecs") or []):
        affinity = ((pool or {}).get("machineSpec") or {}).get("reservationAffinity") or {}
        at = (kind, "workerPoolSpecs", index, "machineSpec", "reservationAffinity", "values")
        named += [((*at, number), value) for number, value in enumerate(affinity.get("values") or [])]
    for path, name in named:
        place = _PLACE.match(str(name))
        if place and re.sub(r"-[a-z]$", "", place[1]) != region:
            do = f"Set --region={re.sub(r'-[a-z]$', '', place[1])}, or name one that is in {region}"
            got = f"{short(name)}, in another region than the job"
            yield Finding(where=path, got=got, accept=f"one in {region}", do=do)


def _networks(spec: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    network = spec.get("network")
    if network is not None and not re.fullmatch(r"projects/\d+/global/networks/[a-z][a-z0-9-]*", network):
        accept = "projects/NUMBER/global/networks/NAME, with the project's number"
        do = "gcloud projects describe PROJECT shows the number"
        yield Finding(where=(*path, "network"), got=short(network), accept=accept, do=do)
    if spec.get("reservedIpRanges") and network is None:
        at = (*path, "reservedIpRanges")
        yield Finding(where=at, got="ranges without a network", accept="with a network", do="Set --network")
    attachment = (spec.get("pscInterfaceConfig") or {}).get("networkAttachment")
    at = (*path, "pscInterfaceConfig", "networkAttachment")
    if attachment is not None and not _ATTACHMENT.fullmatch(attachment):
        accept = "a name, or projects/P/regions/R/networkAttachments/NAME"
        do = "gcloud compute network-attachments list shows it"
        yield Finding(where=at, got=short(attachment), accept=accept, do=do)
    elif attachment is not None and network is not None:
        got, accept = "a network attachment together with a network to peer with", "one of the two ways"
        yield Finding(where=at, got=got, accept=accept, do="Drop --network or --network_attachment")


def _tensorboard(spec: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    name, at = spec.get("tensorboard"), (*path, "tensorboard")
    if name is None:
        return
    if not re.fullmatch(r"projects/[^/]+/locations/[^/]+/tensorboards/\d+", name):
        accept, do = "projects/P/locations/R/tensorboards/ID", "gcloud ai tensorboards list shows it"
        yield Finding(where=at, got=short(name), accept=accept, do=do)
    for needed, flag in (("serviceAccount", "service_account"), ("baseOutputDirectory", "output_dir")):
        if not spec.get(needed):
            got = f"a TensorBoard without {needed}"
            yield Finding(where=at, got=got, accept=f"with {needed}", do=f"Set --{flag}")


def _shares(mounts: list[Any], path: Path) -> Iterator[Finding]:
    seen: set[object] = set()
    for index, mount in enumerate(mounts):
        lacking = [name for name in ("server", "path", "mountPoint") if not mount.get(name)]
        if lacking or not str(mount["path"]).startswith("/"):
            got = f"no {lacking[0]}" if lacking else short(mount["path"])
            accept = "server, path from the root and mountPoint"
            yield Finding(where=(*path, index), got=got, accept=accept, do="Write --nfs=SERVER:/PATH:NAME")
        elif mount["mountPoint"] in seen:
            got = f"{short(mount['mountPoint'])} twice"
            yield Finding(where=(*path, index, "mountPoint"), got=got, accept="each name once", do="Correct --nfs")
        seen.add(mount.get("mountPoint"))


def _reservation(affinity: Mapping[str, Any], strategy: object, path: Path) -> Iterator[Finding]:
    kind, values = affinity.get("reservationAffinityType"), affinity.get("values") or []
    if kind == "SPECIFIC_RESERVATION" and not (affinity.get("key") and values):
        do = "Set --reservation=projects/P/zones/Z/reservations/NAME"
        yield Finding(where=path, got="a specific reservation without its name", accept="key and values", do=do)
    elif kind in ("ANY_RESERVATION", "NO_RESERVATION") and values:
        do = "Set the type to SPECIFIC_RESERVATION, or drop the values"
        yield Finding(where=path, got=f"{kind} with {len(values)} names", accept="no names", do=do)
    for index, value in enumerate(values):
        if not _RESERVATION.fullmatch(str(value)):
            accept, do = "projects/P/zones/Z/reservations/NAME", "gcloud compute reservations list shows it"
            yield Finding(where=(*path, "values", index), got=short(value), accept=accept, do=do)
    if kind != "NO_RESERVATION" and strategy in ("SPOT", "FLEX_START"):
        got = f"reserved machines with strategy {strategy}, whose machines do not come from reservations"
        yield Finding(where=path, got=got, do="Set --provisioning=standard to use them", level=Level.NOTE)
