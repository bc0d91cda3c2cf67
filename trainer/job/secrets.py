"""Keeps what opens doors out of what people read: keys, tokens and passwords in messages, logs and records."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"
_NAMES = (
    r"(?:access_token|refresh_token|id_token|token|api_?key|key|password|secret|client_secret|x-goog-signature|sig)"
)
_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), HIDDEN),
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{HIDDEN}@"),
    (re.compile(r"\bya29\.[\w.-]+"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic) [\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(rf"(?i)([?&]{_NAMES}=)[^&\s'\"]+"), rf"\1{HIDDEN}"),
    (
        re.compile(r"""(?i)("(?:private_key(?:_id)?|client_secret|refresh_token|access_token)"\s*:\s*)"[^"]*\"?"""),
        rf'\1"{HIDDEN}"',
    ),
)


def scrubbed(text: str) -> str:
    """`text` without private keys, OAuth tokens, passwords in addresses, and keys in queries."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
