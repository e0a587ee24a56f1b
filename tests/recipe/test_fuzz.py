import random
import re

import yaml

from optkit.core.errors import OptkitError
from optkit.recipe.load import parse, problems

WRONG = [None, True, -1, 0, 3.5, "", "x", [], {}, [[]], {"x": {"y": 1}}, [None], "9" * 60, 10**29]
FAULTS = [
    "\t",
    ":",
    "{",
    "]",
    "'",
    '"',
    "&",
    "*",
    "!",
    "? ",
    "- ",
    "\n",
    "|",
    "%",
    "@",
    "\x00",
    "<<: ",
]


def places(data: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    return [path] * bool(path) + [p for key, value in inner for p in places(value, (*path, key))]


def mutate_data(data: dict[object, object], rng: random.Random) -> str:
    """A key or entry dropped, renamed, set to something else, or moved; order shuffled."""
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(places(data) or [("seed",)])
        holder = data
        for part in path[:-1]:
            holder = holder[part]  # type: ignore[index, assignment]
        match rng.choice(["drop", "rename", "wrong", "wrong", "move"]):
            case "drop":
                holder.pop(path[-1])  # type: ignore[call-overload]
            case "rename" if isinstance(holder, dict):
                key = str(path[-1])
                cut = rng.randrange(len(key))
                holder[key[:cut] + key[cut + 1 :]] = holder.pop(path[-1])
            case "move":
                data[rng.choice(["to", "gates", "passes", "data"])] = holder[path[-1]]
            case _:
                holder[path[-1]] = rng.choice(WRONG)
    entries = list(data.items())
    rng.shuffle(entries)
    return yaml.safe_dump(
        dict(entries), sort_keys=False, default_flow_style=rng.choice([None, True])
    )


def mutate_text(text: str, rng: random.Random) -> str:
    """Characters put in or cut out, lines doubled or swapped."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text))
        lines = text.splitlines(keepends=True)
        line = rng.randrange(len(lines))
        match rng.choice(["insert", "insert", "cut", "double", "swap", "end"]):
            case "insert":
                text = text[:at] + rng.choice(FAULTS) + text[at:]
            case "cut":
                text = text[:at] + text[at + rng.randint(1, 5) :]
            case "double":
                text = "".join(lines[: line + 1] + lines[line:])
            case "swap":
                rng.shuffle(lines)
                text = "".join(lines)
            case "end":
                text = text[: at + 1]
    return text


def refusal(text: str) -> OptkitError | None:
    try:
        parse(text, "name.yaml")
    except OptkitError as error:
        return error
    return None


def test_any_mutation_loads_or_is_refused_at_its_place(example: str) -> None:
    rng = random.Random(20)
    loaded = 0
    for index in range(200):
        base = yaml.safe_load(example)
        text = mutate_text(example, rng) if index % 2 else mutate_data(base, rng)
        error = refusal(text)
        if error is None:
            loaded += 1
            assert not problems(text)
            continue
        assert error.exit_code == 2, text
        place = re.match(r"name\.yaml:(\d+):\d+: \S", error.message)
        assert place, error.message
        assert 1 <= int(place[1]) <= text.count("\n") + 1, (error.message, text)
        assert error.hint, error.message
        assert "\n" not in error.message + error.hint, error.message
        assert not re.search("pydantic|https?:|Input should", error.message), error.message
    assert 5 < loaded < 150
