"""Names that Kubernetes accepts, as its package k8s.io/apimachinery/pkg/util/validation has them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trainer.job.findings import Finding

LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253
SUBDOMAIN = "lower-case letters, digits, '-' and '.', up to 253 (RFC 1123)"
LABEL_VALUE = "letters, digits, '-', '_' and '.', up to 63"
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def is_dns_1035(name: str) -> bool:
    """Of a Service, and of what the operators make Services and host names of: begins with a letter."""
    return len(name) <= LONGEST_LABEL and _DNS_1035.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """Of a namespace, a volume, a container, a host: IsDNS1123Label."""
    return len(name) <= LONGEST_LABEL and _DNS_1123.fullmatch(name) is not None


def is_subdomain(name: str) -> bool:
    """Of most objects: IsDNS1123Subdomain."""
    return len(name) <= LONGEST_SUBDOMAIN and all(_DNS_1123.fullmatch(part) for part in name.split("."))


def is_label_value(value: object) -> bool:
    """Value of a label or of a node selector: IsValidLabelValue."""
    return value == "" or (
        isinstance(value, str) and len(value) <= LONGEST_LABEL and _QUALIFIED.fullmatch(value) is not None
    )


def is_qualified(key: str) -> bool:
    """Key of a label or a taint, name of a resource: IsQualifiedName, a name with or without a domain before it."""
    domain, slash, name = key.rpartition("/")
    return is_label_value(name) and name != "" and (not slash or is_subdomain(domain))


def is_port_name(name: str) -> bool:
    """Of a container's or a Service's port: IsValidPortName, up to 15 characters, one of them a letter."""
    plain = re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) is not None
    return plain and len(name) <= 15 and "--" not in name and re.search("[a-z]", name) is not None


def is_key(name: str) -> bool:
    """Of an entry of a secret or a config map: IsConfigMapKey."""
    return re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", name) is not None and name not in (".", "..")


def too_long(longest: str, what: str) -> Iterator[Finding]:
    """A finding where a name that is made from the job's is none that a host can have.

    Args:
      longest: the name.
      what: it is, in words.
    """
    more = len(longest) - LONGEST_LABEL
    if more > 0:
        do = f"Set a --name that is {more} characters shorter"
        got = f"{what}, has {len(longest)} characters"
        yield Finding(where=("metadata", "name"), got=got, accept=f"up to {LONGEST_LABEL}", do=do)
