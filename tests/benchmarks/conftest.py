"""How the performance claims are shown."""

from collections.abc import Callable

import pytest


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Callable[[str, list[tuple[str, object]]], None]:
    """Prints a titled table past pytest's capture."""

    def show(title: str, rows: list[tuple[str, object]]) -> None:
        with capsys.disabled():
            print(f"\n\n{title}")
            for name, value in rows:
                text = f"{value:.3f}" if isinstance(value, float) else str(value)
                print(f"  {name:<52}{text:>12}")

    return show
