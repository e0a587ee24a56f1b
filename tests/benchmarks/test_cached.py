"""Claims: a fully cached run takes at most 1/20 of the first and at most 2 s of the processor.

It imports neither torch nor nncf.
"""

import sys
import time

import pytest
from measuring import EXAMPLE, child_cpu, python

pytestmark = pytest.mark.bench

RUN = """
import json, sys
from optkit.cli.main import run_command
code = run_command(["run", sys.argv[1], "-o", sys.argv[2], "-q"])
print(json.dumps([code, [name for name in ("torch", "nncf") if name in sys.modules]]))
"""


def test_a_cached_run(table, tmp_path) -> None:
    store = {"OPTKIT_CACHE_DIR": str(tmp_path / "store")}
    arguments = str(EXAMPLE / "recipe.yaml"), str(tmp_path / "out")
    began = time.perf_counter()
    code, _ = python(RUN, *arguments, env=store)
    first = time.perf_counter() - began
    assert code == 0
    again = []
    for _ in range(5):
        began = time.perf_counter()
        code, loaded = python(RUN, *arguments, env=store)
        again.append(time.perf_counter() - began)
        assert code == 0
        assert loaded == []
    command = [sys.executable, "-m", "optkit", "run", *arguments[:1], "-o", arguments[1]]
    spent = [child_cpu(command, env=store) for _ in range(5)]
    table(
        "optkit run examples/01_digits, whole process (wall)",
        [("first (s)", first), ("cached, least of 5 (s)", min(again)),
         ("ratio (at most 0.05)", min(again) / first),
         ("processor time, user and system, most of 5 (s, at most 2)", max(spent)),
         ("least of 5 (s)", min(spent))],
    )  # fmt: skip
    assert min(again) <= first / 20
    assert max(spent) <= 2
