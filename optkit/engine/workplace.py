"""What every command works in: the store, the source that was proven, its data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from optkit.benchmark import scenarios
from optkit.catalogue import runtime_of
from optkit.core.artifact import Artifact
from optkit.core.disk import disk_full, is_disk_full
from optkit.core.errors import OptkitError
from optkit.core.events import Listener, unfailing
from optkit.core.store import Store, default_root
from optkit.engine.data import Data, read_data
from optkit.engine.quiet import aloud, quiet
from optkit.engine.source import prove, read_model
from optkit.engine.stage import Workshop
from optkit.planner import Plan, make_plan
from optkit.recipe.load import LoadedRecipe
from optkit.recipe.model import Benchmark


@dataclass(frozen=True)
class Wishes:
    """What a user says beside the recipe.

    Attributes:
        trusted: the model's and the recipe's own code may run.
        force: replace an output folder that optkit did not write.
        remeasure: repeat validation and benchmark even where they are known.
        cache: keep steps in the store, and take them from there.
        verbose: let the libraries' own chatter through.
        baseline: the file that the run is held against, before the one that the recipe names.
        baseline_model: the model that the baseline was taken from, where the store lost it.
        lock: the file that the run must be as.
        anew: a baseline is being taken: there is none yet to be held against.
    """

    trusted: bool = False
    force: bool = False
    remeasure: bool = False
    cache: bool = True
    verbose: bool = False
    baseline: Path | None = None
    baseline_model: Path | None = None
    lock: Path | None = None
    anew: bool = False


DEFAULT = Wishes()


@contextmanager
def workplace(wishes: Wishes = DEFAULT) -> Iterator[Store]:
    """The store to work in, with the libraries kept quiet; an error bears what they printed.

    Without a cache it is a folder that is thrown away.

    Raises:
        OptkitError: the store cannot be written to (bad input), or its disk is full.
    """
    with ExitStack() as stack:
        if wishes.cache:
            store = stack.enter_context(Store(default_root()))
        else:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="optkit-"))
            store = stack.enter_context(Store(Path(place), lasting=False))
        log = stack.enter_context(store.staging()) / "libraries.log"
        try:
            with aloud() if wishes.verbose else quiet(log):
                yield store
        except OptkitError as error:
            error.log = log.read_text(errors="replace") if log.exists() else ""
            raise
        except OSError as error:
            if is_disk_full(error, store.root):
                raise disk_full("writing to the store", store.root) from error
            raise


def open_source(loaded: LoadedRecipe, store: Store, wishes: Wishes = DEFAULT) -> Artifact:
    """The recipe's model, recognised, its signature as far as file and recipe tell.

    Raises:
        OptkitError: bad input.
    """
    model = loaded.recipe.model
    return read_model(
        loaded.resolve(model.path),
        store,
        inputs=[spec.tensor() for spec in model.inputs],
        factory=model.factory,
        trusted=wishes.trusted,
        root=loaded.path.parent,
    )


def open_workshop(
    loaded: LoadedRecipe, store: Store, wishes: Wishes, listen: Listener
) -> tuple[Workshop, Data]:
    """The proven source and its data: all that steps need.

    Raises:
        OptkitError: bad input.
    """
    opened = open_source(loaded, store, wishes)
    # Refuse what cannot be reached, or not be timed, before anything is loaded.
    plan = make_plan(loaded, opened.format)
    if loaded.recipe.benchmark.enabled:
        _check_benchmark(loaded.recipe.benchmark, plan)
    source = prove(opened, store, loaded.recipe.seed)
    data = read_data(loaded, source, trusted=wishes.trusted)
    shop = Workshop(store, source, data.calibration, loaded.recipe.seed, unfailing(listen))
    return shop, data


def _check_benchmark(wanted: Benchmark, plan: Plan) -> None:
    for scenario in wanted.scenarios:
        scenarios.find(scenario)
    runtimes = [found for target in plan.targets if (found := runtime_of(target.format))]
    for device in wanted.devices:
        if device == "CPU":  # every runtime has it; asking one costs a cached run its quickness
            continue
        for _, runtime in runtimes:
            runtime.check_device(device)
