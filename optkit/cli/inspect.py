"""optkit inspect: what a model file holds."""

from __future__ import annotations

from typing import Any

from optkit.cli import options


def inspect(
    model: options.Model,
    inputs: options.Inputs = None,
    factory: options.Factory = None,
    trust_code: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show a model's signature, operations, parameters, FLOPs and precision."""
    from optkit import console as say
    from optkit.core.signature import parse_input, signature_to_json, spec_from_json
    from optkit.engine.proof import summarise
    from optkit.engine.source import prove, read_model
    from optkit.engine.workplace import Wishes, workplace

    console = say.open_console(json=json, quiet=quiet)
    with workplace(Wishes(verbose=verbose)) as store:
        artifact = read_model(
            model,
            store,
            inputs=[parse_input(text) for text in inputs or ()],
            factory=factory,
            trusted=trust_code,
            weights_will_do=True,
        )
        specs = artifact.signature.inputs
        if specs and all(spec.known for spec in specs):  # one run tells the outputs
            artifact = prove(artifact, store, seed=0).artifact
        summary = summarise(artifact, store)
    document: dict[str, Any] = {
        "path": str(model),
        "format": artifact.format,
        "sha256": artifact.digest,
        "bytes": artifact.bytes,
        **signature_to_json(artifact.signature),
        **summary,
    }
    if json:
        say.print_json(console, document)
        return
    say.say(console, f"{model}: {artifact.format}, {say.size(artifact.bytes)}")
    rows = [
        (side, str(spec_from_json(spec)))
        for side in ("inputs", "outputs")
        for spec in document[side]
    ]
    flops = summary["flops"]
    rows += [
        ("parameters", f"{summary['parameters']:,}"),
        ("FLOPs", f"{flops:,} at batch 1" if flops else "not told by the file"),
        ("precision", ", ".join(f"{n} {word}" for word, n in summary["precision"].items())),
        ("sha256", artifact.digest),
    ]
    say.print_table(console, ("", ""), rows)
    counted = sorted(summary["operations"].items(), key=lambda item: (-item[1], item[0]))
    if counted:
        say.print_table(console, ("operation", "count"), [(name, str(n)) for name, n in counted])
