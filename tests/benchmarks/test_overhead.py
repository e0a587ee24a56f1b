"""Claim: the harness adds less than 3 % to the latency of an inference of one millisecond.

Against a bare loop over the very request that the harness drives, in turn in one process: two
compilations of one model differ by more than the harness costs.
"""

import pytest
from measuring import python
from timing import SECONDS, contender, stack

from optkit.benchmark.spec import Plan, plan_to_json
from optkit.core.settings import Settings

pytestmark = pytest.mark.bench

CODE = """
import json, sys, time
from dataclasses import replace
from optkit.benchmark.scenarios import single_stream
from optkit.benchmark.spec import plan_from_json, read_inputs
from optkit.core.stats import paired_ratio, percentile
from optkit.runtimes import openvino as runtime

plan = plan_from_json(json.loads(sys.argv[1]))
given = plan.contenders[0]
arrays = read_inputs(given.inputs)
requests, requested = [], runtime._requested
runtime._requested = lambda *a: requests.append(requested(*a)) or requests[-1]
session = runtime.open_session(given.artifact, given.settings)
block = single_stream.prepare(replace(session, submit=None), arrays, plan).block
request, *_ = requests[0]

def bare(count):
    times = []
    for _ in range(count):
        began = time.perf_counter_ns()
        request.infer()
        times.append(time.perf_counter_ns() - began)
    return times

block(50), bare(50)
ours, theirs = [], []
until = time.monotonic() + 2 * plan.seconds
while time.monotonic() < until:
    ours.append(block(10).times)
    theirs += [bare(10), bare(10)]
    ours.append(block(10).times)
middle = percentile([sample for samples in theirs for sample in samples], 50) / 1e6
print(json.dumps([middle, *paired_ratio(ours, theirs)]))
"""


def test_the_harness_costs_little(table, tmp_path) -> None:
    model = stack(14, tmp_path / "stack.xml")
    one = contender("stack", model, Settings(threads=1, hint="latency", api="sync"), tmp_path)
    told = python(CODE, json_of(Plan((one,), seconds=SECONDS)))
    bare, ratio, low, high = told
    table(
        "the harness around an inference of about a millisecond",
        [("bare inference, median (ms)", bare),
         ("harness / bare (at most 1.03)", ratio), ("interval from", low), ("to", high)],
    )  # fmt: skip
    assert 0.3 < bare < 5  # else it says nothing about a millisecond
    assert ratio <= 1.03


def json_of(plan: Plan) -> str:
    import json

    return json.dumps(plan_to_json(plan))
