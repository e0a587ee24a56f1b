"""Whole searches on a small network, for real: seconds each."""

import os
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest

from optkit.core.errors import Exit, OptkitError
from optkit.core.events import Event
from optkit.engine.run import run
from optkit.engine.workplace import DEFAULT, Wishes
from optkit.recipe.gates import Bound
from optkit.recipe.load import LoadedRecipe, from_flags
from optkit.recipe.tuning import Tune
from optkit.tune.search import Tuned, constraints, tune

# Threads that spin while they wait starve each other where several processes share few cores.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

QUICK: dict[str, Any] = {
    "variants": ["source", "onnx-fp32", "ir-fp32", "ir-int8"],
    "settings": {
        "hint": ["latency"],
        "streams": [1],
        "threads": [1],
        "infer_precision": ["f32"],
        "mode": ["frozen"],  # families of one, of which none is left out for its plainest member
    },
    "seconds": 0.3,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    models.traced(models.ConvNet, folder / "net.pt")
    images = np.random.default_rng(0).standard_normal((20, 3, 8, 8)).astype("float32")
    np.savez(folder / "data.npz", image=images)
    return folder


@pytest.fixture(scope="module", autouse=True)
def store(place: Path) -> Any:
    """One store for all of them: what one has built, the next need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTKIT_CACHE_DIR", str(place / "store"))
        yield


def loaded(place: Path, **more: Any) -> LoadedRecipe:
    content = {"optkit": 1, "model": {"path": str(place / "net.pt")}, "to": "ir",
               "data": {"calibration": {"path": str(place / "data.npz")}}, **more}  # fmt: skip
    return from_flags(content)


def found(place: Path, wishes: Wishes = DEFAULT, listen: Any = None, **more: Any) -> Any:
    return tuned(place, wishes, listen, **more).document["tune"]


def tuned(place: Path, wishes: Wishes = DEFAULT, listen: Any = None, **more: Any) -> Tuned:
    section = Tune.model_validate({**QUICK, **more})
    return tune(loaded(place), section, wishes, listen or (lambda _: None))


@pytest.fixture(scope="module")
def first(place: Path) -> Tuned:
    return tuned(place)


def by_name(document: Any) -> dict[str, Any]:
    return {row["name"]: row for row in document["candidates"]}


def test_the_pick_is_the_fastest_of_those_measured_to_the_end(first: Tuned) -> None:
    document = first.document["tune"]
    rows = by_name(document)
    assert first.exit_code is Exit.OK
    pick = rows[document["pick"]]
    assert pick["status"] == "picked"
    assert document["candidates"][0] is pick
    last = max(row["rung"] for row in rows.values() if row["rung"] is not None)
    finalists = [row for row in rows.values() if row["rung"] == last and row["status"] != "slower"]
    assert len(finalists) >= 2
    for row in finalists:
        assert row["speedup_vs_source"]["ci95"][0] <= row["speedup_vs_source"]["value"]
        assert row["speedup_vs_source"]["value"] <= pick["speedup_vs_source"]["value"] * 1.01
    assert 0 < pick["latency_ms"]["p50"] <= pick["latency_ms"]["p95"]
    assert pick["on_front"]
    assert document["why"].startswith("the fastest answer: ")
    assert (document["objective"], document["scenario"]) == ("latency", "single-stream")


def test_every_variant_is_told_with_its_size_and_fidelity(first: Tuned) -> None:
    rows = first.document["tune"]["candidates"]
    assert {row["variant"] for row in rows} == set(QUICK["variants"])
    runtimes = {row["variant"]: row["runtime"] for row in rows}
    assert runtimes == {"source": "torch", "onnx-fp32": "onnxruntime", "ir-fp32": "openvino",
                        "ir-int8": "openvino"}  # fmt: skip
    cosines = {row["variant"]: row["fidelity"]["cosine"] for row in rows}
    assert cosines["source"] == pytest.approx(1)
    assert 0.9 < cosines["ir-int8"] < cosines["ir-fp32"]
    assert all(row["size_bytes"] > 0 for row in rows)


def test_a_second_search_measures_nothing_and_says_the_same(place: Path, first: Tuned) -> None:
    again = found(place)
    before = first.document["tune"]
    assert before["measured"] > 0
    assert again["measured"] == 0
    same = ("candidates", "pick", "why")
    assert {key: again[key] for key in same} == {key: before[key] for key in same}


def test_remeasure_repeats_it(place: Path, first: Tuned) -> None:
    again = found(place, Wishes(remeasure=True))
    assert again["measured"] == first.document["tune"]["measured"]


def test_a_search_killed_between_rungs_goes_on(place: Path) -> None:
    short = {"seconds": 0.33, "variants": ["ir-fp32", "ir-int8"]}

    def kill(event: Event) -> None:
        if event.kind == "start" and event.title == "rung 1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(place, listen=kill, **short)
    rungs: list[str] = []

    def note(event: Event) -> None:
        if event.kind == "end" and event.title.startswith("rung"):
            rungs.append(f"{event.title} {event.text}")

    document = found(place, listen=note, **short)
    assert rungs[0] == "rung 0 measured earlier"
    assert rungs[-1] == "rung 1 done"
    assert document["measured"] == sum(told.endswith("done") for told in rungs)
    assert document["pick"]


def test_a_bound_on_fidelity_keeps_out_what_misses_it(place: Path, first: Tuned) -> None:
    cosines = {row["variant"]: row["fidelity"]["cosine"]
               for row in first.document["tune"]["candidates"]}  # fmt: skip
    least = (cosines["ir-int8"] + cosines["ir-fp32"]) / 2
    bounds = {"cosine": {"min": least}}
    document = found(place, constraints=bounds)
    rows = {row["variant"]: row for row in document["candidates"]}
    assert rows["ir-int8"]["status"] == "missed"
    assert rows["ir-int8"]["reason"].startswith("cosine is ")
    assert rows["ir-int8"]["excess"].keys() == {"cosine"}
    assert rows["ir-int8"]["latency_ms"] is None  # never measured
    assert rows[by_name(document)[document["pick"]]["variant"]]["fidelity"]["cosine"] >= least
    assert document["why"].startswith("the fastest answer that keeps cosine >= ")
    assert document["constraints"] == bounds


def test_a_pruned_network_is_judged_by_the_bound_of_prune(place: Path) -> None:
    """Given weights set to zero; Result: further off than FP32 may be, and yet picked."""
    passes = [{"prune": {"sparsity": "unstructured", "ratio": 0.2}}]
    section = Tune.model_validate({**QUICK, "variants": ["recipe"]})
    document = tune(loaded(place, passes=passes), section).document["tune"]
    (row,) = document["candidates"]
    assert 0.9 < row["fidelity"]["cosine"] < 0.9999
    assert row["status"] == "picked"


def test_a_bound_that_nothing_keeps(place: Path) -> None:
    for bounds, name in (({"size_bytes": {"max": 10}}, "size_bytes"),
                         ({"latency_p95_ms": {"max": 1e-6}}, "latency_p95_ms")):  # fmt: skip
        result = tuned(place, constraints=bounds)
        assert result.exit_code is Exit.GATED
        assert result.recipe is None
        document = result.document["tune"]
        assert document["pick"] is None
        assert document["why"].startswith(f"nothing keeps {name} <= ")
        assert f"{name} is " in document["why"]
        ends = {row["status"] for row in document["candidates"]}
        assert "missed" in ends
        assert ends <= {"missed", "slower", "not tried"}


def test_a_latency_bound_decides_what_gives_the_most(place: Path) -> None:
    """A batch of 64 gives most inputs per second; each of them waits for all."""
    free: dict[str, Any] = {
        "objective": "throughput",
        "variants": ["ir-fp32"],
        "settings": {"streams": [1], "batch": [1, 64], "infer_precision": ["f32"],
                     "hint": ["throughput"], "nireq": [1]},
    }  # fmt: skip
    most = found(place, **free)
    assert by_name(most)[most["pick"]]["settings"]["batch"] == 64
    rows = {row["settings"].get("batch", 1): row for row in most["candidates"]}
    between = (rows[1]["latency_ms"]["p50"] * rows[64]["latency_ms"]["p50"]) ** 0.5
    assert rows[1]["latency_ms"]["p50"] < between
    assert rows[1]["on_front"]
    assert rows[64]["on_front"]
    bound = found(place, constraints={"latency_p50_ms": {"max": between}}, **free)
    assert "batch" not in by_name(bound)[bound["pick"]]["settings"]


def test_a_setting_that_a_model_refuses_is_told(place: Path) -> None:
    document = found(
        place, objective="throughput", variants=["onnx-fp32"],
        settings={"batch": [1, 8], "streams": [1]},
    )  # fmt: skip
    rows = {row["settings"].get("batch", 1): row for row in document["candidates"]}
    assert rows[8]["status"] == "failed"
    assert "cannot run with batch 8" in rows[8]["reason"]
    assert document["pick"] == rows[1]["name"]


def test_settings_that_nothing_takes(place: Path) -> None:
    settings = {"batch": [8, 16], "streams": [1]}
    with pytest.raises(OptkitError) as error:
        found(place, objective="throughput", variants=["onnx-fp32"], settings=settings)
    assert error.value.message.startswith("no candidate runs; onnx-fp32 hint=throughput")
    assert "cannot run with batch 8" in error.value.message
    assert error.value.hint.startswith("leave batch at 1")
    assert error.value.exit_code is Exit.BAD_INPUT


def test_a_variant_that_cannot_be_made_is_told(place: Path) -> None:
    document = found(place, variants=["source", "module-fp32", "torchscript-fp32"])
    rows = {row["variant"]: row for row in document["candidates"]}
    assert rows["module-fp32"]["status"] == rows["torchscript-fp32"]["status"] == "not made"
    assert rows["module-fp32"]["reason"] == "no route leads from torchscript to module"
    assert rows["torchscript-fp32"]["reason"] == "the same model as source"


def test_all_that_can_be_made_is_tried_unless_named(place: Path) -> None:
    from optkit.engine.workplace import open_workshop, workplace
    from optkit.tune.space import families
    from optkit.tune.variants import build_variants

    recipe = loaded(place, passes=["simplify"], to="onnx")
    with workplace() as store:
        shop, _ = open_workshop(recipe, store, Wishes(), lambda _: None)
        built = build_variants(recipe, shop, None)
        groups = families(built, ("CPU",), Tune().settings, "latency")
    words = [one.word for one in built]
    assert words[:2] == ["source", "recipe"]
    assert {"onnx-fp32", "onnx-int8", "ir-fp32", "ir-int8", "exported-fp32"} <= {*words}
    modes = {one.settings.mode for group in groups for one in group}
    assert {None, "frozen", "eager", "compile"} <= modes
    for group in groups:
        assert len({(one.variant.word, one.settings.infer_precision) for one in group}) == 1
        assert group[0].settings.mode in {None, "eager"}
        assert group[0].settings.streams is None
        assert {one.settings.batch for one in group} == {1}


def test_the_recipes_gates_are_kept_too(place: Path) -> None:
    gates = {"cosine": {"min": 0.9}, "latency_ms_p95": {"max": 5}, "speedup": {"min": 2}}
    recipe = loaded(place, gates=gates)
    told = constraints(recipe, Tune(constraints={"cosine": Bound(min=0.95)}))
    assert told == {"cosine": Bound(min=0.95), "latency_p95_ms": Bound(max=5)}
    assert "latency_p95_ms" not in constraints(recipe, Tune(objective="throughput"))


def test_the_recipes_own_passes_are_asked_for_and_not_there(place: Path) -> None:
    with pytest.raises(OptkitError, match="it has none") as error:
        found(place, variants=["recipe"])
    assert error.value.exit_code is Exit.BAD_INPUT


def test_the_recipe_makes_what_was_picked(place: Path, tmp_path: Path) -> None:
    result = tuned(
        place, variants=["ir-int8"], constraints={"cosine": {"min": 0.9}},
        settings={"streams": [1], "hint": ["throughput"], "infer_precision": ["f32"]},
    )  # fmt: skip
    assert result.recipe is not None
    quick = result.recipe.recipe.benchmark.model_copy(update={"seconds": 0.1})
    recipe = result.recipe.recipe.model_copy(update={"benchmark": quick})
    done = run(LoadedRecipe(recipe, result.recipe.path, result.recipe.positions), tmp_path / "out")
    manifest = done.manifest
    assert manifest["artifacts"][0]["precision"]["requested"] == "int8"
    assert all(step["cached"] for step in manifest["steps"])  # the very model that was tried
    row = next(row for row in manifest["benchmark"] if row["artifact"] == "model.xml")
    assert (row["settings"]["streams"], row["settings"]["hint"]) == (1, "throughput")
    assert next(gate for gate in manifest["gates"] if gate["name"] == "cosine")["bound"] == ">= 0.9"


def test_the_recipe_names_torchs_mode(place: Path, tmp_path: Path) -> None:
    result = tuned(place, variants=["source"], settings={"mode": ["frozen"], "threads": [1]})
    assert result.recipe is not None
    quick = result.recipe.recipe.benchmark.model_copy(update={"seconds": 0.1})
    recipe = result.recipe.recipe.model_copy(update={"benchmark": quick})
    done = run(LoadedRecipe(recipe, result.recipe.path, result.recipe.positions), tmp_path / "out")
    assert done.manifest["benchmark"][-1]["settings"]["mode"] == "frozen"
