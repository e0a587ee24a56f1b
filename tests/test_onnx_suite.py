"""No pass breaks a network: the backend tests of the `onnx` package, through every pass.

A fixed slice runs always. Everything: pytest -m suite -s tests/test_onnx_suite.py
"""

from __future__ import annotations

import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_suite as suite
import pytest

from optkit.catalogue import all_passes, find_format, find_pass
from optkit.core.artifact import Artifact
from optkit.core.contract import Context, Edit, Outcome, Pass
from optkit.core.errors import Exit, OptkitError
from optkit.core.samples import Samples
from optkit.core.settings import Settings
from optkit.core.signature import Signature
from optkit.engine.edit import edit_graph
from optkit.planner import make_plan
from optkit.recipe.load import from_flags

HALF = 2e-2
"""What half precision may change in an output, as a part of its largest value."""

SINGLE = 1e-5
"""As `HALF`, of single precision: OpenVINO computes in no wider one."""

LARGEST_HALF = 65504.0

COLUMNS = ("cases", "unchanged", "right", "refused", "no tensors", "unsupported by the runtime",
           "beyond half precision", "BROKEN")  # fmt: skip

OPERATIONS = {
    "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Add", "Mul", "Sub", "Div",
    "Split", "Concat", "If", "Loop", "Scan",
}  # fmt: skip

MUST_REWRITE = {
    "fuse_batchnorm", "fuse_scale_shift", "fuse_linear", "fuse_grouped_conv", "optimize_strides",
    "simplify", "convert_fp16", "read and write", "all in a row",
}  # fmt: skip


@dataclass
class Table:
    """What became of the cases, by row and column; whatever is odd in words."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    words: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    broken: list[str] = field(default_factory=list)

    def add(self, row: str, case: suite.Case, column: str, why: str = "") -> None:
        self.counts[row]["cases"] += 1
        self.counts[row][column] += 1
        if column == "BROKEN":
            self.broken.append(f"{row} on {case.label}: {why}")
        elif why:
            self.words[f"{row}, {column}"][why] += 1

    def text(self) -> str:
        wide = max(map(len, self.counts), default=0)
        lines = [" ".join([" " * wide, *(f"{name:>{len(name)}}" for name in COLUMNS)])]
        for row, found in self.counts.items():
            cells = (f"{found[name]:>{len(name)}}" for name in COLUMNS)
            lines.append(" ".join([f"{row:<{wide}}", *cells]))
        for where, found in self.words.items():
            lines.append(f"\n{where}:")
            lines += [f"  {count:>5}  {why[:150]}" for why, count in found.most_common(12)]
        return "\n".join([*lines, "", *self.broken])


@dataclass(frozen=True)
class Row:
    """A pass with the options it is given, or a rewriting that is none."""

    name: str
    run: Callable[[Artifact, Context], Outcome]
    item: Pass | None = None
    half: bool = False


@dataclass(frozen=True)
class Baseline:
    """How the untouched network runs.

    Attributes:
        run: runs a model file as it was run; None where no runner here is right about it.
        outputs: by data set, what it gave; the package's own data where nothing runs it.
        why: what stands against ONNX Runtime.
    """

    run: Callable[[Path, suite.Feeds], list[Any]] | None
    outputs: Sequence[list[Any]]
    why: str = ""


def rows() -> list[Row]:
    """Every pass that edits ONNX by itself, as it is and with each of its switches thrown.

    Passes that need data or options, or that change what goes in, have proofs of their own.
    """
    found = [Row("read and write", lambda given, context: context.edit(given, lambda _: Edit(1)))]
    plain: list[Row] = []
    for item in all_passes():
        fields = item.options.model_fields.items()
        if (
            "onnx" not in item.takes
            or item.gives
            or (item.uses_data and item.precision is None)
            or item.precision not in {None, "fp16"}
            or (item.changes_signature and item.precision is None)
            or any(facts.is_required() for _, facts in fields)
        ):
            continue
        found.append(_row(item, {}))
        if item.edits and not item.changes_signature:
            plain.append(found[-1])
        if not item.changes_signature:
            switches = [name for name, facts in fields if facts.default is False]
            found += [_row(item, {name: True}) for name in switches]
    first = sorted(plain, key=lambda row: row.name != "simplify")
    return [*found, Row("all in a row", _in_a_row(first))]


def _in_a_row(passes: Sequence[Row]) -> Callable[[Artifact, Context], Outcome]:
    """Passes one after the other: what one made, another may take further."""

    def run(given: Artifact, context: Context) -> Outcome:
        last = Outcome(None, "nothing to do")
        for at, row in enumerate(passes):
            place = context.scratch / str(at)
            place.mkdir()
            step = replace(
                context, output=place, edit=lambda a, rewrite, to=place: edit_graph(a, rewrite, to)
            )
            outcome = row.run(given, step)
            if outcome.path is not None:
                last, given = outcome, artifact(outcome.path)
        return last

    return run


def _row(item: Pass, options: Mapping[str, Any]) -> Row:
    name = " ".join([item.name, *options])
    made = item.options.model_validate(dict(options))
    half = item.precision == "fp16"
    return Row(name, lambda given, context: item.run(given, made, context), item, half)


def by_onnxruntime(path: Path, feeds: suite.Feeds) -> list[Any]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = 2
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feeds))


def by_reference(path: Path, feeds: suite.Feeds) -> list[Any]:
    import onnx.reference

    return onnx.reference.ReferenceEvaluator(str(path)).run(None, dict(feeds))


def artifact(path: Path) -> Artifact:
    format_ = find_format("onnx")
    bare = Artifact("onnx", path, format_.files(path), Signature(), "", 0)
    return Artifact("onnx", path, bare.files, format_.signature(bare), "", path.stat().st_size)


def same_face(given: Artifact, path: Path) -> None:
    """Inputs and outputs keep their names and order."""
    made = artifact(path).signature
    for side in ("inputs", "outputs"):
        old, new = ([port.name for port in getattr(face, side)] for face in (given.signature, made))
        assert old == new, f"{side} changed from {old} to {new}"


def context(source: Artifact, folder: Path, feeds: suite.Feeds) -> Context:
    shutil.rmtree(folder, ignore_errors=True)
    output, scratch = folder / "output", folder / "scratch"
    output.mkdir(parents=True)
    scratch.mkdir()
    return Context(
        source=source,
        output=output,
        scratch=scratch,
        samples=lambda: Samples(1, lambda _: feeds, None, "given", "", "the case"),
        example=lambda _: dict(feeds),
        seed=0,
        progress=lambda done, total: None,
        edit=lambda given, rewrite: edit_graph(given, rewrite, output),
    )


def baseline(case: suite.Case, path: Path) -> Baseline:
    """The runner that is right about the untouched network: ONNX Runtime, else the reference."""
    why = ""
    for run in (by_onnxruntime, by_reference):
        try:
            found = [run(path, feeds) for feeds, _ in case.data]
        except Exception as error:
            why = why or f"cannot run: {_first_line(error)}"
            continue
        wanted = [want for _, want in case.data]
        pairs = zip(found, wanted, strict=True)
        if all(want is None or suite.as_published(have, want, case) for have, want in pairs):
            return Baseline(run, found, why)
        why = why or "wrong or random"
    return Baseline(None, [want or [] for _, want in case.data], why)


def judge(
    case: suite.Case, base: Baseline, run: Callable[[Path, suite.Feeds], list[Any]], path: Path,
    *, least: float = 0.0,
) -> tuple[str, str]:  # fmt: skip
    """The column of a rewritten network that a runner runs; `least` is what it may always err."""
    worst, granted = 0.0, True
    for (feeds, want), before in zip(case.data, base.outputs, strict=True):
        have = run(path, feeds)
        wanted = before if want is None else want
        granted &= suite.as_published(have, wanted, case)
        if len(have) != len(wanted):
            return "BROKEN", f"{len(have)} outputs, not {len(wanted)}"
        for made, old, published in zip(have, before, wanted, strict=True):
            limit = max(2 * suite.error(old, published), suite.tolerance(published))
            limit = max(limit, least * suite.is_float(published))
            found = suite.error(made, published)
            worst = max(worst, found)
            if found > limit:
                return "BROKEN", f"differs by {found:.2g} of the largest value, {limit:.1g} allowed"
    if base.run is None and not granted:
        return "BROKEN", f"not as published, by {worst:.2g}"
    return "right", ""


def through(
    case: suite.Case, base: Baseline, row: Row, path: Path, folder: Path
) -> tuple[str, str]:
    """Run one pass over one network, and the result."""
    feeds = case.data[0][0]
    try:
        given = artifact(path)
        outcome = row.run(given, context(given, folder, feeds))
        if outcome.path is not None:
            same_face(given, outcome.path)
    except OptkitError as error:
        refused = error.exit_code is Exit.BAD_INPUT
        return "refused" if refused else "BROKEN", error.message.replace(path.name, "MODEL")
    except Exception as error:
        return "BROKEN", f"{type(error).__name__}: {_first_line(error)}"
    if outcome.path is None:
        return "unchanged", ""
    # Where ONNX Runtime is wrong about the untouched network, either may be right about this one.
    runs = [by_onnxruntime] if base.run is by_onnxruntime else [by_reference, by_onnxruntime]
    for run in runs:
        try:
            column, why = judge(case, base, run, outcome.path, least=HALF * row.half)
        except Exception as error:
            column, why = "BROKEN", f"cannot be run any more: {_first_line(error)}"
        if column != "BROKEN":
            break
    if column == "BROKEN" and base.run is None:
        return "unsupported by the runtime", base.why
    if column == "BROKEN" and row.half and _beyond_half(case, base):
        return "beyond half precision", ""
    return column, why


def _beyond_half(case: suite.Case, base: Baseline) -> bool:
    """Whether half precision cannot hold what goes in or comes out."""
    sides = [*(feeds.values() for feeds, _ in case.data), *base.outputs]
    arrays = [value for side in sides for value in side if isinstance(value, np.ndarray)]
    return any(
        array.dtype.kind == "f" and np.abs(array[np.isfinite(array)]).max(initial=0) > LARGEST_HALF
        for array in arrays
    )


def to_ir(case: suite.Case, base: Baseline, path: Path, folder: Path) -> tuple[str, str]:
    """Run the default pipeline, and its result in OpenVINO."""
    from optkit.runtimes import openvino as runtime

    if not case.tensors_alone:
        return "no tensors", ""
    feeds, converting = case.data[0][0], False
    try:
        given = artifact(path)
        for at, name in enumerate(pipeline()):
            item, place = find_pass(name), folder / f"{at}-{name}"
            converting = item.gives is not None
            outcome = item.run(given, item.options(), context(given, place, feeds))
            if outcome.path is not None:
                word = item.gives or given.format
                files = find_format(word).files(outcome.path)
                given = Artifact(word, outcome.path, files, given.signature, "", 0)
        converting = False
        session = runtime.open_session(given, Settings(threads=2))
        outputs = [
            (spec.name, "float16" if spec.dtype == "float16" else None)
            for spec in given.signature.outputs
        ]

        def run(_: Path, arrays: suite.Feeds) -> list[Any]:
            # A session takes float32 for bfloat16, and gives it for any floating type.
            feeds = {
                name: array.astype(np.float32) if array.dtype.name == "bfloat16" else array
                for name, array in arrays.items()
            }
            found = session.infer(feeds)
            with np.errstate(over="ignore"):
                return [found[name].astype(dtype or found[name].dtype) for name, dtype in outputs]

        column, why = judge(case, base, run, path, least=SINGLE)
    except OptkitError as error:
        refused = converting or error.exit_code is Exit.BAD_INPUT
        column, why = "refused" if refused else "BROKEN", error.message.replace(path.name, "MODEL")
    except Exception as error:
        column, why = "BROKEN", _first_line(error)
    if column == "right":
        return column, why
    try:
        raw, said = judge(case, base, by_openvino, path, least=SINGLE)
    except Exception as error:
        raw, said = "BROKEN", _first_line(error)
    if raw == "BROKEN":
        return "unsupported by the runtime", f"OpenVINO alone: {said}"
    return column, why


def by_openvino(path: Path, feeds: suite.Feeds) -> list[Any]:
    """The untouched network in OpenVINO, as it stands."""
    import openvino

    model = openvino.convert_model(path)
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    known = {name for port in compiled.inputs for name in port.get_names()}
    found = compiled({name: array for name, array in feeds.items() if name in known})
    return [found[at] for at in range(len(compiled.outputs))]


def pipeline() -> list[str]:
    """The passes of the default pipeline from ONNX to IR."""
    recipe = from_flags({"optkit": 1, "model": {"path": "model.onnx"}, "to": ["ir"]})
    return [step.name for step in make_plan(recipe, "onnx").targets[0].routes[0].steps]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Exception from", "Check '"))] or lines
    return lines[0] if lines else type(error).__name__


def run_suite(chosen: Iterator[suite.Case], folder: Path) -> Table:
    table = Table()
    passes = rows()
    for case in chosen:
        path = folder / "source.onnx"
        onnx.save(case.model, path)
        base = baseline(case, path)
        alone = "right" if base.run is by_onnxruntime else "unsupported by the runtime"
        table.add("ONNX Runtime alone", case, alone, base.why)
        for row in passes:
            table.add(row.name, case, *through(case, base, row, path, folder / "pass"))
        table.add("pipeline to IR", case, *to_ir(case, base, path, folder / "ir"))
        shutil.rmtree(folder / "ir", ignore_errors=True)
    return table


def in_slice(case: suite.Case) -> bool:
    """One in eighty; one in five of the small ones with operations that passes rewrite."""
    if case.kind in {"light", "filled"}:
        return case.name in {"light_squeezenet", "light_shufflenet"}
    small = len(case.model.graph.node) <= 3 and suite.operations(case.model) & OPERATIONS
    return zlib.crc32(case.label.encode()) % (5 if small else 80) == 0


def hold(table: Table, floor: int) -> None:
    print(f"\n{table.text()}")
    assert not table.broken, f"{len(table.broken)} broken, first: {table.broken[0]}"
    for row, counts in table.counts.items():
        assert counts["cases"] >= floor, f"{row} ran over {counts['cases']} cases alone"
    idle = [row for row in MUST_REWRITE if not table.counts[row]["right"]]
    assert not idle, f"nothing was rewritten by {', '.join(idle)}"


def test_no_pass_breaks_a_network_of_the_slice(tmp_path):
    hold(run_suite(filter(in_slice, suite.cases()), tmp_path), 100)


@pytest.mark.suite
def test_no_pass_breaks_a_network(tmp_path):
    hold(run_suite(suite.cases(), tmp_path), 3000)
