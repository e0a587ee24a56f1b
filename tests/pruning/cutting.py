"""Shared by the tests of pruning: networks as graphs, and what a cut has to equal."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from optkit.core.signature import Signature, TensorSpec
from optkit.pruning.choosing import per_layer
from optkit.pruning.criteria import magnitude
from optkit.pruning.dependencies import analyse
from optkit.pruning.graph import tensor_at
from optkit.pruning.network import rebuild
from optkit.pruning.structure import Structure
from optkit.pruning.surgery import cut


def graph_of(network: nn.Module, *inputs: torch.Tensor) -> torch.fx.GraphModule:
    """A network as torch.export sees it."""
    arrays = {f"x{at}": given.numpy() for at, given in enumerate(inputs)}
    specs = tuple(TensorSpec(name, x.shape, str(x.dtype)) for name, x in arrays.items())
    program = torch.export.export(network.eval(), inputs)
    return rebuild(program, Signature(specs, (TensorSpec("output"),)), arrays).graph


def structure_of(network: nn.Module, *inputs: torch.Tensor) -> Structure:
    """What can be taken out of a network."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    return analyse(graph_of(network, *inputs), inputs)


def halved(structure: Structure, ratio: float = 0.5) -> np.ndarray:
    """The less important half of every group."""
    ratios = {group.name: ratio for group in structure.groups}
    return per_layer(structure.groups, magnitude(structure), ratios, 1)


def assert_cut_is_exact(structure: Structure, *inputs: torch.Tensor) -> torch.fx.GraphModule:
    """Cutting gives what the whole network does with the same weights set to zero."""
    gone = halved(structure)
    assert gone.any()
    small, whole = cut(structure, gone), copy.deepcopy(structure.network)
    for weight in structure.weights.values():
        for name in weight.names:
            if name.endswith("running_var"):
                continue
            for at, units in enumerate(weight.units):
                if units is not None:
                    out = torch.from_numpy((units >= 0) & gone[units])
                    tensor_at(whole, name).data[(slice(None),) * at + (out,)] = 0
    with torch.no_grad():
        (want,), (got,) = whole(*inputs), small(*inputs)
    assert want.shape == got.shape
    assert float(want.std()) > 0
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    return small


def widths(structure: Structure) -> dict[str, tuple[int, int]]:
    """By group: its units and the channels of each."""
    return {group.name: (len(group.units), group.width) for group in structure.groups}
