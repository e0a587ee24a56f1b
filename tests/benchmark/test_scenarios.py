"""Scenarios on real sessions and on sessions whose inferences take a known time."""

import random
import threading
import time
from dataclasses import replace
from itertools import pairwise

import models
import pytest
from models import ConvNet

from optkit.benchmark import child, scenarios
from optkit.benchmark.load import awaited, run_all
from optkit.benchmark.run import compare, measure
from optkit.benchmark.scenarios import Load, Turn, offline, server, single_stream
from optkit.benchmark.spec import Contender, Plan, write_inputs
from optkit.benchmark.warmup import steady, warm_up
from optkit.core.contract import Session
from optkit.core.settings import Settings

MS = 1_000_000


@pytest.fixture
def plan(tmp_path):
    inputs = write_inputs(tmp_path / "inputs.npz", {"image": models.example(ConvNet)[0].numpy()})
    ir = models.artifact("ir", models.ir_file(ConvNet, tmp_path / "a.xml"))
    onnx = models.artifact("onnx", models.onnx_file(ConvNet, tmp_path / "b.onnx"))
    settings = Settings(threads=1)
    pair = (
        Contender("ir", ir, "openvino", settings, inputs),
        Contender("onnx", onnx, "onnxruntime", settings, inputs),
    )
    return lambda **rest: Plan(pair, seconds=0.2, warmup=0.2, **rest)


def test_every_scenario_is_found():
    assert scenarios.names() == ("multi-stream", "offline", "server", "single-stream")


def test_single_stream_can_submit(plan):
    given = plan()
    asked = tuple(
        Contender(c.name, c.artifact, c.runtime, Settings(threads=1, api="async"), c.inputs)
        for c in given.contenders[:1]
    )
    (row,) = measure(Plan(asked, seconds=0.2, warmup=0.2))
    assert row["settings"]["api"] == "async"
    assert row["samples"] >= 10


def test_multi_stream_times_whole_queries(plan):
    for row in measure(plan(scenario="multi-stream", per_query=4)):
        assert row["per_query"] == 4
        assert row["throughput_per_s"] == pytest.approx(4 * 1000 / row["latency_ms"]["mean"])


def test_offline_gives_one_sample_a_round(plan):
    rows = measure(plan(scenario="offline"))
    assert rows[0]["settings"]["api"] == "async"
    for row in rows:
        assert row["samples"] == len(row["raw_ms"])


def test_server_finds_a_load_that_keeps_the_bound(plan):
    rows = measure(plan(scenario="server", latency_bound_ms=50))
    for row in rows:
        found = row["server"]
        assert found["held"]
        assert found["windows"] >= server.PROOFS
        assert row["latency_ms"]["p99"] <= found["latency_bound_ms"] == 50
        assert row["throughput_per_s"] == found["load_per_s"] == found["bracket"][0] > 0
        assert row["samples"] == found["queries"] == sum(map(len, row["raw_ms"]))
        assert found["bracket"][1] > found["bracket"][0]
    speedup = compare(rows[1], rows[0])
    loads = [row["server"]["load_per_s"] for row in rows]
    assert speedup["value"] == pytest.approx(loads[1] / loads[0])
    assert speedup["ci95"][0] < speedup["value"] < speedup["ci95"][1]


def test_server_says_where_no_load_keeps_the_bound(plan):
    rows = measure(plan(scenario="server", latency_bound_ms=0.001))
    for row in rows:
        assert row["server"]["held"] is False
        assert row["throughput_per_s"] == 0
        assert "the bound is 0.001 ms" in row["server"]["reason"]
        assert row["latency_ms"]["p99"] > 0.001
    assert compare(rows[1], rows[0]) is None


def serving(load, above, batch):
    server_ = {"held": load > 0, "bracket": [load, above]}
    settings = {"batch": batch}
    return {"artifact": "a", "server": server_, "settings": settings, "raw_ms": [[1.0]] * 5}


def test_loads_are_compared_by_input_within_what_the_search_left_open():
    speedup = compare(serving(60, 66, 4), serving(100, 105, 1))
    assert speedup["value"] == pytest.approx(2.4)
    assert speedup["ci95"] == pytest.approx([4 * 60 / 105, 4 * 66 / 100])
    assert speedup["verdict"] == "faster"
    assert compare(serving(0, 10, 1), serving(100, 105, 1))["verdict"] == "slower"
    assert compare(serving(100, 105, 1), serving(0, 10, 1)) is None


def sleeper(seconds, slots=1):
    """A session whose inferences take a known time, `slots` of them side by side."""
    free = threading.Semaphore(slots)

    def infer(_arrays):
        time.sleep(seconds)
        return {}

    def submit(arrays, done):
        free.acquire()

        def work():
            infer(arrays)
            free.release()
            done(None)

        threading.Thread(target=work).start()

    return Session(infer, dict, submit=submit if slots > 1 else None, slots=slots)


def test_a_submitted_query_counts_until_it_is_done(plan):
    turn = single_stream.prepare(sleeper(0.02, 2), {}, plan()).block(3)
    assert len(turn.times) == turn.inferences == turn.watched == 3
    assert min(turn.times) >= 20 * MS


def test_offline_overlaps_what_can_be_submitted(plan):
    alone = offline.prepare(sleeper(0.03), {}, plan()).block(8)
    four = offline.prepare(sleeper(0.03, 4), {}, plan()).block(8)
    assert alone.times[0] > 2 * four.times[0]


@pytest.mark.parametrize(("seconds", "inferences"), [(0.2, 8), (2, 16)])
def test_offline_fills_the_pipeline(plan, seconds, inferences):
    load = offline.prepare(sleeper(0.001, 4), {}, replace(plan(), seconds=seconds))
    assert load.block(1).inferences == inferences


def test_an_offline_turn_outlasts_what_its_ends_cost(plan):
    """One of a light model has as many inferences as fill it, one of a heavy model no fewer."""
    load = offline.prepare(sleeper(0.001, 4), {}, replace(plan(), seconds=2))
    light, heavy = load.turns(0.5 * MS), load.turns(50 * MS)
    assert light(0).inferences == offline.TURN / (0.5 * MS)
    assert heavy(0).inferences == 16
    assert offline.prepare(sleeper(0.001, 4), {}, plan()).turns is None  # at a glance


def test_offline_settles_by_one_inference_in_each_slot(plan):
    session = sleeper(0.001, 4)
    ran = []

    def submit(arrays, done):
        ran.append(arrays)
        session.submit(arrays, done)

    offline.prepare(replace(session, submit=submit), {}, plan()).settle()
    assert len(ran) == 4


def test_what_its_scenario_settles_by_comes_before_a_turn():
    done, session = [], sleeper(0.001, 1)

    def turn(number):
        done.append(number)
        return Turn([1.0], 1, 0, 1)

    load = Load(turn, settle=lambda: done.append("settled"))
    child._turn(child.Runner(session, load, turn, load.settle), 7, rest=0.0)
    assert done[0] == "settled"
    assert done[-1] == 7
    done.clear()
    child._turn(child.Runner(session, load, turn, None), 7, rest=0.0)
    assert done == [7]


@pytest.mark.parametrize(("models_in_turn", "rested"), [(1, {0.0}), (2, {child.REST})])
def test_only_a_model_in_company_rests(plan, monkeypatch, models_in_turn, rested):
    rests, turn = [], Turn([1.0], 1, 0, 1)
    monkeypatch.setattr(child, "_turn", lambda _runner, _number, rest: rests.append(rest) or turn)
    runner = child.Runner(sleeper(0.001), Load(lambda _: turn), lambda _: turn, None)
    runners = dict.fromkeys(range(models_in_turn), runner)
    child._rounds(plan(), runners, child.Sitting(0, 0.01, 0.01), random.shuffle, lambda *_, **__: 0)
    assert set(rests) == rested


def test_an_error_of_one_inference_is_raised_after_all_have_ended():
    finished, wait = awaited(3)
    finished(None)
    finished(ValueError("refused"))
    finished(None)
    with pytest.raises(ValueError, match="refused"):
        wait()


def test_run_all_waits_for_every_inference():
    ended = []

    def submit(_arrays, done):
        threading.Timer(0.05, lambda: (ended.append(1), done(None))).start()

    run_all(Session(dict, dict, submit=submit, slots=4), {}, 4)
    assert len(ended) == 4


@pytest.mark.parametrize("slots", [1, 4])
def test_latency_counts_from_the_scheduled_arrival(plan, slots):
    due = [0, 0, 0, 0]
    times = server._offer(sleeper(0.05, slots), {}, due)
    waits = [1, 2, 3, 4] if slots == 1 else [1, 1, 1, 1]
    for at, wait in enumerate(waits):
        assert times[at] >= 50 * MS * wait
    assert slots == 1 or max(times) < 200 * MS


def test_arrivals_are_poisson_and_repeat_by_seed():
    due = server.arrivals(1000, 20, "a")
    gaps = [b - a for a, b in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1e6, rel=0.03)
    assert spread == pytest.approx(mean, rel=0.05)  # exponential: deviation and mean are the same
    assert due == server.arrivals(1000, 20, "a") != server.arrivals(1000, 20, "b")
    assert len(server.arrivals(0.01, 0.1, "a")) == 1


def queue(load, seconds, seed, service):
    """Latencies of one server with a queue and a constant service time, in nanoseconds."""
    free, found = 0.0, []
    for due in server.arrivals(load, seconds, seed):
        free = max(free, due) + service
        found.append(free - due)
    return found


def searched(windows, service=2 * MS, bound=20.0, disturbed=0.0, busy_from=1000):
    """The search against a simulated server, until it ends or after so many windows."""
    rng, turns = random.Random(0), []
    ceiling = 1e9 / service
    for number in range(windows):
        load = server.search(turns, ceiling, bound).load
        slow = service * (3 if rng.random() < disturbed or number >= busy_from else 1)
        times = queue(load, 2.0, str(number), slow)
        turns.append(Turn(times, len(times), 0, 1, load, ceiling))
        found = server.search(turns, ceiling, bound)
        if len(found.proofs or ()) >= server.PROOFS:
            break
    return turns, found


def test_the_search_ends_below_saturation_at_a_load_that_holds():
    turns, found = searched(server.MOST_WINDOWS)
    assert len(found.proofs) == server.PROOFS
    assert server._p99(found.proofs) <= 20
    assert 0.65 * 500 < found.load < 500  # M/D/1 waits 20 ms in the 99th percentile near 0.8 of it
    assert found.load < found.above <= 500
    tried = [turn.load for turn in turns]
    assert max(tried) < 500


def test_a_disturbed_window_does_not_end_the_search_low():
    calm = searched(server.MOST_WINDOWS)[1].load
    assert searched(server.MOST_WINDOWS, disturbed=0.15)[1].load > 0.6 * calm


def test_a_machine_that_gets_busy_does_not_use_the_search_up():
    """
    Given: a third of the speed from the end of the bisection on
    Result: the search still ends with a load that is proven, of what is left
    """
    turns, found = searched(server.MOST_WINDOWS, busy_from=9)
    assert len(turns) < server.MOST_WINDOWS
    assert len(found.proofs) == server.PROOFS
    assert 0 < found.load < 500 / 3


def test_a_bound_below_the_service_time_is_missed_at_every_load(plan):
    turns, found = searched(server.MOST_WINDOWS, bound=1.0)
    told = server.figures(turns, plan(latency_bound_ms=1.0), 1)
    assert found.load == min(turn.load for turn in turns)
    assert told["server"]["held"] is False
    assert told["server"]["load_per_s"] == told["throughput_per_s"] == 0


def test_an_unfinished_search_proves_nothing(plan):
    turns, _ = searched(3)
    told = server.figures(turns, plan(latency_bound_ms=20), 1)
    assert told["server"]["held"] is False
    assert "not over after 3 windows" in told["server"]["reason"]
    assert told["samples"] > 0


def falling(times):
    """A block that takes the next of these milliseconds, then the last for ever."""
    left = list(times)

    def block(count):
        milliseconds = left.pop(0) if len(left) > 1 else left[0]
        time.sleep(count * milliseconds / 1e3)
        return Turn([milliseconds * MS] * count, count, 0, count)

    return block


def test_warming_up_lasts_until_times_fall_no_more():
    slow = warm_up(falling([200, 100, 80, 60, 40, 30, 20]), 10)
    quick = warm_up(falling([20]), 10)
    assert slow.inferences >= 6 + 4
    assert quick.inferences < slow.inferences
    assert slow.ns == pytest.approx(20 * MS, rel=0.3)


def test_warming_up_is_bounded_by_time():
    began = time.perf_counter()
    warm = warm_up(falling([100 * 0.9**at for at in range(100)]), 0.3)
    assert time.perf_counter() - began < 1
    assert warm.inferences >= 3
    assert warm_up(falling([200]), 0.001).inferences == 1


def test_steady():
    assert not steady([])
    assert not steady([9, 9, 9, 9])
    assert steady([9, 9, 9, 9, 9])
    assert not steady([900, 9, 9, 9, 9])
    assert steady([900, 9, 9, 9, 9, 9])
    assert not steady([9, 8, 7, 6, 5])
