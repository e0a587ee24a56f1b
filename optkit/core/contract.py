"""The contracts that formats, runtimes and passes are written to.

A format or a runtime is a module with the functions of its protocol here; a pass is one decorated
function. The engine enforces what they promise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optkit.core.artifact import Artifact
from optkit.core.preprocessing import Preprocessing
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import Signature

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Summary:
    """What a model holds, as found in the file.

    Attributes:
        operations: how often each operation occurs.
        parameters: number of trained values.
        flops: floating-point operations of one inference at batch 1 (a multiply-add counts two);
            None where shapes do not tell.
        weighted: operations that carry weights, by type and by the precision found: `fp32`,
            `fp16`, `int8` (weights and activations), `w8a16`, `w4a16` (weights alone).
    """

    operations: Mapping[str, int]
    parameters: int
    flops: int | None
    weighted: Mapping[tuple[str, str], int]

    @property
    def precision(self) -> dict[str, int]:
        """Operations that carry weights, by precision."""
        found: dict[str, int] = {}
        for (_, word), count in self.weighted.items():
            found[word] = found.get(word, 0) + count
        return found

    @property
    def by_operation(self) -> dict[str, dict[str, int]]:
        """The same for each type of operation."""
        found: dict[str, dict[str, int]] = {}
        for (kind, word), count in self.weighted.items():
            found.setdefault(kind, {})[word] = count
        return found


class Format(Protocol):
    """A module under `optkit/formats`; its name is the format's word."""

    FILE: str
    """Name of the main file that a pass writes, such as `model.onnx`."""

    NEEDS: tuple[str, ...]
    """Distributions whose versions decide what reading gives."""

    def recognise(self, path: Path) -> bool:
        """Whether the content is of this format; imports nothing heavy, unpickles nothing."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Every file of the model whose main file is `path`, main first.

        Raises:
            OptkitError: a file that the model refers to is missing.
        """

    def signature(self, artifact: Artifact) -> Signature:
        """Inputs and outputs as far as the file tells or implies them."""

    def summary(self, artifact: Artifact) -> Summary:
        """Operations, parameters, FLOPs and precision as found."""

    def index_bounds(self, artifact: Artifact) -> dict[str, int]:
        """For each integer input that indexes a table: the rows of the smallest such table."""

    def implied(self, artifact: Artifact) -> dict[str, str]:
        """For each input that `signature` leaves open: a guess, as `--input` takes it."""

    def load(self, artifact: Artifact) -> Any:
        """The live model, as the format's own library gives it."""


class GraphFormat(Protocol):
    """What a format offers beyond `Format` where passes rewrite its graphs in memory."""

    FILE: str

    def read_graph(self, artifact: Artifact) -> Any:
        """The graph, to be rewritten in place."""

    def tidy_graph(self, graph: Any) -> Any:
        """The graph after a rewriting, ready for the next: sorted, nothing unused, shapes told."""

    def write_graph(self, graph: Any, path: Path) -> None:
        """Write a tidy graph."""


@dataclass(frozen=True)
class Session:
    """A model loaded on a device.

    Attributes:
        infer: one synchronous inference; arrays by input name to arrays by output name (float32
            for any floating output), in the signature's order.
        executed: operations of the compiled graph that carry weights, by the precision they run in.
        settings: what the runtime says it uses, for the manifest.
        submit: starts an inference and returns, after waiting for a free slot if all are taken;
            calls back when it is done, from any thread, with the error if it failed; its outputs
            are not handed out. None where the runtime runs one inference at a time.
        slots: how many inferences can be under way.
        close: gives back threads and memory; nothing may be under way.
        run: one synchronous inference whose outputs stay where they are; None where `infer` costs
            no more.
    """

    infer: Callable[[Arrays], dict[str, np.ndarray]]
    executed: Callable[[], dict[str, int]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    submit: Callable[[Arrays, Callable[[Exception | None], None]], None] | None = None
    slots: int = 1
    close: Callable[[], None] = lambda: None
    run: Callable[[Arrays], object] | None = None


class Runtime(Protocol):
    """A module under `optkit/runtimes`; its name is the runtime's word."""

    RUNS: tuple[str, ...]
    """Formats it runs."""

    NEEDS: tuple[str, ...]
    """Distributions whose versions decide what running gives."""

    def devices(self) -> tuple[str, ...]:
        """Device words at hand."""

    def check_device(self, device: str) -> None:
        """Refuse a device that is not here, or a part of several.

        Raises:
            OptkitError: bad input, told with what there is.
        """

    def resolved(
        self, settings: Settings, used: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any] | None:
        """What settings come to on this machine: equal ones run every model alike.

        None where that cannot be told, or they cannot be had.

        Args:
            settings: what is asked for.
            used: the settings of a session that was opened with these, for a model for which it is
                to be told.
        """

    def open_session(self, artifact: Artifact, settings: Settings) -> Session:
        """Load the model on the device, as the settings say; None stands for the runtime's choice.

        Raises:
            OptkitError: no such device, or no such setting in this runtime (bad input, told with
                what there is); or the device refuses the model.
        """


@dataclass(frozen=True)
class Edit:
    """What a rewriting did to a graph in memory.

    Attributes:
        changed: how many places were rewritten.
        left: how many places look alike but were left alone, by the reason.
        details: anything else to tell.
        graph: the graph, where the rewriting made a new one; None where it edited in place.
    """

    changed: int
    left: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    graph: Any = None


class Progress(Protocol):
    """Told how far a step has come."""

    def __call__(self, done: int, total: int | None, text: str = "") -> None:
        """Units finished, of how many (None where that is not known), and what to say of it."""


Remember = Callable[[str, Any, Callable[[], Any]], Any]
"""From the module that computes, a question (JSON) and the computation to its JSON answer."""


def _compute(_module: str, _question: Any, compute: Callable[[], Any]) -> Any:
    return compute()


@dataclass(frozen=True)
class Context:
    """What a pass may need beyond its input.

    Attributes:
        source: the run's source model.
        output: a folder; the pass writes its result here, named as the format's `FILE`.
        scratch: a folder that is thrown away afterwards.
        samples: the calibration samples, read on first use; only for a pass that `uses_data`.
        example: one legal input of the artifact, by input name; another number gives other values,
            and another legal size of the dynamic dimensions.
        seed: for anything random.
        progress: called with (done, total, text); total None where it is not known.
        edit: opens the artifact's graph (`onnx_ir.Model` for ONNX) and lets the function rewrite
            it; the outcome of a pass that rewrites graphs. The engine writes the result.
        remember: gives what was computed earlier for this input, data and seed, by any pass and
            with any options: for figures that cost more than they weigh.
        checkpoint: a folder, not there until it is made, that outlives a killed process and goes
            when the step is done: for what a long step can go on from. None: there is none.
    """

    source: Artifact
    output: Path
    scratch: Path
    samples: Callable[[], Samples]
    example: Callable[[int], Arrays]
    seed: int
    progress: Progress
    edit: Callable[[Artifact, Callable[[Any], Edit]], Outcome]
    remember: Remember = _compute
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a pass did.

    Attributes:
        path: the main file written under `Context.output`; None where nothing changed.
        reason: why nothing changed, or what the user should know.
        details: candidates tried, layers left alone; lands in `steps[].details`.
        signature: the new signature, from a pass that `changes_signature` alone.
        preprocessing: what the model now does to an input by itself, its signature changed.
    """

    path: Path | None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    signature: Signature | None = None
    preprocessing: Preprocessing | None = None


def unchanged(reason: str, **details: Any) -> Outcome:
    """The outcome of a pass that found nothing to do: the input goes on as it is."""
    return Outcome(None, reason, details)


PassFunction = Callable[[Artifact, Any, Context], Outcome]


@dataclass(frozen=True)
class Pass:
    """One step of a pipeline, with its facts as data.

    Attributes:
        name: the word in a recipe; the file's name.
        run: the function.
        options: the frozen pydantic model of its options.
        takes: formats it accepts.
        gives: the format it makes; None for a transform, which keeps the format it took.
        needs: distributions whose versions enter the cache key.
        extra: the optional extra that installs them, where they are not core dependencies.
        cost: of a conversion; the planner takes the cheapest route.
        precision: the `--precision` word that it lowers a model to.
        edits: formats in which it does nothing but `Context.edit`; neighbours that do share one
            read and one write of the model.
        after: passes that, where present, must stand before this one.
        uses_data: whether calibration samples enter the result, and so the cache key; where that
            hangs on the options, what tells it of them.
        changes_signature: whether inputs or outputs may change.
        measures: whether, with these options, the result hangs on a measurement: then the machine
            enters the cache key.
        cosine: of a pass that makes another network of it, such as pruning: the least cosine to
            the source's outputs that the result is held to where the recipe says nothing.
    """

    name: str
    run: PassFunction
    options: Any
    takes: tuple[str, ...]
    gives: str | None = None
    needs: tuple[str, ...] = ()
    extra: str | None = None
    cost: int = 1
    precision: str | None = None
    edits: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    uses_data: bool | Callable[[Any], bool] = False
    changes_signature: bool = False
    measures: Callable[[Any], bool] = lambda _options: False
    cosine: float | None = None

    def reads_data(self, options: Any) -> bool:
        """Whether calibration samples enter the result with these options."""
        return self.uses_data if isinstance(self.uses_data, bool) else self.uses_data(options)

    @property
    def summary(self) -> str:
        """The first line of the pass's documentation."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


def conversion(
    options: Any, *, takes: Sequence[str], gives: str, needs: Sequence[str], cost: int
) -> Callable[[PassFunction], Pass]:
    """Declare a pass that changes the format."""

    def declare(run: PassFunction) -> Pass:
        return Pass(
            run.__name__, run, options, tuple(takes), gives, tuple(needs), cost=cost
        )  # fmt: skip

    return declare


def transform(
    options: Any,
    *,
    takes: Sequence[str],
    needs: Sequence[str],
    precision: str | None = None,
    edits: Sequence[str] = (),
    after: Sequence[str] = (),
    uses_data: bool | Callable[[Any], bool] = False,
    changes_signature: bool = False,
    measures: Callable[[Any], bool] = lambda _options: False,
    cosine: float | None = None,
) -> Callable[[PassFunction], Pass]:
    """Declare a pass that keeps the format."""

    def declare(run: PassFunction) -> Pass:
        return Pass(
            run.__name__,
            run,
            options,
            tuple(takes),
            None,
            tuple(needs),
            precision=precision,
            edits=tuple(edits),
            after=tuple(after),
            uses_data=uses_data,
            changes_signature=changes_signature,
            measures=measures,
            cosine=cosine,
        )

    return declare
