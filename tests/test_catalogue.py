import pytest

from optkit import catalogue
from optkit.core.errors import Exit, OptkitError

GOOD = """
from pydantic import BaseModel, ConfigDict
from optkit.core.contract import transform, unchanged

class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

@transform(Options, takes=("onnx",), needs=("onnx",))
def polish(artifact, options, context):
    '''Leave a model as it is.'''
    return unchanged("it shines")
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution that brings one pass on the path; the catalogue forgets it afterwards."""

    def forget():
        for cached in (catalogue._plugins, catalogue.pass_names, catalogue.find_pass):
            cached.cache_clear()

    def place(code: str, name: str = "polish", module: str = "shop_of_passes") -> None:
        facts = tmp_path / "shop-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[optkit.passes]\n{name} = {module}:polish\n")
        (tmp_path / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        forget()

    yield place
    forget()


def test_a_pass_of_another_package_is_found_by_its_entry_point(install):
    install(GOOD)
    assert "polish" in catalogue.pass_names()
    item = catalogue.find_pass("polish")
    assert (item.name, item.takes, item.gives) == ("polish", ("onnx",), None)
    assert item in catalogue.all_passes()


def test_it_can_be_planned(install, tmp_path):
    from optkit.planner import make_plan
    from optkit.recipe.load import parse

    install(GOOD)
    text = "optkit: 1\nmodel: {path: m.pt}\npasses: [polish]\nto: ir\n"
    (target,) = make_plan(parse(text, tmp_path / "recipe.yaml"), "torchscript").targets
    assert [step.name for step in target.routes[0].steps] == ["export_onnx", "polish", "emit_ir"]


def test_optkits_own_pass_cannot_be_replaced(install):
    install(GOOD, name="simplify")
    assert catalogue.find_pass("simplify").run.__module__ == "optkit.passes.simplify"
    assert catalogue.pass_names().count("simplify") == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("raise RuntimeError('out of order')", "out of order"),
        ("def polish(): pass", "is no pass"),
    ],
)
def test_a_broken_package_is_named(install, code, told):
    install(code, module=f"shop_{abs(hash(told))}")
    with pytest.raises(OptkitError, match=told) as caught:
        catalogue.find_pass("polish")
    assert "shop" in caught.value.message


@pytest.mark.parametrize(
    ("find", "typo", "near"),
    [
        (catalogue.find_pass, "quantise_int8", "quantize_int8"),
        (catalogue.find_format, "onx", "onnx"),
        (catalogue.find_runtime, "openvno", "openvino"),
    ],
)
def test_a_typo_gets_a_suggestion(find, typo, near):
    with pytest.raises(OptkitError, match=typo) as caught:
        find(typo)
    assert caught.value.exit_code is Exit.BAD_INPUT
    assert near in caught.value.hint


def test_a_word_like_no_other_gets_the_list():
    with pytest.raises(OptkitError) as caught:
        catalogue.find_format("zzz")
    assert all(name in caught.value.hint for name in catalogue.format_names())


def test_every_format_keeps_the_protocol():
    from optkit.core.contract import Format

    wanted = {name for name in vars(Format) if not name.startswith("_")} | {"FILE", "NEEDS"}
    for name in catalogue.format_names():
        assert wanted <= set(vars(catalogue.find_format(name))), name


def test_every_runtime_keeps_the_protocol_and_runs_known_formats():
    for name in catalogue.runtime_names():
        runtime = catalogue.find_runtime(name)
        assert {"RUNS", "NEEDS", "devices", "open_session"} <= set(vars(runtime))
        assert set(runtime.RUNS) <= set(catalogue.format_names())


def test_every_format_runs_somewhere():
    for name in catalogue.format_names():
        assert catalogue.runtime_of(name) is not None
    assert catalogue.runtime_of("papyrus") is None


def test_what_conversions_reach():
    assert catalogue.reachable({"module"}) == {"module", "torchscript", "exported", "onnx", "ir"}
    assert catalogue.reachable({"onnx"}) == {"onnx", "ir"}
    assert catalogue.reachable({"ir"}) == {"ir"}
