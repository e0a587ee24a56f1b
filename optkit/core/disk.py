"""A disk that filled up, noticed and told."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from optkit.core.errors import OptkitError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException, place: Path) -> bool:
    """Whether a failure comes of a full disk; native libraries do not say so."""
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return True
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free < 2**20


def disk_full(doing: str, place: Path) -> OptkitError:
    """The error for a disk that filled up."""
    return OptkitError(
        f"no space left on the disk of {place} ({doing})",
        "free some space (optkit cache prune), or set OPTKIT_CACHE_DIR to another disk",
    )
