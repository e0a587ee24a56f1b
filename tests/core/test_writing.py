"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from optkit.core.errors import OptkitError
from optkit.core.writing import append_text, write_text


def test_what_was_there_stays_until_the_new_is_whole(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def fail(self, *_args, **_more):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OptkitError, match=r"a\.txt: No space left on device"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_mode_and_links_are_kept(tmp_path):
    file, link = tmp_path / "a.txt", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_text(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_that_others_have(tmp_path):
    write_text(tmp_path / "new", "")
    (tmp_path / "other").write_text("")
    modes = [(tmp_path / name).stat().st_mode for name in ("new", "other")]
    assert modes[0] == modes[1]


def test_a_device_is_written_to_as_it_is():
    write_text(Path(os.devnull), "gone")
    assert not Path(os.devnull).is_file()


def test_text_is_added_to_what_is_there(tmp_path):
    for part in ("a\n", "b\n"):
        append_text(tmp_path / "f", part)
    assert (tmp_path / "f").read_text() == "a\nb\n"


def test_what_cannot_be_written_is_bad_input(tmp_path):
    (tmp_path / "folder").mkdir()
    for write in (write_text, append_text):
        with pytest.raises(OptkitError, match="folder: Is a directory"):
            write(tmp_path / "folder", "x")
