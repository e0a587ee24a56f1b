"""Settings on the command line: several values by comma, every combination of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from optkit.core.errors import bad_input


def words(text: str) -> list[str]:
    """The parts between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def choices(compare: str | None, given: Mapping[str, str | None]) -> dict[str, Any]:
    """The values of each setting: those of a usual comparison, and those that the user names.

    Raises:
        OptkitError: no such comparison or word, or no count (bad input).
    """
    from optkit.core.settings import Api, Hint, InferPrecision, Mode
    from optkit.engine.bench import comparisons

    known = comparisons()
    if compare is not None and compare not in known:
        raise bad_input(f"--compare: there is no table '{compare}'", f"one of {', '.join(known)}")
    lists = {"hint": Hint, "api": Api, "infer_precision": InferPrecision, "mode": Mode}
    found: dict[str, Any] = dict(known[compare]) if compare else {}
    for name, text in given.items():
        if text is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        found[name] = [_value(flag, word, lists.get(name)) for word in words(text)]
        if not found[name]:
            raise bad_input(f"{flag}: no value given", f"write {flag} with values, by comma")
    return found


def _value(flag: str, word: str, kind: Any) -> str | int:
    if kind is not None:
        if word not in get_args(kind):
            raise bad_input(f"{flag}: there is no '{word}'", f"one of {', '.join(get_args(kind))}")
        return word
    if not word.isdigit() or int(word) < 1:
        raise bad_input(f"{flag}: '{word}' is no count", "write whole numbers from 1, by comma")
    return int(word)
