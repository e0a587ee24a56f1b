"""Runs held against a baseline, from taking it to catching what became worse."""

import json
import shutil

import models
import pytest
import torch
from torch import nn

from optkit.core.errors import Exit, OptkitError
from optkit.core.events import silent
from optkit.engine.baseline.document import read_baseline
from optkit.engine.baseline.update import from_folder, from_recipe, keep
from optkit.engine.workplace import Wishes
from optkit.recipe.load import load_recipe

QUICK = {"seconds": 0.3, "threads": 1}


def traced(path, width=64, seed=0):
    """A network as it was trained with a seed: (1, 16) -> (1, 4)."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 4)).eval()
    torch.jit.trace(network, torch.randn(1, 16)).save(str(path))
    return path


@pytest.fixture
def net(tmp_path):
    return traced(tmp_path / "net.pt")


@pytest.fixture
def taken(net, convert, tmp_path):
    """A baseline of the network as IR, not timed."""
    result = convert(net, to="ir")
    place = tmp_path / "baseline.json"
    keep(from_folder(result.folder), place, force=False)
    return place


def gate(result, name):
    (row,) = [row for row in result.manifest["gates"] if row["name"] == name]
    return row


def test_a_retrained_model_is_the_same_one(net, taken, convert):
    traced(net, seed=1)
    gates = {"size_bytes": {"max_increase": "1%"}, "cosine": {"max_decrease": 0.001}}
    result = convert(net, Wishes(baseline=taken), to="ir", gates=gates)
    row = gate(result, "size_bytes")
    assert (row["verdict"], row["bound"]) == ("held", "increase <= 1%")
    assert row["baseline"] == read_baseline(taken).artifact("ir")["figures"]["size_bytes"]
    assert result.exit_code is Exit.OK


def test_what_grew_misses_its_gate_and_the_output_is_kept(net, taken, convert):
    traced(net, width=256)
    gates = {"size_bytes": {"max_increase": "5%"}, "artifacts/bytes": {"max": 10**9}}
    result = convert(net, Wishes(baseline=taken), to="ir", gates=gates)
    row = gate(result, "size_bytes")
    assert (row["held"], row["verdict"]) == (False, "missed")
    assert row["change"]["value"] > 2
    assert gate(result, "artifacts/bytes")["held"]
    assert result.exit_code is Exit.GATED
    assert (result.folder / "model.xml").is_file()


def test_what_shrank_is_told_so_that_the_baseline_is_raised(net, taken, convert):
    traced(net, width=8)
    gates = {"size_bytes": {"max_increase": "5%"}}
    result = convert(net, Wishes(baseline=taken), to="ir", gates=gates)
    assert gate(result, "size_bytes")["better"]
    assert result.exit_code is Exit.OK


def test_another_model_is_refused_before_anything_is_worked_out(taken, convert, tmp_path):
    other = traced(tmp_path / "other.pt")
    with pytest.raises(OptkitError, match="of another model: name net, here other") as caught:
        convert(other, Wishes(baseline=taken), to="ir")
    assert caught.value.exit_code is Exit.BAD_INPUT
    (tmp_path / "elsewhere").mkdir()
    wide = models.traced(models.ConvNet, tmp_path / "elsewhere" / "net.pt")
    with pytest.raises(OptkitError, match=r"inputs input=1,16:float32, here image"):
        convert(wide, Wishes(baseline=taken), to="ir")


def test_another_format_is_refused(net, taken, convert):
    with pytest.raises(OptkitError, match="knows no onnx artifact, it is of ir") as caught:
        convert(net, Wishes(baseline=taken), to="onnx")
    assert caught.value.exit_code is Exit.BAD_INPUT


def test_a_change_of_nothing_known_is_refused_with_its_line(net, taken, convert, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "optkit: 1\nmodel: {path: net.pt}\nto: ir\nbenchmark: false\ngates:\n"
        "  size_bytes: {max_increase: 5%}\n  metric: {max_decrease: 0.01}\n"
    )
    loaded = load_recipe(recipe)
    with pytest.raises(OptkitError, match=r"recipe.yaml:6:3: the gate 'size_bytes' is relative"):
        from_run(loaded, tmp_path)
    with pytest.raises(OptkitError, match=r"recipe.yaml:7:3: the baseline .* knows no metric"):
        from_run(loaded, tmp_path, baseline=taken)


def from_run(loaded, tmp_path, **wishes):
    from optkit.engine.run import run

    return run(loaded, tmp_path / "out", Wishes(**wishes))


def test_the_recipe_names_its_baseline_and_updating_it_needs_none(net, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "optkit: 1\nmodel: {path: net.pt}\nto: ir\nbenchmark: false\nbaseline: kept.json\n"
        "gates: {size_bytes: {max_increase: 5%}}\n"
    )
    loaded = load_recipe(recipe)
    with pytest.raises(OptkitError, match="there is no baseline at"):
        from_run(loaded, tmp_path)
    changes = keep(from_recipe(loaded, Wishes(), silent), tmp_path / "kept.json", force=False)
    assert all(row["before"] is None for row in changes)
    result = from_run(loaded, tmp_path)
    assert gate(result, "size_bytes")["verdict"] == "held"
    # the resolved recipe finds it from its own folder
    again = load_recipe(tmp_path / "out" / "recipe.yaml")
    assert again.resolve(again.recipe.baseline).resolve() == tmp_path / "kept.json"
    assert gate(from_run(again, tmp_path), "size_bytes")["verdict"] == "held"


def test_no_baseline_is_taken_of_a_run_that_misses_its_gates(net, convert, tmp_path):
    result = convert(net, to="ir", gates={"size_bytes": {"max": 10}})
    with pytest.raises(OptkitError, match="misses its own gates: size_bytes") as caught:
        from_folder(result.folder)
    assert caught.value.exit_code is Exit.GATED


def test_another_models_file_is_not_overwritten_unasked(net, taken, convert, tmp_path):
    other = traced(tmp_path / "other.pt")
    fresh = from_folder(convert(other, to="ir").folder)
    with pytest.raises(OptkitError, match="the baseline of another model: net, this is other"):
        keep(fresh, taken, force=False)
    keep(fresh, taken, force=True)
    assert read_baseline(taken).content["model"]["name"] == "other"
    taken.write_text("{")
    with pytest.raises(OptkitError, match="no JSON"):
        keep(fresh, taken, force=False)
    keep(fresh, taken, force=True)


def test_the_baselines_model_is_found_in_the_store_and_timed_beside(net, convert, tmp_path):
    place = tmp_path / "baseline.json"
    keep(from_folder(convert(net, to="ir", benchmark=QUICK).folder), place, force=False)
    traced(net, width=512)
    gates = {"speedup_vs_baseline": {"min": 1e-6}, "latency_ms_p50": {"max_increase": "100000%"}}
    result = convert(net, Wishes(baseline=place), to="ir", benchmark=QUICK, gates=gates)
    names = [row["artifact"] for row in result.manifest["benchmark"]]
    assert names == ["source", "baseline", "model.xml"]
    assert result.manifest["benchmark"][-1]["speedup_vs_baseline"]["against"] == "baseline"
    for name in gates:
        assert gate(result, name)["note"] == "timed side by side"
    assert gate(result, "speedup_vs_baseline")["value"] > 0


def test_where_the_store_lost_it_the_model_can_be_named(net, convert, tmp_path, monkeypatch):
    place, kept = tmp_path / "baseline.json", tmp_path / "kept"
    folder = convert(net, to="ir", benchmark=QUICK).folder
    keep(from_folder(folder), place, force=False)
    shutil.copytree(folder, kept)
    traced(net, width=512)
    monkeypatch.setenv("OPTKIT_CACHE_DIR", str(tmp_path / "another"))
    gates = {"speedup_vs_baseline": {"min": 0.9}}
    lost = convert(net, Wishes(baseline=place), to="ir", benchmark=QUICK, gates=gates)
    row = gate(lost, "speedup_vs_baseline")
    assert (row["held"], row["verdict"], row["value"]) == (True, "not comparable", None)
    assert "--baseline-model" in row["note"]
    strict = convert(net, Wishes(baseline=place), to="ir",
                     benchmark={**QUICK, "undecided": "fail"}, gates=gates)  # fmt: skip
    assert strict.exit_code is Exit.GATED
    named = convert(
        net, Wishes(baseline=place, baseline_model=kept / "model.xml"), to="ir", benchmark=QUICK,
        gates=gates,
    )  # fmt: skip
    assert gate(named, "speedup_vs_baseline")["note"] == "timed side by side"
    wrong = Wishes(baseline=place, baseline_model=named.folder / "model.xml")
    with pytest.raises(OptkitError, match=r"is not the model that .* was made from"):
        convert(net, wrong, to="ir", benchmark=QUICK, output=tmp_path / "x")


def test_an_unchanged_run_out_of_the_store_is_as_it_was(net, convert, tmp_path):
    """However noisy the measurement was: it is the one that the baseline was taken from."""
    place = tmp_path / "baseline.json"
    keep(from_folder(convert(net, to="ir", benchmark=QUICK).folder), place, force=False)
    gates = {
        "latency_ms_p50": {"max_increase": "1%"}, "speedup_vs_source": {"max_decrease": "1%"},
        "speedup_vs_baseline": {"min": 0.99},
    }  # fmt: skip
    result = convert(net, Wishes(baseline=place), to="ir", benchmark=QUICK, gates=gates)
    assert [gate(result, name)["verdict"] for name in gates] == ["held"] * 3


def test_times_of_another_machine_gate_nothing(net, convert, tmp_path):
    place = tmp_path / "baseline.json"
    keep(from_folder(convert(net, to="ir", benchmark=QUICK).folder), place, force=False)
    content = json.loads(place.read_text())
    content["machine"]["cpu"] = "Z80"
    for timed in content["artifacts"]["ir"]["timing"].values():
        timed["latency_ms_p50"] = {"value": 1e-6, "ci95": [1e-6, 1e-6]}
    place.write_text(json.dumps(content))
    gates = {"latency_ms_p50": {"max_increase": "1%"}}
    wishes = Wishes(baseline=place, remeasure=True)
    result = convert(net, wishes, to="ir", benchmark=QUICK, gates=gates)
    row = gate(result, "latency_ms_p50")
    assert (row["held"], row["verdict"]) == (True, "not comparable")
    assert "another machine (processor: Z80)" in row["note"]
