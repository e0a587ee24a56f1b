"""What layers lose, the most sensitive first."""

from optkit.report.pictures import sensitivity


def step(table, name="sensitivity"):
    return {"pass": name, "details": {"sensitivity": table, "measure": "accuracy", "samples": 60}}


def rows(*drops):
    return [{"ratio": (at + 1) / 10, "drop": drop} for at, drop in enumerate(drops)]


def test_the_most_sensitive_layers_are_drawn_from_nothing_taken():
    table = {f"conv{at}": rows(at / 100, at / 50) for at in range(7)}
    (figure,) = sensitivity.of_run({"steps": [step(table)]})
    assert figure.title == "Sensitivity of the layers, the 5 most sensitive of 7"
    assert [series.name for series in figure.series] == [f"conv{at}" for at in (6, 5, 4, 3, 2)]
    assert list(figure.series[0].line) == [(0.0, 0.0), (0.1, 0.06), (0.2, 0.12)]
    assert figure.told.startswith("conv6: 0.120 at most; conv5: 0.100 at most")


def test_a_run_without_sensitivities_has_no_picture():
    assert list(sensitivity.of_run({"steps": [{"pass": "emit_ir", "details": {}}]})) == []
    assert list(sensitivity.of_run({"steps": [step({"conv": []})]})) == []
