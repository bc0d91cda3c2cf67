"""Addresses of processes, `host:port`: which ones can be right, and when two of them are one."""

from __future__ import annotations

import ipaddress
import re

_PORTS = range(1, 65536)
_MOST_HOST = 253
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")  # Kubernetes has names with underscores


def split(address: str) -> tuple[str, int]:
    """Host, without brackets, and port of a checked address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def accepted_instead(address: object) -> str | None:
    """What is accepted in place of an address that cannot be right; None for one that can."""
    if not isinstance(address, str):
        return "host:port"
    host, colon, port = address.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]+", port):
        return "host:port"
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) not in _PORTS:
        return "a port from 1 to 65535, without zeros before it"
    return _host_instead(host)


def canonical(address: str) -> str:
    """One spelling for all those of a checked address: of letters, of IPv6, and of a name with a dot at its end."""
    host, _, port = address.rpartition(":")
    return f"{_ip(host.strip('[]')) or host.rstrip('.').lower()} {port}"


def _host_instead(host: str) -> str | None:
    if host.startswith("["):
        inside = host[1:-1]
        is_ipv6 = host.endswith("]") and isinstance(_ip(inside), ipaddress.IPv6Address) and inside.isprintable()
        return None if is_ipv6 and " " not in inside else "host:port, an IPv6 address being in brackets, as [::1]:2222"
    if _is_numeric(host):
        return None if isinstance(_ip(host), ipaddress.IPv4Address) else "four numbers from 0 to 255, as 10.0.0.7:2222"
    return None if _is_name(host) else "host:port, the host being a name of letters, digits, '-', '_' and '.'"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_numeric(host: str) -> bool:
    """Whether a host ends in a number, as no name does: resolvers take such a one for an IPv4 address."""
    return re.fullmatch(r"([^.]*\.)*[0-9]+\.?", host, re.ASCII) is not None


def _is_name(host: str) -> bool:
    """Whether a host can be a name of the domain name system, international ones included."""
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= _MOST_HOST and all(_LABEL.fullmatch(label) for label in labels)
