"""What a run tells of the search: a line for its table, and details for the manifest."""

from __future__ import annotations

from typing import Any

from optkit.quantization import prepared
from optkit.quantization.job import Job
from optkit.quantization.quantize import Made


def summary_of(job: Job, made: Made) -> str | None:
    """One line for the run's table."""
    amiss = None
    if not job.free and job.trained:
        amiss = prepared.told(prepared.scale_of(job.statistics, job.trained))
    if made.score is None:
        return amiss
    tried = f"best of {len(made.trials)} candidates, " if len(made.trials) > 1 else ""
    back = f", {len(made.reverted.layers)} layers left in float" if made.reverted else ""
    found = f"{tried}{made.score.sqnr_db:.1f} dB{back}"
    return f"{found}; {amiss}" if amiss else found


def details(job: Job, made: Made) -> dict[str, Any]:
    """For the manifest: the choice, what every candidate scored, the layers that went back."""
    told: dict[str, Any] = {"chosen": str(made.candidate)}
    if made.score is None:
        return told
    told |= {"held_back": made.held, **made.score.to_json()}
    told["tried"] = [
        {"candidate": str(item.candidate)}
        | (item.score.to_json() if item.score else {"refused": item.refusal})
        for item in made.trials
    ]
    if made.batch is not None:
        told["served"] = {"batch": made.batch[0], **made.batch[1].to_json()}
    if job.bounds:
        told["bounds"] = job.bounds.rows(made.score)
    if made.reverted is not None:
        known = job.tools.operations(job.model)
        told["ranking"] = [
            {"layer": known[name][1], "gain_db": round(gain, 3)}
            for name, gain in made.reverted.ranking[:20]
        ]
        told["reverted"] = [known[name][1] for name in made.reverted.layers]
        told["ignored_scope"] = {"names": list(made.reverted.layers)}
    return told
