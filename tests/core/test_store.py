"""The store: what is found is what was kept; it is shared, bounded, and survives its users."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.core.store import DEFAULT_LIMIT, Store, default_limit, default_root, parse_size

BUILD = """
import sys, time
from pathlib import Path
from optkit.core.store import Store
with Store(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(20):
        key = f"{number:064x}"
        with store.staging() as folder:
            output = folder / "output"
            output.mkdir()
            (output / "model").write_bytes(bytes([number]) * 100_000)
            entry = store.keep(key, output, {"by": sys.argv[2]})
        assert (entry.folder / "model").read_bytes() == bytes([number]) * 100_000
        assert store.find(key) == entry
"""
HOLD = """
import sys
from pathlib import Path
from optkit.core.store import Store
with Store(Path(sys.argv[1])) as store:
    print(store.find(sys.argv[2]).folder, flush=True)
    sys.stdin.readline()
"""


def key(number):
    return f"{number:064x}"


def keep(store, number, size=1000, **record):
    with store.staging() as folder:
        (folder / "output" / "sub").mkdir(parents=True)
        (folder / "output" / "model").write_bytes(b"m" * size)
        (folder / "output" / "sub" / "data").write_bytes(b"d")
        return store.keep(key(number), folder / "output", {"number": number, **record})


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def reopened(root, number):
    with Store(root) as store:
        return store.find(key(number))


def test_a_step_is_found_as_it_was_kept(root):
    with Store(root) as store:
        assert store.find(key(1)) is None
        kept = keep(store, 1, reason=None, details={"shape": (1, 2)})
        assert store.find(key(1)) is kept
    found = reopened(root, 1)
    assert found == kept
    assert found.record == {"number": 1, "reason": None, "details": {"shape": [1, 2]}}
    assert (found.folder / "sub" / "data").read_bytes() == b"d"
    assert set(found.digests) == {"model", "sub/data"}
    assert list((root / "v2" / "staging").iterdir()) == []


def _truncate(folder):
    (folder / "model").write_bytes(b"m" * 500)


def _flip(folder):
    at = (folder / "model").stat()
    (folder / "model").write_bytes(b"m" * 999 + b"x")
    os.utime(folder / "model", ns=(at.st_atime_ns, at.st_mtime_ns))


def _delete(folder):
    (folder / "sub" / "data").unlink()


def _no_record(folder):
    (folder / "record.json").unlink()


def _half_a_record(folder):
    text = (folder / "record.json").read_text()
    (folder / "record.json").write_text(text[: len(text) // 2])


def _other_json(folder):
    (folder / "record.json").write_text("[1]")


@pytest.mark.parametrize(
    "damage", [_truncate, _flip, _delete, _no_record, _half_a_record, _other_json]
)
def test_a_damaged_step_is_not_answered_and_gets_replaced(root, damage):
    with Store(root) as store:
        folder = keep(store, 1).folder
    damage(folder)
    assert reopened(root, 1) is None
    with Store(root) as store:
        assert keep(store, 1).folder == folder
    assert (reopened(root, 1).folder / "model").read_bytes() == b"m" * 1000


def test_a_damaged_step_is_counted_and_cleared(root):
    with Store(root) as store:
        _no_record(keep(store, 1).folder)
        assert [size for _, size, _ in store.entries()] == [1001]
    assert Store(root).clear() == 1001
    assert Store(root).entries() == []


def test_of_two_equal_steps_the_first_stays(root):
    with Store(root) as one, Store(root) as two:
        first = keep(one, 1, by="one")
        assert keep(two, 1, by="two").record == {"number": 1, "by": "one"}
        assert first.folder.is_dir()


def test_processes_build_the_same_steps_at_once(root):
    children = [start(BUILD, root, name) for name in "abc"]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(Store(root).entries()) == 20
    assert list((root / "v2" / "staging").iterdir()) == []


def test_facts(root):
    with Store(root) as store:
        calls = []

        def compute():
            calls.append(1)
            return {"p50": 0.25, "rows": [1, None]}

        assert store.fact(["a"], compute) == store.fact(["a"], compute) == compute()
        assert len(calls) == 2
        store.fact(["a"], compute, again=True)
        store.fact(["b"], compute)
        assert len(calls) == 4


def test_a_damaged_fact_is_not_answered(root):
    with Store(root) as store:
        store.remember("00", {"p50": 0.25})
        (path,) = (root / "v2" / "facts").rglob("*.json")
        for damaged in (path.read_text().replace("0.25", "0.26"), "", "{", "3", '{"value": 1}'):
            path.write_text(damaged)
            assert store.recall("00") is None
        store.remember("00", {"p50": 0.5})
        assert store.recall("00") == {"p50": 0.5}


def test_the_least_recently_used_go_first(root):
    with Store(root) as store:
        for number in (1, 2, 3):
            keep(store, number)
    with Store(root) as store:
        store.find(key(1))
    size = sum(size for _, size, _ in Store(root).entries())
    freed = Store(root).prune(size - 1)
    assert freed == size // 3
    assert [reopened(root, number) is not None for number in (1, 2, 3)] == [True, False, True]


def test_what_a_run_uses_is_spared(root):
    with Store(root) as store:
        keep(store, 1)
        keep(store, 2)
        assert store.clear() == 0  # its own are in use too
    child = start(HOLD, root, key(1))
    folder = child.stdout.readline().strip()
    assert Store(root).clear() > 0
    assert list(Path(folder).iterdir())
    assert reopened(root, 2) is None
    child.communicate("\n")
    assert child.returncode == 0
    Store(root).clear()
    assert reopened(root, 1) is None


def test_a_killed_runs_lock_dies_with_it(root):
    with Store(root) as store:
        keep(store, 1)
    child = start(HOLD, root, key(1))
    child.stdout.readline()
    child.kill()
    child.wait()
    assert Store(root).clear() > 0


def test_it_is_bounded_when_a_run_ends(root, monkeypatch):
    monkeypatch.setenv("OPTKIT_CACHE_SIZE", "5k")
    for number in range(6):
        with Store(root) as store:
            keep(store, number)
            store.remember(key(number), number)
    assert 3000 < sum(size for _, size, _ in Store(root).entries()) <= 5000
    assert reopened(root, 5) is not None
    assert reopened(root, 0) is None


def test_a_failed_run_is_bounded_too(root):
    def fail():
        with Store(root, limit=0) as store:
            keep(store, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Store(root).entries() == []


@pytest.mark.parametrize(
    ("text", "size"),
    [("5G", 5 * 10**9), ("1.5 gb", 1_500_000_000), ("500M", 500 * 10**6), ("2t", 2 * 10**12),
     ("10k", 10_000), ("7", 7), ("0", 0)],
)  # fmt: skip
def test_sizes(text, size, monkeypatch):
    assert parse_size(text) == size
    monkeypatch.setenv("OPTKIT_CACHE_SIZE", text)
    assert Store(default_root()).limit == size


@pytest.mark.parametrize("text", ["five", "-1G", "5X", "G", "1e9"])
def test_no_sizes(text, monkeypatch):
    monkeypatch.setenv("OPTKIT_CACHE_SIZE", text)
    with pytest.raises(OptkitError, match="is no size") as caught:
        default_limit()
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_defaults(monkeypatch, tmp_path):
    monkeypatch.delenv("OPTKIT_CACHE_SIZE", raising=False)
    assert default_limit() == DEFAULT_LIMIT
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("OPTKIT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "optkit"


@pytest.mark.parametrize("place", ["file", "/proc/optkit"])
def test_a_folder_that_cannot_be_written_is_bad_input(place, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(OptkitError, match="cannot write to the store") as caught,
        Store(tmp_path / place),
    ):
        pass
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "OPTKIT_CACHE_DIR" in caught.value.hint


def test_what_a_killed_step_left_is_counted_pruned_and_dropped_when_it_is_done(root):
    with Store(root) as store:
        place = store.unfinished(key(1))
        assert not place.exists()
        place.mkdir(parents=True)
        (place / "checkpoint").write_bytes(bytes(1000))
        assert [path for path, _, _ in store.entries()] == [place]
        store.finish(key(1))
        assert not place.exists()
        place.mkdir(parents=True)
        (place / "checkpoint").write_bytes(bytes(1000))
        assert store.prune(0) == 1000
        assert not place.exists()
