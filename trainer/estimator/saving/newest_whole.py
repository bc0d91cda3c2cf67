"""The newest whole checkpoint of a directory: each newer one that is damaged is skipped, and a line says why."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from trainer.estimator.saving import manifest, verification
from trainer.estimator.saving.listing import Listing
from trainer.estimator.saving.verification import DamagedCheckpointError

log = logging.getLogger("trainer")

_MOST_NAMED = 5


class NewestWhole:
    """Finds it, again and again, and says everything once.

    Args:
      path: of the directory, as people call it.
      said: the lines that were said already.
    """

    def __init__(self, path: str, said: set[str]) -> None:
        self._path, self._said = path, said

    def among(self, listing: Listing, problem: Callable[[str], str | None]) -> str | None:
        """The name of the newest whole checkpoint; None where there is none at all.

        Args:
          listing: of the directory.
          problem: what is wrong with a checkpoint, by its name, in words; None where it is whole. Raises
            FileNotFoundError where it is gone.

        Raises:
          DamagedCheckpointError: none of those that are there is whole.
        """
        skipped: dict[str, str] = {}
        for name in listing.newest_first():
            try:
                what = problem(name)
            except FileNotFoundError:
                continue
            if what is None:
                self._tell(listing, skipped, name)
                return name
            skipped[name] = what
        if skipped:
            raise self._none_whole(skipped)
        if listing.doubt is not None:
            self._say(f"{listing.doubt}, and no checkpoint is there.")
        return None

    def _tell(self, listing: Listing, skipped: dict[str, str], taken: str) -> None:
        if listing.doubt is not None:
            self._say(f"{listing.doubt}, so the newest whole checkpoint there is used: {os.path.basename(taken)}.")
        for name, what in skipped.items():
            self._say(f"{name} in {self._path} is damaged ({what}), so {os.path.basename(taken)} is used.")

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            log.warning("%s", line)

    def _none_whole(self, skipped: dict[str, str]) -> DamagedCheckpointError:
        reasons = [what if what.startswith(name) else f"{name}: {what}" for name, what in skipped.items()]
        some, more = reasons[:_MOST_NAMED], len(reasons) - _MOST_NAMED
        return DamagedCheckpointError(
            f"No checkpoint in {self._path} is whole: {'; '.join(some)}{f'; and {more} more' if more > 0 else ''}",
            "one that is as it was saved",
            "Restore one from a copy, or train into another directory (--output_dir)",
        )


class LocalProblems:
    """What is wrong with the checkpoints of a local directory. Files that did not change are not read again.

    Args:
      directory: of the checkpoints.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._known: dict[str, tuple[object, str | None]] = {}

    def of(self, name: str) -> str | None:
        """What is wrong with a checkpoint, in words; None where it is whole.

        Raises:
          FileNotFoundError: it is gone.
        """
        prefix = os.path.join(self._directory, name)
        looks = _looks_of(prefix)
        if name not in self._known or self._known[name][0] != looks:
            problem = verification.problem(prefix)
            if problem is not None:
                _looks_of(prefix)  # raises where it was deleted meanwhile
            self._known[name] = looks, problem
        return self._known[name][1]

    def is_likely_whole(self, name: str) -> bool:
        """The same without reading the content of its files, as far as that was not read before."""
        prefix = os.path.join(self._directory, name)
        try:
            looks, problem = self._known.get(name, (None, None))
            if looks == _looks_of(prefix):
                return problem is None
            return verification.manifest_problem(prefix, sizes_only=True) is None
        except FileNotFoundError:
            return False


def _looks_of(prefix: str) -> object:
    """By which a change of a checkpoint's files is noticed.

    Raises:
      FileNotFoundError: none of the two that make it one is there.
    """
    looks = []
    for file in [*manifest.files(prefix), f"{prefix}{manifest.SUFFIX}"]:
        try:
            status = os.stat(file)
        except FileNotFoundError:
            continue
        looks.append((file, status.st_size, status.st_mtime_ns, status.st_ino))
    if not any(file.endswith((".index", manifest.SUFFIX)) for file, *_ in looks):
        raise FileNotFoundError(prefix)
    return tuple(looks)
