"""The documents' commands do what the documents show."""

from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, consoles, play, shape


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_documents_commands(document: Path) -> None:
    shown = consoles(document.read_text(encoding="utf-8"))
    assert shown, "no console in it"
    for expected, found in zip(shown, play(document), strict=True):
        assert shape(found) == shape(expected), f"python {Path('tests/documents.py')} rewrites it"
