"""How long ago this process began."""

from __future__ import annotations

import os
import pathlib
import time


def secs() -> float:
    """Seconds since the process was started or forked, as Linux has them; 0.0 on systems that do not say."""
    try:
        # The name of the program, in brackets, may have blanks; the 22nd field is the start, in ticks after the boot.
        fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - started, 0.0)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
