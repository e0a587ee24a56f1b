"""What goes: counts, rounding, and the bounds that are to be kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cutting import graph_of, structure_of
from torch import nn

from optkit.core.errors import OptkitError
from optkit.pruning import cost, criteria
from optkit.pruning.choosing import over_all, per_layer, rounded
from optkit.pruning.deciding import allowed, decide
from optkit.pruning.dependencies import analyse
from optkit.pruning.structure import Group


def group(count: int, width: int = 1, first: int = 0) -> Group:
    return Group("g", ("g",), np.arange(first, first + count), width)


def convs(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for given, made in zip((3, *channels), (*channels, 4), strict=True):
        layers += [
            nn.Conv2d(given, made, 3, padding=1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


X = torch.randn(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("kept", "count", "width", "round_to", "expected"),
    [(9, 32, 1, 8, 8), (12, 32, 1, 8, 16), (1, 32, 1, 8, 8), (3, 6, 1, 8, 6), (20, 20, 1, 16, 20),
     (5, 12, 64, 8, 5), (3, 16, 4, 8, 4)],
)  # fmt: skip
def test_kept_channels_are_rounded(kept, count, width, round_to, expected):
    assert rounded(kept, group(count, width), round_to) == expected


@pytest.mark.parametrize("ratio", [0.01, 0.5, 0.999999])
def test_no_layer_is_emptied(ratio):
    groups = [group(5), Group("h", ("h",), np.arange(5, 9), 1)]
    importance = np.arange(9.0)
    for gone in (per_layer(groups, importance, {"g": ratio, "h": ratio}, 1),
                 over_all(groups, importance, ratio, 1)):  # fmt: skip
        assert all((~gone[one.units]).sum() >= 1 for one in groups)


def test_the_least_important_go_first():
    importance = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.0])
    gone = per_layer([group(6)], importance, {"g": 0.5}, 1)
    assert gone.tolist() == [False, True, False, True, False, True]


@pytest.mark.parametrize("scope", ["per_layer", "global"])
@pytest.mark.parametrize("bound", [{"flops": 0.5}, {"flops": 0.2}, {"parameters": 0.4}])
def test_a_bound_is_kept_and_not_by_far(scope, bound):
    structure = structure_of(convs(32, 64, 48), X)
    found = decide(structure, structure.groups, criteria.magnitude(structure), scope=scope,
                   round_to=1, **bound)  # fmt: skip
    ((word, most),) = bound.items()
    terms = (cost.multiply_adds if word == "flops" else cost.parameters)(structure)
    share = cost.total(terms, found.gone) / cost.total(terms, found.gone & False)
    assert most - 0.06 <= share <= most


def test_a_bound_out_of_reach_is_refused_with_the_least():
    structure = structure_of(convs(32, 64), X)
    with pytest.raises(OptkitError, match=r"flops: 0.001 cannot be reached.*is left"):
        decide(structure, structure.groups, criteria.magnitude(structure), scope="per_layer",
               round_to=8, flops=0.001)  # fmt: skip


def test_an_ignored_scope_keeps_all_that_hangs_together():
    structure = structure_of(convs(8, 16), X)
    assert [one.name for one in allowed(structure, names=["0"])] == ["3"]
    assert [one.name for one in allowed(structure, names=["4"])] == ["0"]
    assert allowed(structure, types=["conv2d"]) == ()
    for wrong in ({"names": ["convolution"]}, {"patterns": ["x{9}"]}, {"types": ["Conv"]}):
        with pytest.raises(OptkitError, match="ignored_scope"):
            allowed(structure, **wrong)


def test_folding_batchnorm_changes_no_ranking():
    """Given Conv → BatchNorm; Result: the magnitude of the folded Conv."""
    network = convs(8, 16)
    structure = structure_of(network, X)
    folded = nn.Sequential(*(
        nn.utils.fusion.fuse_conv_bn_eval(network[at], network[at + 1])
        if isinstance(network[at], nn.Conv2d) else network[at]
        for at in range(len(network)) if not isinstance(network[at], nn.BatchNorm2d)
    ))  # fmt: skip
    again = criteria.magnitude(analyse(graph_of(folded, X), (X,)))
    np.testing.assert_allclose(criteria.magnitude(structure), again, rtol=1e-5)


def test_taylor_finds_the_channel_that_does_nothing():
    network = convs(8)
    structure = structure_of(network, X)
    with torch.no_grad():
        structure.network.get_parameter("3.weight")[:, 5] = 0
    scores = criteria.taylor(structure, [(torch.randn(4, 3, 8, 8),)],
                             lambda out, _: out[0].square().sum())  # fmt: skip
    assert scores.argmin() == 5
    assert not any(tensor.grad is not None for tensor in structure.network.parameters())


def test_batchnorm_scale_is_gamma():
    structure = structure_of(convs(8), X)
    gamma = structure.network.get_parameter("1.weight").detach().abs().numpy()
    np.testing.assert_allclose(criteria.batchnorm_scale(structure), gamma)
