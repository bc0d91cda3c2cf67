"""Pages of a list: which names and prefixes come next, as the service orders them."""

from __future__ import annotations

import base64
import bisect
import dataclasses
import re
from collections.abc import Mapping, Sequence

from tests.bucket.messages import Refusal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Names of objects and folders of one page; `token` is None on the last one."""

    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    token: str | None


def page(names: Sequence[str], query: Mapping[str, str], largest: int = 1000) -> Page:
    """The page that the parameters of a list request ask for.

    Args:
      names: all names in the bucket, in the order of their UTF-8 bytes.
      query: maxResults, pageToken, prefix, delimiter, startOffset, endOffset, matchGlob, includeTrailingDelimiter.
      largest: the most entries that a page may have.
    """
    limit = min(int(query.get("maxResults") or largest), largest)
    after = _last(query["pageToken"]) if query.get("pageToken") else None
    found: list[str] = []
    prefixes: list[str] = []
    for entry, is_prefix in _entries(names, query):
        if after is not None and entry.encode() <= after.encode():
            continue
        if len(found) + len(prefixes) == limit:
            return Page(names=tuple(found), prefixes=tuple(prefixes), token=_token((found, prefixes)))
        (prefixes if is_prefix else found).append(entry)
    return Page(names=tuple(found), prefixes=tuple(prefixes), token=None)


def _entries(names: Sequence[str], query: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Names, and once each the folders of a `delimiter`, in order."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    glob = re.compile(expression(query["matchGlob"])) if query.get("matchGlob") else None
    start, end = query.get("startOffset", "").encode(), query.get("endOffset", "").encode()
    entries: dict[tuple[str, bool], None] = {}
    for name in names[bisect.bisect_left(names, prefix.encode(), key=str.encode) :]:
        if not name.startswith(prefix):
            break
        if name.encode() < start or (end and name.encode() >= end) or (glob and not glob.fullmatch(name)):
            continue
        place = name.find(delimiter, len(prefix)) if delimiter else -1
        if place < 0:
            entries[name, False] = None
            continue
        folder = name[: place + len(delimiter)]
        entries[folder, True] = None
        if name == folder and query.get("includeTrailingDelimiter", "").lower() == "true":
            entries[name, False] = None
    return list(entries)


def expression(glob: str) -> str:
    """The regular expression of a matchGlob: `*` within a folder, `**` across, `?`, `[a-z]`, `{a,b}`."""
    out, at, depth = "", 0, 0
    while at < len(glob):
        character = glob[at]
        if glob.startswith("**", at):
            out, at = out + ".*", at + 1
        elif character == "*":
            out += "[^/]*"
        elif character == "?":
            out += "[^/]"
        elif character == "[" and (end := glob.find("]", at + 2)) > 0:
            inner = glob[at + 1 : end]
            out, at = out + "[" + inner.replace("!", "^", inner.startswith("!")) + "]", end
        elif character == "{":
            out, depth = out + "(?:", depth + 1
        elif character == "}" and depth:
            out, depth = out + ")", depth - 1
        elif character == "," and depth:
            out += "|"
        else:
            out += re.escape(character)
        at += 1
    return f"(?s:{out})"


def _token(entries: tuple[list[str], list[str]]) -> str:
    last = max((entry for part in entries for entry in part), key=str.encode)
    return base64.urlsafe_b64encode(last.encode()).decode()


def _last(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise Refusal(400, f"pageToken={token} is not one of ours") from None
