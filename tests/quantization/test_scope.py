"""Which operations an ignored scope names."""

import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.quantization.scope import scoped

GRAPH = {"body.0": "Conv", "body.1": "Conv", "head": "Gemm"}


@pytest.mark.parametrize(
    ("names", "patterns", "types", "expected"),
    [
        (("head",), (), (), {"head"}),
        ((), (r"body\.\d",), (), {"body.0", "body.1"}),
        ((), (), ("Gemm",), {"head"}),
        (("body.0",), (), ("Gemm",), {"body.0", "head"}),
        ((), (), (), set()),
    ],
)
def test_named(names, patterns, types, expected):
    assert scoped(GRAPH, names, patterns, types) == expected


@pytest.mark.parametrize("scope", [(("nose",), (), ()), ((), ("nose.*",), ()), ((), (), ("Nose",)),
                                   ((), ("(nose",), ())])  # fmt: skip
def test_what_is_not_there_is_refused(scope):
    with pytest.raises(OptkitError, match=r"(?i)nose") as caught:
        scoped(GRAPH, *scope)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "ignored_scope" in caught.value.hint
