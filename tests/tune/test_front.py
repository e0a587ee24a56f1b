"""What nothing else beats."""

import pytest

from optkit.tune.front import axes, front


def point(latency: float = 1.0, throughput: float = 100.0, size: int = 10, **fidelity: float):
    return axes(latency, throughput, size, fidelity or {"cosine": 1.0})


def test_what_is_beaten_on_one_axis_and_equal_on_the_rest_is_dominated() -> None:
    found = {"best": point(), "slower": point(latency=2.0), "smaller": point(latency=2.0, size=5)}
    assert front(found) == {"best", "smaller"}


def test_each_axis_counts() -> None:
    found = {
        "quick": point(1.0, 100.0, 10, cosine=0.99),
        "many": point(2.0, 400.0, 10, cosine=0.99),
        "small": point(2.0, 100.0, 5, cosine=0.99),
        "near": point(2.0, 100.0, 10, cosine=1.0),
        "none of these": point(2.0, 100.0, 10, cosine=0.99),
    }
    assert front(found) == {"quick", "many", "small", "near"}


def test_times_within_the_noise_are_equal() -> None:
    assert front({"a": point(latency=1.0), "b": point(latency=1.001)}) == {"a", "b"}
    assert front({"a": point(latency=1.0), "b": point(latency=1.001, size=9)}) == {"b"}


def test_the_task_metric_comes_before_the_cosine() -> None:
    found = {"a": point(metric_drop=0.0, cosine=0.9), "b": point(metric_drop=0.1, cosine=1.0)}
    assert front(found) == {"a"}


@pytest.mark.parametrize("count", [0, 1])
def test_few(count: int) -> None:
    assert front({str(at): point() for at in range(count)}) == {str(at) for at in range(count)}
