"""How long ago this process began."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Mapping

SET_UP = "TRAINER_SET_UP"
"""Of the environment, where a script has installed what it needs and then became this process: the process's number,
and the seconds since the boot at which it had."""


def secs(environ: Mapping[str, str] | None = None) -> float:
    """Seconds since the process was started or forked, as Linux has them; 0.0 on systems that do not say.

    Args:
      environ: of the process; what its script took to install is left out.
    """
    try:
        # The name of the program, in brackets, may have blanks; the 22nd field is the start, in ticks after the boot.
        fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        number, _, at = (environ or {}).get(SET_UP, "").partition(" ")
        if number == str(os.getpid()):
            started = max(started, float(at))
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - started, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
