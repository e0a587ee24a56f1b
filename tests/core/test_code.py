"""The code digest changes with every line that a step may run, and with no other."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import optkit
from optkit.core import code
from optkit.core.code import _imports, _scan, code_digest, own_code


@pytest.fixture
def project(tmp_path):
    """A package that imports in every way, and a file beside it."""
    files = {
        "pack/__init__.py": "X = 1\n",
        "pack/step.py": "import pack.by_name, os\nfrom . import beside\nfrom pack import (\n"
        "    listed as other,  # not (this)\n)\n"
        "def run():\n    from .deep.down import thing\n    if 1: import helper; import pack.late\n",
        "pack/by_name.py": "from \\\n    pack.carried \\\n    import x\n",
        "pack/beside.py": "",
        "pack/listed.py": "",
        "pack/late.py": "",
        "pack/carried.py": "x = 1\n",
        "pack/deep/__init__.py": "",
        "pack/deep/down.py": "from ..above import y as thing\n",
        "pack/above.py": "y = 1\n",
        "pack/unused.py": "",
        "helper.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def fresh(module, root):
    """As a new process would see it."""
    code_digest.cache_clear()
    _scan.cache_clear()
    return code_digest(module, root)


def test_every_file_behind_a_module_counts(project):
    before = fresh("pack.step", project)
    assert fresh("pack.step", project) == before
    for path in sorted(project.rglob("*.py")):
        text = path.read_text()
        path.write_text(text + "\nZ = 3\n")
        assert (fresh("pack.step", project) == before) == (path.name == "unused.py"), path.name
        path.write_text(text)
    assert fresh("pack.step", project) == before


def test_a_pass_reaches_its_formats_and_not_the_other_passes():
    files = _files("optkit.passes.quantize_int8")
    assert {"optkit.passes.quantize_int8", "optkit.formats.ir", "optkit.formats.onnx",
            "optkit.core.contract"} <= files  # fmt: skip
    assert not {name for name in files if name.startswith("optkit.passes.")} - {
        "optkit.passes.quantize_int8"
    }
    assert not any(name.startswith(("optkit.engine", "optkit.cli", "optkit.console"))
                   for name in files)  # fmt: skip


def _files(module):
    """The modules that a digest covers."""
    seen = set()
    found = _scan.__wrapped__

    def spy(path, name):
        seen.add(name)
        return found(path, name)

    original, code._scan = code._scan, spy
    try:
        code_digest.__wrapped__(module)
    finally:
        code._scan = original
    return seen


def test_of_what_is_installed_its_own_package_counts_and_optkit(tmp_path):
    """A pass of another distribution, in a site-packages folder."""
    place = tmp_path / "site-packages"
    (place / "theirs").mkdir(parents=True)
    (place / "theirs" / "__init__.py").write_text("")
    (place / "theirs" / "step.py").write_text("import stranger\nfrom optkit.formats import onnx\n")
    (place / "stranger.py").write_text("")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from optkit.core.code import own_code;"
        "print(own_code('theirs.step'))"
    )

    def digest():
        return subprocess.run([sys.executable, "-c", script, str(place)], check=True,
                              capture_output=True, text=True).stdout  # fmt: skip

    before = digest()
    (place / "stranger.py").write_text("Z = 3\n")
    assert digest() == before
    (place / "theirs" / "__init__.py").write_text("Z = 3\n")
    changed = digest()
    assert changed != before
    (place / "theirs" / "step.py").write_text("import stranger\n")
    assert digest() not in {before, changed}


def test_code_that_cannot_be_read_is_never_the_same():
    code_digest.cache_clear()
    first = own_code("no_such_module")
    code_digest.cache_clear()
    assert own_code("no_such_module") != first


@pytest.mark.parametrize("package", [optkit, np, ast])
def test_no_import_statement_is_missed(package):
    """Held against Python's own parser, over real sources."""
    name, folder = package.__name__, Path(package.__file__).parent
    paths = sorted(folder.glob("*.py") if package is ast else folder.rglob("*.py"))[:300]
    for path in paths:
        source = path.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        found = set(_imports(source, f"{name}.sub.pack"))
        assert set(_parsed(tree, f"{name}.sub.pack")) <= found, path


def _parsed(tree, package):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([
                *(above if node.level else []),
                *([node.module] if node.module else []),
            ])
            yield from (f"{base}.{alias.name}" for alias in node.names)
