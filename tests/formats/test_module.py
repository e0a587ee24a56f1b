import os
import pickle
import zipfile

import models
import pytest
import torch
from torch import nn

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Signature
from optkit.formats import module
from optkit.graphs.pickles import pickled_classes

FACTORY = "models:ConvNet"


class Harm:
    """Touches a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def weights(path, **options):
    return models.artifact("module", path, **({"factory": FACTORY, "trusted": True} | options))


@pytest.mark.parametrize("write", [models.state_dict, models.safetensors_file])
def test_a_factory_and_weights_give_the_network(write, tmp_path):
    artifact = weights(write(models.ConvNet, tmp_path / "weights"))
    (x,) = models.example(models.ConvNet)
    network = module.load(artifact)
    assert not network.training
    torch.testing.assert_close(network(x), models.build(models.ConvNet)(x), rtol=0, atol=0)
    assert [str(spec) for spec in artifact.signature.inputs] == ["image=unknown:unknown"]
    assert module.implied(artifact) == {"image": "image=1,3,224,224:float32"}


def test_counts(tmp_path):
    path = models.state_dict(models.ConvNet, tmp_path / "weights.pt")
    found = module.summary(weights(path))
    assert found.operations == {"Conv2d": 1, "BatchNorm2d": 1, "Linear": 1}
    assert found.parameters == 4 * 27 + 8 + 4 * 5 + 5
    assert found.precision == {"fp32": 2}
    bare = weights(path, factory=None)
    assert bare.signature == Signature()
    assert module.summary(bare).parameters == found.parameters


def test_weights_of_another_network_name_the_first_keys(tmp_path):
    path = models.state_dict(models.TwoInputs, tmp_path / "weights.pt")
    with pytest.raises(OptkitError, match=r"missing conv\.weight.*unexpected first\.") as caught:
        weights(path)
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_a_checkpoint_around_the_weights_is_named(tmp_path):
    torch.save({"epoch": 3, "net": models.build(models.ConvNet).state_dict()}, tmp_path / "a.pt")
    with pytest.raises(OptkitError, match="it holds epoch, net"):
        weights(tmp_path / "a.pt")


def test_truncated_weights_are_bad_input(tmp_path):
    path = models.state_dict(models.ConvNet, tmp_path / "old.pt", zipped=False)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(OptkitError, match=r"cannot read 'old\.pt'") as caught:
        weights(path)
    assert caught.value.exit_code is Exit.BAD_INPUT


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_network_runs_under_trust_alone(zipped, tmp_path):
    path = models.pickled(models.ConvNet, tmp_path / "network.pt", zipped=zipped)
    assert "models.ConvNet" in pickled_classes(path)
    with pytest.raises(OptkitError, match=r"models\.ConvNet") as caught:
        weights(path, factory=None, trusted=False)
    assert "--trust-code" in caught.value.hint
    (x,) = models.example(models.ConvNet)
    network = module.load(weights(path, factory=None))
    torch.testing.assert_close(network(x), models.build(models.ConvNet)(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("path_factory", "trusted", "hint"),
    [(None, False, "factory: package.module:make"), (None, True, "--factory"),
     (FACTORY, False, "--trust-code")],
)  # fmt: skip
def test_weights_without_a_network_or_trust_are_refused(path_factory, trusted, hint, tmp_path):
    path = models.state_dict(models.ConvNet, tmp_path / "weights.pt")
    error = module.refusal(path, path_factory, trusted=trusted)
    assert error is not None
    assert error.exit_code is Exit.BAD_INPUT
    assert hint in error.hint
    assert module.refusal(path, FACTORY, trusted=True) is None


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_harmful_pickle_imports_is_listed_and_never_run(protocol, zipped, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "harm.pt"
    torch.save({"w": torch.ones(2), "x": Harm(marker)}, path, pickle_protocol=protocol,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    assert module.recognise(path)
    assert pickled_classes(path) == (f"{os.system.__module__}.system",)
    for factory, trusted in ((None, False), (FACTORY, True)):
        with pytest.raises(OptkitError, match="system"):
            module.load(weights(path, factory=factory, trusted=trusted))
    assert not marker.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"\x8c\x05posix\x8c\x06system\x93",
        b"\x8c\x05posix\x94\x8c\x06system\x940\x8c\x01x0h\x00h\x01\x93",
        b"\x8c\x0bcollections\x8c\x0bOrderedDict\x8c\x05posix\x8c\x06system\x930",
        b"\x8c\x05posix\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00\x93",
        b"cposix\nsystem\n",
        b"(S'true'\niposix\nsystem\n",
        b"\x82\x01",
    ],
)
def test_hand_written_pickles_hide_nothing(body, tmp_path):
    path = tmp_path / "harm.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x04" + body + b".")
    found = pickled_classes(path)
    assert found
    assert "collections.OrderedDict" not in found


def test_a_cut_pickle_counts_as_unreadable(tmp_path):
    with zipfile.ZipFile(tmp_path / "cut.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1})[:-2])
    assert pickled_classes(tmp_path / "cut.pt") == ("<unreadable>",)


def test_plain_tensors_of_every_kind_list_nothing(tmp_path):
    state = {
        "half": torch.ones(2, dtype=torch.bfloat16),
        "byte": torch.ones(2, dtype=torch.uint8),
        "parameter": nn.Parameter(torch.ones(2)),
        "sparse": torch.eye(2).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "dtype": torch.float32,
        "size": torch.Size([1]),
    }
    for zipped in (True, False):
        torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        assert pickled_classes(tmp_path / "a.pt") == ()
