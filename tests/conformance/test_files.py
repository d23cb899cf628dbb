from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conformance import files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    old = tmp_path / "results.jsonl"
    old.write_text("old")
    return old


@pytest.mark.parametrize(("target", "name"), [(os, "replace"), (os, "chmod"), (Path, "write_text")])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    path: Path, target: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(target, name, full)
        with pytest.raises(OSError, match="No space left"):
            files.write({path: "new"})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_a_link_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    """Replacing whatever is there would turn a device into a file."""
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    files.write({link: "new"})
    assert link.is_symlink()
    assert target.read_text() == "new"

    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write({pipe: "text"})
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_new_file_has_the_usual_permissions(path: Path) -> None:
    new = path.with_name("new")
    mask = os.umask(0o027)
    try:
        files.write({new: "text"})
    finally:
        os.umask(mask)
    assert new.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_replaced_keeps_its_permissions(path: Path) -> None:
    path.chmod(0o640)
    files.write({path: "new"})
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is protected from root")
def test_a_protected_file_is_not_replaced(path: Path) -> None:
    path.chmod(0o440)
    with pytest.raises(PermissionError):
        files.check_writable(path)


def test_what_no_encoding_has_is_written_as_an_escape(path: Path) -> None:
    files.write({path: "a \udcff"})
    assert path.read_text() == r"a \udcff"
