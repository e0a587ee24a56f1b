"""Staging folders: there while the block runs, swept when their owner was killed."""

import signal
import subprocess
import sys

import pytest

from optkit.core.staging import staging_folder

HOLD = """
import sys, time
from pathlib import Path
from optkit.core.staging import staging_folder
with staging_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""
CHURN = """
import sys
from pathlib import Path
from optkit.core.staging import staging_folder
for _ in range(300):
    with staging_folder(Path(sys.argv[1])) as folder:
        (folder / "file").write_text("x")
        (folder / "file").read_text()
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)],
                            stdout=subprocess.PIPE, text=True)  # fmt: skip


def test_it_is_gone_after_the_block_and_after_an_error(tmp_path):
    with staging_folder(tmp_path / "a" / "b") as folder:
        assert list(folder.iterdir()) == []

    def fail():
        with staging_folder(tmp_path / "a" / "b") as folder:
            (folder / "file").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_a_living_ones_stays(tmp_path):
    child = start(HOLD, tmp_path)
    left = child.stdout.readline().strip()
    with staging_folder(tmp_path) as mine:
        assert {str(path) for path in tmp_path.iterdir()} == {left, str(mine)}
    child.send_signal(signal.SIGKILL)
    child.wait()
    with staging_folder(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]


def test_a_prefix_spares_everything_else(tmp_path):
    (tmp_path / "users").mkdir()
    (tmp_path / ".out.work-old").mkdir()
    with staging_folder(tmp_path, ".out.work-") as mine:
        assert {path.name for path in tmp_path.iterdir()} == {"users", mine.name}
    assert [path.name for path in tmp_path.iterdir()] == ["users"]


def test_processes_do_not_sweep_each_others(tmp_path):
    children = [start(CHURN, tmp_path) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []
