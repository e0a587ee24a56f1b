import math

import pytest

from optkit.core.errors import OptkitError
from optkit.recipe.gates import Bound, parse_gate


def test_the_form_of_the_command_line() -> None:
    assert parse_gate("accuracy_drop<=0.01") == ("accuracy_drop", Bound(max=0.01))
    assert parse_gate(" speedup >= 1.5 ") == ("speedup", Bound(min=1.5))
    assert parse_gate("max_abs<=1e-3") == ("max_abs", Bound(max=0.001))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("speedup=1", "cannot read the gate 'speedup=1'", "write it as "),
        ("speedup>1", "cannot read the gate 'speedup>1'", "write it as "),
        ("", "cannot read the gate ''", "write it as "),
        ("speedup>=fast", "the gate 'speedup>=fast' has no number after >=", "write it as "),
        ("speedup>=nan", "the gate 'speedup>=nan' has no number after >=", "write it as "),
        ("acuracy_drop<=1", "unknown gate 'acuracy_drop'", "did you mean 'accuracy_drop'?"),
    ],
)
def test_what_cannot_be_read(text: str, message: str, hint: str) -> None:
    with pytest.raises(OptkitError) as caught:
        parse_gate(text)
    assert caught.value.exit_code == 2
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_a_bound_holds_at_its_ends_and_never_for_nan() -> None:
    bound = Bound(min=1.0, max=2.0)
    assert [bound.holds(value) for value in (0.99, 1.0, 2.0, 2.01, math.nan)] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert str(bound) == ">= 1 and <= 2"
    assert str(Bound(max=0.01)) == "<= 0.01"
    assert not Bound(max=0.01).holds(math.nan)
