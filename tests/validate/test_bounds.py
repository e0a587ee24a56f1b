"""Default bounds by precision."""

import pytest

from optkit.core.errors import OptkitError
from optkit.validate.bounds import default_cosine


@pytest.mark.parametrize(
    ("precision", "bound"),
    [("fp32", 0.9999), ("fp16", 0.999), ("w8a16", 0.99), ("int8", 0.95), ("w4a16", 0.95)],
)
def test_bounds(precision: str, bound: float) -> None:
    assert default_cosine(precision) == bound


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(OptkitError, match="fp8"):
        default_cosine("fp8")
