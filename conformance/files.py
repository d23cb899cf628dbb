"""Files that are replaced in one step: what was there stays as it is until the new one is complete."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write(texts: Mapping[Path, str]) -> None:
    """Replace files that belong together: none of them before all are written beside their places.

    A link stays a link, and a device or a pipe is written to, never replaced.

    Raises:
        OSError: one of them is a folder, or cannot be written; then all are as they were.
    """
    for path in texts:
        _refuse_folder(path)
    written: dict[str, Path] = {}
    try:
        for path, text in texts.items():
            if path.exists() and not path.is_file():
                path.write_text(text, encoding="utf-8", errors="backslashreplace")
                continue
            beside = _file_beside(path)
            written[beside] = Path(os.path.realpath(path))
            Path(beside).write_text(text, encoding="utf-8", errors="backslashreplace")
            os.chmod(beside, _mode(path))
        for beside in list(written):
            os.replace(beside, written[beside])
            del written[beside]
    finally:
        for beside in written:
            os.unlink(beside)


def check_writable(path: Path) -> None:
    """Find out before the work whether ``write`` will be able to.

    Raises:
        OSError: it is a folder or write-protected, or its folder takes no file.
    """
    _refuse_folder(path)
    if path.is_file() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if path.is_file() or not path.exists():
        os.unlink(_file_beside(path))


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _file_beside(path: Path) -> str:
    """A new file in the folder of another, which it can replace in one step."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.realpath(path)), suffix=".tmp", delete=False) as file:
        return file.name


def _mode(path: Path) -> int:
    """The permissions of the file that is replaced, or those of a new one."""
    if path.is_file():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
