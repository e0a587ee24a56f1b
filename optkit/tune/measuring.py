"""Measures candidates side by side, and keeps every measurement: a killed search goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optkit.benchmark.process import Speak, speak
from optkit.benchmark.run import measure
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.catalogue import find_runtime
from optkit.core.code import own_code
from optkit.core.errors import OptkitError
from optkit.core.events import Event
from optkit.core.machine import machine
from optkit.core.preprocessing import preprocessing_to_json, raw_inputs
from optkit.core.signature import signature_to_json
from optkit.core.stats import percentile
from optkit.core.versions import versions
from optkit.engine.source import about
from optkit.engine.stage import Workshop
from optkit.recipe.gates import Bound
from optkit.recipe.tuning import TIMED
from optkit.tune.fidelity import excess
from optkit.tune.identity import identity
from optkit.tune.space import Candidate
from optkit.tune.standing import Sample

Row = dict[str, Any]

SCENARIOS = {"latency": "single-stream", "throughput": "offline"}
WARMUP = 3.0
LOW = 10
"""The percentile of the times that nothing disturbed."""

_MOST_OPEN = 8
# A loaded model takes its weights again, packed for the processor, and its activations.
_COPIES = 4


@dataclass
class Bench:
    """Measures candidates by name.

    Attributes:
        shop: the store that keeps the rows.
        candidates: by name.
        objective: decides the scenario.
        bounds: constraints by name; those on times are looked at.
        full: seconds of the last rung.
        folder: where inputs are written.
        again: repeat what is known.
        speaking: to which process.
        rows: the last row of each candidate.
        measured: how many measurements were made anew.
    """

    shop: Workshop
    candidates: Mapping[str, Candidate]
    objective: str
    bounds: Mapping[str, Bound]
    full: float
    folder: Path
    again: bool = False
    speaking: Speak = speak
    rows: dict[str, Row] = field(default_factory=dict)
    measured: int = 0

    def split(self, names: Sequence[str]) -> Iterator[list[str]]:
        """Parts that fit into a quarter of the memory and are not many."""
        room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 4
        part: list[str] = []
        weight = 0.0
        for name in names:
            one = self.candidates[name]
            assert one.variant.artifact is not None
            own = _COPIES * one.variant.artifact.bytes
            if part and (len(part) == _MOST_OPEN or weight + own > room):
                yield part
                part, weight = [], 0.0
            part.append(name)
            weight += own
        if part:
            yield part

    def identity(self, name: str) -> str | None:
        """What a candidate comes to, by what is known of it so far."""
        return identity(self.candidates[name], SCENARIOS[self.objective], self.rows.get(name))

    def measure(self, names: Sequence[str], seconds: float, rung: int) -> dict[str, Sample]:
        """Measure candidates side by side, unless the store knows what came of it."""
        title = f"rung {rung}"
        self.shop.listen(Event("start", title, f"{len(names)} × {seconds:.2g} s"))
        fresh: list[bool] = []

        def compute() -> list[Row]:
            fresh.append(True)
            return self._measure(names, seconds, title)

        rows = self.shop.store.fact(self._question(names, seconds), compute, again=self.again)
        self.measured += len(fresh)
        self.shop.listen(Event("end", title, "done" if fresh else "measured earlier"))
        self.rows |= dict(zip(names, rows, strict=True))
        last = seconds >= self.full
        return {name: self._sample(row, last) for name, row in zip(names, rows, strict=True)}

    def _measure(self, names: Sequence[str], seconds: float, title: str) -> list[Row]:
        plan = Plan(
            tuple(self._contender(name) for name in names),
            seconds,
            SCENARIOS[self.objective],
            self.shop.seed,
            warmup=min(WARMUP, seconds),
            executed=False,
            **({} if seconds >= self.full else {"sittings": 1}),
        )
        try:
            return measure(
                plan,
                lambda done, total: self.shop.listen(
                    Event("progress", title, "", round(done), round(total))
                ),
                self.speaking,
            )
        except OptkitError as error:  # not one could be measured: each tells for itself
            if len(names) > 1:
                return [row for name in names for row in self._measure([name], seconds, title)]
            told = {"message": error.message, "hint": error.hint, "exit": int(error.exit_code)}
            return [{"artifact": names[0], "error": told}]

    def _contender(self, name: str) -> Contender:
        one = self.candidates[name]
        assert one.variant.artifact is not None
        path = self.folder / f"{one.variant.word}.npz"
        if not path.exists():
            example = self.shop.source.example(0)
            write_inputs(path, raw_inputs(example, one.variant.artifact.preprocessing))
        return Contender(name, one.variant.artifact, one.variant.runtime, one.settings, path)

    def _question(self, names: Sequence[str], seconds: float) -> Row:
        """All that a measurement hangs on; the key to keep it by."""
        chosen = [self.candidates[name] for name in names]
        models = [one.variant.artifact for one in chosen if one.variant.artifact is not None]
        runtimes = sorted({one.variant.runtime for one in chosen})
        scenario = SCENARIOS[self.objective]
        return {
            "models": [about(model, "tune") for model in models],
            "preprocessing": [preprocessing_to_json(model.preprocessing) for model in models],
            "settings": [asdict(one.settings) for one in chosen],
            "signature": signature_to_json(self.shop.source.artifact.signature),
            "scenario": scenario,
            "seconds": seconds,
            "seed": self.shop.seed,
            "versions": versions({
                need for word in runtimes for need in find_runtime(word).NEEDS
            }),
            "code": own_code(
                "optkit.benchmark.run",
                "optkit.benchmark.child",
                f"optkit.benchmark.scenarios.{scenario.replace('-', '_')}",
                *(f"optkit.runtimes.{word}" for word in runtimes),
            ),
            "machine": machine(),
        }  # fmt: skip

    def _sample(self, row: Row, last: bool) -> Sample:
        """The row as the search looks at it: times that are the lower the better it serves."""
        if "error" in row:
            return Sample(error=row["error"]["message"])
        each = row["settings"]["batch"] if self.objective == "throughput" else 1
        rounds = [[time / each for time in samples] for samples in row["raw_ms"]]
        bounds = {name: bound for name, bound in self.bounds.items() if name in TIMED}
        found = timed(row)
        if not last:  # of few samples only the median tells anything
            found = {
                name: found["latency_p50_ms"] if name.startswith("latency") else value
                for name, value in found.items()
            }
        return Sample(rounds, row["sittings"], row["waited"], excess=excess(bounds, found))


def timed(row: Row) -> dict[str, float | None]:
    """The figures of a row that constraints can bound, by name.

    A latency is how long an input waits: of the offline scenario, where as many inferences are
    under way as the session takes, that many times the time of one (Little's law).
    """
    waiting = _under_way(row)
    found: dict[str, float | None] = {
        f"latency_{word}_ms": row["latency_ms"][word] * waiting
        for word in ("p50", "p90", "p95", "p99")
    }
    return {**found, "throughput_per_s": row["throughput_per_s"]}


def undisturbed(row: Row) -> dict[str, float]:
    """`latency_ms` and `throughput_per_s` as they are when nothing else disturbs them.

    Of a low percentile, not of all samples as in `timed`: candidates of different rungs met
    different loads.
    """
    low = percentile([time for samples in row["raw_ms"] for time in samples], LOW)
    return {
        "latency_ms": low * _under_way(row),
        "throughput_per_s": 1000 * row["settings"]["batch"] / low,
    }


def _under_way(row: Row) -> int:
    if row["scenario"] == "offline" and row["settings"].get("api") == "async":
        return int(row["settings"].get("nireq") or 1)
    return 1
