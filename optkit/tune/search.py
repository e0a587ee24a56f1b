"""`optkit tune`: build, check, measure ever fewer ever longer, choose, explain."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optkit.benchmark.process import kept_open
from optkit.core.errors import Exit, OptkitError
from optkit.core.events import Listener, silent
from optkit.engine.data import Data
from optkit.engine.stage import Workshop
from optkit.engine.workplace import DEFAULT, Wishes, open_workshop, workplace
from optkit.recipe.gates import Bound
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.tuning import STATIC, TIMED, Objective, Tune
from optkit.tune.explain import explain
from optkit.tune.fidelity import Fidelity, fidelity
from optkit.tune.halving import search
from optkit.tune.measuring import SCENARIOS, Bench
from optkit.tune.reproduce import reproducing
from optkit.tune.rows import Entry, rows_of
from optkit.tune.space import Candidate, families, source_as_it_is
from optkit.tune.standing import Standing
from optkit.tune.variants import Variant, build_variants


@dataclass(frozen=True)
class Tuned:
    """What a search gave.

    Attributes:
        document: `{tune: {objective, scenario, constraints, candidates, pick, why, seconds,
            search_seconds, measured}}`; `search_seconds` go without building and checking,
            `measured` counts what the store did not know.
        recipe: that does what was picked; None where nothing keeps the constraints.
        exit_code: OK, or GATED without a pick.
    """

    document: dict[str, Any]
    recipe: LoadedRecipe | None
    exit_code: Exit


def tune(
    loaded: LoadedRecipe,
    wanted: Tune | None = None,
    wishes: Wishes = DEFAULT,
    listen: Listener = silent,
) -> Tuned:
    """Search what can be made of a recipe's model, and how it can be run.

    Every measurement is kept in the store: a search that was ended goes on where it was.

    Args:
        loaded: the recipe.
        wanted: in place of its `tune` section.
        wishes: what the user says beside the recipe.
        listen: told of progress.

    Raises:
        OptkitError: bad input, or not one candidate runs.
        KeyboardInterrupt: what was measured is kept.
    """
    wanted = wanted or loaded.recipe.tune
    started = time.perf_counter()
    bounds = constraints(loaded, wanted)
    with (
        workplace(wishes) as store,
        tempfile.TemporaryDirectory() as folder,
        kept_open() as speaking,
    ):
        shop, data = open_workshop(loaded, store, wishes, listen)
        variants = build_variants(loaded, shop, wanted.variants)
        groups = families(
            variants, loaded.recipe.benchmark.devices, wanted.settings, wanted.objective
        )
        checked = _checked(groups, shop, data, bounds, again=wishes.remeasure)
        fit = [group for group in groups if not checked[_model(group[0])].missed]
        candidates = {one.name: one for group in fit for one in group}
        source = source_as_it_is(shop.source.artifact)
        bench = Bench(
            shop,
            {source.name: source, **candidates},
            wanted.objective,
            bounds,
            wanted.seconds,
            Path(folder),
            wishes.remeasure,
            speaking,
        )
        names = [[one.name for one in group] for group in fit]
        searching = time.perf_counter()
        standings = search(
            names,
            bench.measure,
            bench.split,
            wanted.seconds,
            source.name if names else None,
            bench.identity,
        )
        searched = time.perf_counter() - searching
    _refuse_what_never_runs(standings, bench)
    entries = [Entry(candidates[name], checked[_model(candidates[name])], standing,
                     bench.rows.get(name)) for name, standing in standings.items()]  # fmt: skip
    entries += [Entry(group[0], checked[_model(group[0])]) for group in groups if group not in fit]
    told = _told(entries, variants, wanted.objective, bounds)
    document = {
        **told,
        "seconds": time.perf_counter() - started,
        "search_seconds": searched,
        "measured": bench.measured,
    }
    if told["pick"] is None:
        return Tuned({"tune": document}, None, Exit.GATED)
    pick = candidates[told["pick"]]
    recipe = reproducing(loaded, pick, SCENARIOS[wanted.objective], bounds)
    return Tuned({"tune": document}, recipe, Exit.OK)


def _told(
    entries: Sequence[Entry],
    variants: Sequence[Variant],
    objective: Objective,
    bounds: Mapping[str, Bound],
) -> dict[str, Any]:
    """What was looked for, every candidate's row, the pick, and why."""
    rows, pick = rows_of(entries, objective)
    rows += [_unmade(variant) for variant in variants if variant.artifact is None]
    return {
        "objective": objective,
        "scenario": SCENARIOS[objective],
        "constraints": {
            name: bound.model_dump(exclude_none=True) for name, bound in bounds.items()
        },
        "candidates": rows,
        "pick": pick,
        "why": explain(rows, pick, objective, bounds),
    }


def _refuse_what_never_runs(standings: Mapping[str, Standing], bench: Bench) -> None:
    """Fail with the first one's error where every candidate failed."""
    failed = [name for name, at in standings.items() if at.status == "failed"]
    if failed and all(at.status in {"failed", "unable", "same"} for at in standings.values()):
        told = bench.rows[failed[0]]["error"]
        raise OptkitError(
            f"no candidate runs; {failed[0]}: {told['message']}",
            told["hint"],
            exit_code=Exit(told["exit"]),
        )


def constraints(loaded: LoadedRecipe, wanted: Tune) -> dict[str, Bound]:
    """The bounds to keep: the section's, and the recipe's gates that say the same."""
    found: dict[str, Bound] = {}
    for name, gate in loaded.recipe.gates.items():
        if not gate.absolute:
            continue
        bound = Bound(max=gate.max, min=gate.min)
        timed = f"latency_{name.removeprefix('latency_ms_')}_ms"
        if name in STATIC:
            found[name] = bound
        elif timed in TIMED and wanted.objective == "latency":
            found[timed] = bound
    return {**found, **wanted.constraints}


def _checked(
    groups: Sequence[Sequence[Candidate]],
    shop: Workshop,
    data: Data,
    bounds: Mapping[str, Bound],
    *,
    again: bool,
) -> dict[tuple[str, str, str], Fidelity]:
    """The fidelity of every model in every arithmetic that it is to run in."""
    found: dict[tuple[str, str, str], Fidelity] = {}
    for first, *_ in groups:
        key = _model(first)
        if key not in found:
            precision, device = first.settings.infer_precision, first.settings.device
            found[key] = fidelity(first.variant, precision, device, shop, data, bounds, again=again)
    return found


def _model(one: Candidate) -> tuple[str, str, str]:
    """What fidelity hangs on."""
    settings = one.settings
    lowered = settings.infer_precision != "f32"
    return one.variant.word, settings.infer_precision, settings.device if lowered else ""


def _unmade(variant: Variant) -> dict[str, Any]:
    return {
        "name": variant.word, "variant": variant.word, "runtime": None, "device": None,
        "settings": {}, "rung": None, "latency_ms": None, "throughput_per_s": None,
        "undisturbed": None, "size_bytes": None, "fidelity": {}, "speedup_vs_source": None,
        "status": "not made", "reason": variant.reason, "excess": None, "on_front": False,
    }  # fmt: skip
