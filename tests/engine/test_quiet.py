"""Nothing that a library prints reaches the streams, and all of it reaches the log."""

import subprocess
import sys

SCRIPT = """
import ctypes, logging, os, subprocess, sys
from pathlib import Path
from optkit.engine.quiet import quiet
native = ctypes.CDLL(None)
handler = logging.StreamHandler()
print("before")
with quiet(Path(sys.argv[1])):
    print("python out"); print("python err", file=sys.stderr)
    os.write(1, b"descriptor out\\n"); os.write(2, b"descriptor err\\n")
    native.printf(b"native out\\n")
    handler.handle(logging.LogRecord("x", 30, "", 0, "handler made before", (), None))
    subprocess.run(["echo", "child out"], check=True)
print("after")
"""


def test_every_kind_of_print_goes_to_the_log(tmp_path):
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(log)], capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout == "before\nafter\n"
    assert done.stderr == ""
    assert sorted(log.read_text().splitlines()) == [
        "child out", "descriptor err", "descriptor out", "handler made before", "native out",
        "python err", "python out",
    ]  # fmt: skip
