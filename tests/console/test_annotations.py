import pytest

from optkit.console import annotate


@pytest.fixture(autouse=True)
def _github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


@pytest.mark.parametrize(
    ("message", "hint", "line"),
    [
        ("r.yaml:3:5: unknown", "remove it",
         "::error title=optkit,file=r.yaml,line=3,col=5::unknown%0Afix: remove it"),
        ("no such file", "", "::error title=optkit::no such file"),
        ("a,b:c/r.yaml:3:5: 50%\nleft", "",
         "::error title=optkit,file=a%2Cb%3Ac/r.yaml,line=3,col=5::50%25%0Aleft"),
        ("--set a=1: wrong", "", "::error title=optkit::--set a=1: wrong"),
    ],
)  # fmt: skip
def test_an_error_is_marked(
    message: str, hint: str, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    annotate(message, hint)
    out, err = capfd.readouterr()
    assert (out, err) == ("", f"{line}\n")


def test_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    annotate("r.yaml:3:5: unknown", "remove it")
    assert capfd.readouterr() == ("", "")
