"""What size and speed are held against, and what rests on made-up inputs."""

from running import DIGITS


def test_a_source_in_half_precision_has_no_fp32_baseline(convert, tmp_path):
    half = convert(DIGITS / "digits.pt", to=["onnx"], precision="fp16", output=tmp_path / "half")
    assert half.manifest["artifacts"][0]["size_ratio"] < 1
    again = convert(half.folder / "model.onnx", to=["ir"], output=tmp_path / "ir").manifest
    assert again["artifacts"][0]["size_ratio"] is None


def test_made_up_inputs_are_told_of_where_they_were_used(convert, tmp_path):
    given = {"path": str(DIGITS / "validation.npz")}
    plain = convert(DIGITS / "digits.pt", to=["ir"], data={"validation": given}).manifest
    assert plain["data"]["synthesised"] == []
    lowered = convert(
        DIGITS / "digits.pt", to=["ir"], precision="int8", data={"validation": given}
    ).manifest
    assert lowered["data"]["synthesised"] == ["calibration"]
    nothing = convert(DIGITS / "digits.pt", to=["ir"], precision="int8").manifest
    assert nothing["data"]["synthesised"] == ["calibration", "validation"]
