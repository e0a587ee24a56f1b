import json
import subprocess
import sys
import zipfile
from pathlib import Path

import models
import pytest
import torch
from torch import nn

from optkit.core.errors import Exit, OptkitError
from optkit.core.signature import Dim, TensorSpec
from optkit.formats import exported
from optkit.graphs.exported_trust import hazards


def artifact(kind, tmp_path, **options):
    return models.artifact("exported", models.exported(kind, tmp_path / "model.pt2", **options))


def rewritten(path: Path, change) -> Path:
    """The archive with its model.json changed."""
    target = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("models/model.json"):
                program = json.loads(content)
                change(program)
                content = json.dumps(program).encode()
            new.writestr(name, content)
    return target


def test_dynamic_dimensions_keep_their_bounds(tmp_path):
    face = artifact(models.DictNet, tmp_path, dynamic_batch=True).signature
    batch = Dim(1, 64)
    assert face.inputs == (TensorSpec("image", (batch, 3, 8, 8), "float32"),)
    assert face.outputs == (
        TensorSpec("logits", (batch, 5), "float32"),
        TensorSpec("features", (batch, 4), "float32"),
    )


def test_nested_outputs_are_flattened(tmp_path):
    face = artifact(models.NestedNet, tmp_path).signature
    assert [(spec.name, spec.shape) for spec in face.outputs] == [
        ("output_0", (2, 5)), ("output_1_0", (2, 4, 6, 6)), ("output_1_1", (2, 4)),
    ]  # fmt: skip


def test_keyword_inputs_come_after_positional_ones(tmp_path):
    class Keywords(nn.Module):
        def forward(self, input, *, parts, mask=None):  # noqa: A002
            return input + parts["a"] * parts["b"][0]

    x = torch.ones(2, 3)
    program = torch.export.export(Keywords(), (x,), {"parts": {"a": x, "b": (x,)}})
    torch.export.save(program, tmp_path / "model.pt2")
    face = models.artifact("exported", tmp_path / "model.pt2").signature
    assert [spec.name for spec in face.inputs] == ["input", "parts_a", "parts_b_0"]


def test_counts(tmp_path):
    found = exported.summary(artifact(models.ConvNet, tmp_path, dynamic_batch=True))
    assert found.operations == {"conv2d": 1, "batch_norm": 1, "relu": 1, "mean": 1, "linear": 1}
    assert found.parameters == 4 * 27 + 8 + 4 * 5 + 5
    assert found.flops == 2 * (4 * 36 * 27 + 20)
    assert found.precision == {"fp32": 2}


def test_attention_counts(tmp_path):
    class Attention(nn.Module):
        def forward(self, q, k, v):
            return nn.functional.scaled_dot_product_attention(q, k, v)

    q, k = torch.ones(1, 2, 3, 4), torch.ones(1, 2, 5, 4)
    torch.export.save(torch.export.export(Attention(), (q, k, k)), tmp_path / "model.pt2")
    found = exported.summary(models.artifact("exported", tmp_path / "model.pt2"))
    assert found.flops == 2 * 2 * 3 * 5 * (4 + 4)
    assert found.precision == {}


def test_index_bounds_follow_ids_alone(tmp_path):
    assert exported.index_bounds(artifact(models.TokenNet, tmp_path)) == {"input_ids": 11}


def test_an_output_class_that_is_not_at_hand_is_named(tmp_path):
    script = (
        "import torch, dataclasses, sys\n"
        "@dataclasses.dataclass\n"
        "class Answer:\n    logits: torch.Tensor\n"
        "torch.export.register_dataclass(Answer, serialized_type_name='elsewhere.Answer')\n"
        "class Net(torch.nn.Module):\n    def forward(self, x): return Answer(x + 1)\n"
        "torch.export.save(torch.export.export(Net(), (torch.ones(2),)), sys.argv[1])\n"
    )
    path = tmp_path / "model.pt2"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    with pytest.raises(OptkitError, match=r"elsewhere\.Answer") as caught:
        models.artifact("exported", path)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert "dict or tuple" in caught.value.hint


def test_a_class_with_a_key_per_item_is_read_without_it(tmp_path):
    script = (
        "import sys, torch\n"
        "from torch.utils import _pytree\n"
        "class Answer(dict): pass\n"
        "_pytree.register_pytree_node(\n"
        "    Answer, lambda a: (list(a.values()), list(a)), lambda v, k: Answer(zip(k, v)),\n"
        "    serialized_type_name='elsewhere.Keyed')\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x): return Answer(logits=x + 1, hidden=x.mean(1))\n"
        "torch.export.save(torch.export.export(Net(), (torch.ones(2, 3),)), sys.argv[1])\n"
    )
    path = tmp_path / "model.pt2"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    face = models.artifact("exported", path)
    assert [(spec.name, spec.shape) for spec in face.signature.outputs] == [
        ("logits", (2, 3)), ("hidden", (2,)),
    ]  # fmt: skip
    found = exported.load(face).module()(torch.zeros(2, 3))
    assert found["logits"].tolist() == [[1.0] * 3] * 2


def test_what_torch_writes_has_no_hazard(tmp_path):
    class Ranged(nn.Module):
        def forward(self, x, y):
            n = torch.sym_max(x.shape[0], 4) // 2
            return torch.cat([x, y])[: x.shape[0] * 2 - 1] + n, x.reshape(-1, 2)

    free = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    program = torch.export.export(
        Ranged(), (torch.ones(6, 4), torch.ones(8, 4)), dynamic_shapes={"x": free, "y": free}
    )
    torch.export.save(program, tmp_path / "ranged.pt2")
    assert hazards(tmp_path / "ranged.pt2") == ()
    for kind in (models.ConvNet, models.TokenNet, models.Recurrent):
        assert hazards(models.exported(kind, tmp_path / "model.pt2", dynamic_batch=False)) == ()


@pytest.mark.parametrize(
    "harm", ["target", "expression", "guard"],
)  # fmt: skip
def test_an_archive_that_would_run_code_is_refused(harm, tmp_path):
    marker = tmp_path / "ran"
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"

    def change(program):
        if harm == "guard":
            program["guards_code"] = [code]
        elif harm == "target":
            program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"
        else:
            values = program["graph_module"]["graph"]["tensor_values"]
            first = next(v for v in values.values() if "as_expr" in str(v["sizes"]))
            first["sizes"][0]["as_expr"]["expr_str"] = code

    path = models.exported(models.ConvNet, tmp_path / "model.pt2", dynamic_batch=True)
    changed = rewritten(path, change)
    with pytest.raises(OptkitError, match="would run code of its own") as caught:
        models.artifact("exported", changed)
    assert "--trust-code" in caught.value.hint
    assert not marker.exists()


def test_a_damaged_file_is_bad_input(tmp_path):
    def change(program):
        program["graph_module"]["graph"] = None

    path = rewritten(models.exported(models.ConvNet, tmp_path / "model.pt2"), change)
    with pytest.raises(OptkitError, match=r"cannot read 'changed\.pt2'") as caught:
        models.artifact("exported", path)
    assert caught.value.exit_code is Exit.BAD_INPUT
