"""Tensors of a graph: which are trained, and that none is taken for another."""

from __future__ import annotations

import torch
from cutting import graph_of
from torch import nn

from optkit.pruning.weights import put, trainable, values


def alike(count: int) -> nn.Sequential:
    """Layers whose tensors have the same shapes, so that freed memory is used again."""
    return nn.Sequential(*(nn.Linear(8, 8) for _ in range(count)))


def test_every_weight_is_trained_once_and_by_itself():
    """Given twelve layers of one shape; Result: 24 parameters in order, each its own."""
    network = alike(12)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    graph = graph_of(network, torch.randn(2, 8))
    for _ in range(3):
        tensors = trainable(graph)
        assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors) == 24
        assert [tuple(tensor.shape) for tensor in tensors] == [(8, 8), (8,)] * 12
    for name, tensor in values(graph).items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_tied_weights_stay_one():
    network = alike(3)
    network[2].weight = network[0].weight
    graph = graph_of(network, torch.randn(2, 8))
    assert len(trainable(graph)) == 5


def test_statistics_are_not_trained():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    graph = graph_of(network, torch.randn(2, 3, 8, 8))
    assert len(trainable(graph)) == 4
    found = values(graph)
    assert "1.running_mean" in found
    put(graph, {name: torch.ones_like(tensor) for name, tensor in found.items()})
    assert all((tensor == 1).all() for tensor in values(graph).values())
