"""What hangs together: cut exactly, or left whole with the reason."""

from __future__ import annotations

import pytest
import torch
from cutting import assert_cut_is_exact, halved, structure_of, widths
from torch import Tensor, nn

from optkit.pruning import cost
from optkit.pruning.dependencies import analyse
from optkit.pruning.surgery import cut

IMAGE = (2, 3, 8, 8)


class Net(nn.Module):
    """Named layers and a function of them and the input."""

    def __init__(self, run, **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def conv(given: int, made: int, size: int = 3, **options) -> nn.Conv2d:
    return nn.Conv2d(given, made, size, padding=size // 2, **options)


def residual() -> Net:
    def run(net, x):
        x = torch.relu(net.norm(net.stem(x)))
        x = x + net.two(torch.relu(net.one(x)))
        return net.last(x.mean((2, 3)))

    return Net(run, stem=conv(3, 8), norm=nn.BatchNorm2d(8), one=conv(8, 12), two=conv(12, 8),
               last=nn.Linear(8, 5))  # fmt: skip


def flattened() -> Net:
    return Net(lambda net, x: net.last(torch.relu(net.stem(x)).flatten(1)),
               stem=conv(3, 8), last=nn.Linear(8 * 64, 5))  # fmt: skip


def concatenated() -> Net:
    def run(net, x):
        both = torch.cat([torch.relu(net.one(x)), net.two(x)], 1)
        return net.last(both.mean((2, 3)))

    return Net(run, one=conv(3, 6), two=conv(3, 10), last=nn.Linear(16, 5))


def split() -> Net:
    def run(net, x):
        one, two = net.stem(x).chunk(2, 1)
        return net.last((torch.sigmoid(one) * two).mean((2, 3)))

    return Net(run, stem=conv(3, 16), last=nn.Linear(8, 5))


def depthwise() -> Net:
    def run(net, x):
        return net.last(net.deep(torch.relu(net.stem(x))).relu().mean((2, 3)))

    return Net(run, stem=conv(3, 8), deep=conv(8, 16, groups=8), last=nn.Linear(16, 5))


def grouped() -> Net:
    def run(net, x):
        return net.last(net.wide(torch.relu(net.stem(x))).relu().mean((2, 3)))

    return Net(run, stem=conv(3, 16), wide=conv(16, 24, groups=4), last=nn.Linear(24, 5))


def transposed() -> Net:
    def run(net, x):
        return net.last(torch.relu(net.up(torch.relu(net.stem(x)))))

    return Net(run, stem=conv(3, 8), up=nn.ConvTranspose2d(8, 6, 2, 2), last=conv(6, 2))


def shuffled() -> Net:
    def run(net, x):
        return net.last(torch.nn.functional.pixel_shuffle(torch.relu(net.stem(x)), 2))

    return Net(run, stem=conv(3, 32), last=conv(8, 2))


def sliced() -> Net:
    def run(net, x):
        x = torch.relu(net.stem(x))
        return net.last(torch.cat([x[:, 6:], net.more(x[:, :6])], 1).mean((2, 3)))

    return Net(run, stem=conv(3, 16), more=conv(6, 4), last=nn.Linear(14, 5))


def squeezed() -> Net:
    """Squeeze and excitation: a gate per channel."""

    def run(net, x):
        x = torch.relu(net.stem(x))
        gate = torch.sigmoid(net.up(torch.relu(net.down(x.mean((2, 3), keepdim=True)))))
        return net.last((x * gate).mean((2, 3)))

    return Net(run, stem=conv(3, 8), down=conv(8, 4, 1), up=conv(4, 8, 1), last=nn.Linear(8, 5))


def channel_shuffled() -> Net:
    """Groups of channels dealt out to one another between two grouped convolutions."""

    def run(net, x):
        x = torch.relu(net.stem(x))
        n, c, h, w = x.shape
        x = net.one(x).view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)
        return net.last(torch.relu(net.two(x)).mean((2, 3)))

    return Net(run, stem=conv(3, 16), one=conv(16, 16, groups=4), two=conv(16, 16, groups=4),
               last=nn.Linear(16, 5))  # fmt: skip


EXACT = {
    residual: {"stem": (8, 1), "one": (12, 1)},
    flattened: {"stem": (8, 1)},
    concatenated: {"one": (6, 1), "two": (10, 1)},
    split: {"stem": (8, 2)},
    depthwise: {"stem": (8, 1)},
    grouped: {"stem": (4, 4)},
    transposed: {"stem": (8, 1), "up": (6, 1)},
    shuffled: {"stem": (8, 4)},
    sliced: {"stem": (6, 1), "stem#2": (10, 1), "more": (4, 1)},
    squeezed: {"stem": (8, 1), "down": (4, 1)},
}


@pytest.mark.parametrize("make", EXACT, ids=lambda make: make.__name__)
def test_a_cut_is_the_same_as_zeros(make):
    """Given weights coupled in one way or another; Result: the network with those set to zero."""
    x = torch.randn(IMAGE)
    structure = structure_of(make(), x)
    if make is shuffled:
        assert set(widths(structure)) == {"stem"}
        assert widths(structure)["stem"] == (8, 4)
    else:
        assert widths(structure) == EXACT[make]
    assert_cut_is_exact(structure, x)


class Attention(nn.Module):
    """Eight heads of four, query, key and value from one layer: (N, S, 32) -> (N, S, 32)."""

    def __init__(self, *, joined: bool, by_hand: bool) -> None:
        super().__init__()
        self.joined, self.by_hand = joined, by_hand
        self.qkv = nn.Linear(32, 96)
        self.parts = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))
        self.out = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        n, s, width = x.shape
        if self.joined:
            q, k, v = self.qkv(x).view(n, s, 3, 8, 4).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = (part(x).view(n, s, 8, 4).transpose(1, 2) for part in self.parts)
        if self.by_hand:
            mixed = (q @ k.transpose(-1, -2) * 0.5).softmax(-1) @ v
        else:
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).reshape(n, s, width))


@pytest.mark.parametrize("joined", [True, False], ids=["one_qkv", "three"])
@pytest.mark.parametrize("by_hand", [True, False], ids=["softmax", "sdpa"])
def test_heads_go_whole(joined, by_hand):
    """Given (N, S, 8 heads × 4); Result: fewer heads of 4, in query, key, value and output."""
    x = torch.randn(2, 5, 32)
    structure = structure_of(Attention(joined=joined, by_hand=by_hand), x)
    ((units, width),) = widths(structure).values()
    assert units == 8
    assert width == (12 if joined else 4)
    assert_cut_is_exact(structure, x)


def test_tied_weights_are_cut_alike_and_stay_tied():
    """Given one weight in two layers; Result: one smaller weight in two layers."""

    def run(net, x):
        return net.last(torch.relu(net.two(torch.relu(net.one(net.first(x))))))

    net = Net(run, first=nn.Linear(4, 8), one=nn.Linear(8, 8), two=nn.Linear(8, 8),
              last=nn.Linear(8, 3))  # fmt: skip
    net.two.weight = net.one.weight
    x = torch.randn(2, 4)
    structure = structure_of(net, x)
    small = cut(structure, halved(structure))
    shapes = [tuple(weight.shape) for weight in small.parameters() if weight.dim() == 2]
    assert shapes == [(4, 4), (4, 4), (3, 4)]
    assert small(x)[0].shape == (2, 3)


def test_channels_that_a_shuffle_ties_stay_or_go_together():
    """Given a channel shuffle between grouped layers; Result: never a broken network."""
    x = torch.randn(IMAGE)
    structure = structure_of(channel_shuffled(), x)
    names = {name for group in structure.groups for name in group.layers}
    assert names.isdisjoint({"one"}) or names >= {"one", "two"}
    if structure.groups:
        assert_cut_is_exact(structure, x)
    else:
        assert structure.left


def test_an_unknown_operation_keeps_what_it_reads():
    """Given channels that are sorted; Result: they stay, and the reason names the operation."""
    net = Net(lambda net, x: net.last(net.stem(x).mean((2, 3)).sort(1)[0]),
              stem=conv(3, 8), last=nn.Linear(8, 5))  # fmt: skip
    structure = structure_of(net, torch.randn(IMAGE))
    assert structure.groups == ()
    assert any("sort" in why for why in structure.left)


def test_outputs_and_inputs_keep_their_channels():
    """Given one layer between input and output; Result: nothing can go."""
    structure = structure_of(nn.Linear(6, 4), torch.randn(2, 6))
    assert structure.groups == ()
    assert structure.left == {"an output of the network": 4}


def test_written_sizes_follow():
    """Given sizes written out in a view and a layer_norm; Result: those of what is left."""

    def run(net, x):
        x = net.stem(x).view(2, 12, 64)
        x = torch.nn.functional.group_norm(x, 4)
        return net.last(torch.relu(x).reshape(2, 12 * 64))

    net = Net(run, stem=conv(3, 12), last=nn.Linear(12 * 64, 3))
    x = torch.randn(IMAGE)
    structure = structure_of(net, x)
    assert widths(structure) == {"stem": (4, 3)}
    small = cut(structure, halved(structure))
    assert small.stem.weight.shape[0] == 6
    assert small(x)[0].shape == (2, 3)


def test_multiply_adds_are_counted_as_torch_counts_them():
    """Given a cut network; Result: half of torch's FLOPs, before and after."""
    from torch.utils.flop_counter import FlopCounterMode

    for make in (residual, depthwise, grouped, transposed):
        x = torch.randn(IMAGE)
        structure = structure_of(make(), x)
        gone = halved(structure)
        for chosen, network in ((gone & False, structure.network), (gone, cut(structure, gone))):
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                network(x)
            assert (
                2 * cost.total(cost.multiply_adds(structure), chosen) == counter.get_total_flops()
            )


def test_what_is_cut_can_be_cut_again():
    x = torch.randn(IMAGE)
    structure = structure_of(residual(), x)
    again = analyse(cut(structure, halved(structure)), (x,))
    assert widths(again) == {"stem": (4, 1), "one": (6, 1)}
    assert_cut_is_exact(again, x)
