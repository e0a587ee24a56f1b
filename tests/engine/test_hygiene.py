"""What is wrong with the data is told in the run, the manifest and the report."""

import numpy as np

READS = """
count = len(context.samples())
onnx.save(model, path)
return Outcome(path)
"""


def test_a_run_tells_of_its_data(plugin, convert, onnx_model, tmp_path):
    """Told once while it runs, also of a run whose steps are kept; nothing of data unused."""
    plugin("reads", READS, more=", uses_data=True")
    plugin("reads_not", READS.partition("\n")[2].partition("\n")[2])
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8)).astype("f4")
    np.savez(tmp_path / "data.npz", image=images)
    data = {"calibration": {"path": str(tmp_path / "data.npz")}}
    recipe = {"to": "onnx", "data": data, "passes": ["reads"], "gates": {}}
    for _ in range(2):
        events = []
        done = convert(onnx_model, listen=events.append, **recipe)
        notes = [event.text for event in events if event.kind == "note"]
        assert notes == done.manifest["data"]["warnings"]
        assert any("16 samples to calibrate on" in line for line in notes)
        assert any("raw images" in line for line in notes)
    plain = convert(onnx_model, **(recipe | {"passes": ["reads_not"]}))
    assert plain.manifest["data"]["warnings"] == []


def test_the_report_tells_too(plugin, convert, onnx_model, tmp_path):
    from optkit.report.html import render_run

    plugin("reads", READS, more=", uses_data=True")
    np.save(tmp_path / "data.npy", np.zeros((40, 3, 8, 8), "f4"))
    data = {"calibration": {"path": str(tmp_path / "data.npy")}}
    done = convert(onnx_model, to="onnx", data=data, passes=["reads"], gates={})
    assert "is 0 throughout the calibration samples" in render_run(done.manifest)
