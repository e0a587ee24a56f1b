"""Default bounds by precision."""

import pytest

from optkit.core.errors import OptkitError
from optkit.validate.bounds import default_cosine, fidelity
from optkit.validate.parity import OutputParity


def parity(cosine=1.0, verdict="compared", problem=None):
    return OutputParity("y", 0.1, 0.1, cosine, 30.0, verdict, problem, 10)


@pytest.mark.parametrize(
    ("precision", "bound"),
    [("fp32", 0.9999), ("fp16", 0.999), ("w8a16", 0.99), ("int8", 0.95), ("w4a16", 0.95)],
)
def test_bounds(precision, bound):
    assert default_cosine(precision) == bound
    assert fidelity([parity(bound)], precision)[0].held
    missed = fidelity([parity(bound - 1e-6)], precision)[0]
    assert not missed.held
    assert "below" in missed.reason


def test_a_problem_misses_whatever_the_cosine():
    check = fidelity([parity(1.0, problem="the result holds NaN")], "int8")[0]
    assert (check.held, check.reason) == (False, "the result holds NaN")
    assert not fidelity([parity(None)], "int8")[0].held


def test_unverified_outputs_are_passed_by_unless_all_are():
    constant = parity(verdict="unverified")
    assert [check.held for check in fidelity([constant, parity()], "fp32")] == [True]
    for parities in ([constant, constant], []):
        (check,) = fidelity(parities, "fp32")
        assert not check.held
        assert "no output could be verified" in check.reason


def test_an_unknown_precision_is_refused():
    with pytest.raises(OptkitError, match="fp8"):
        fidelity([], "fp8")
