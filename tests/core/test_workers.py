"""Worker threads run what is submitted, hand errors over, and are gone after close."""

import threading
import time

import pytest

from optkit.core.settings import Settings
from optkit.core.workers import resolved, shared_out, side_by_side


def names():
    return {thread.ident for thread in threading.enumerate()}


class Gate:
    """An inference that waits until it is let go, and counts how many are inside."""

    def __init__(self):
        self.go = threading.Event()
        self.inside = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, arrays):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.go.wait(10)
        with self.lock:
            self.inside -= 1


def test_every_submission_calls_back_and_close_leaves_no_thread():
    before = names()
    seen, done = [], []
    submit, close = side_by_side(3, 5, lambda lane: seen.append)
    assert names() == before, "threads start with the first submission"
    for number in range(50):
        submit({"x": number}, done.append)
    close()
    assert done == [None] * 50
    assert sorted(arrays["x"] for arrays in seen) == list(range(50))
    assert names() == before


def test_as_many_run_at_once_as_there_are_lanes_and_the_next_waits_for_a_slot():
    gate, done = Gate(), []
    submit, close = side_by_side(2, 3, lambda lane: gate)
    for _ in range(3):
        submit({}, done.append)
    fourth = threading.Thread(target=submit, args=({}, done.append))
    fourth.start()
    time.sleep(0.05)
    assert fourth.is_alive(), "all slots are taken"
    assert gate.inside == 2
    gate.go.set()
    fourth.join(10)
    close()
    assert (gate.most, done) == (2, [None] * 4)


def test_an_error_is_handed_over_and_the_lane_goes_on():
    def infer(arrays):
        if arrays["x"] == 1:
            raise ValueError("one")

    done = []
    submit, close = side_by_side(1, 1, lambda lane: infer)
    for number in range(3):
        submit({"x": number}, done.append)
    close()
    assert [str(error) for error in done] == ["None", "one", "None"]


def test_a_lane_that_cannot_be_entered_hands_its_error_over():
    def enter(lane):
        raise MemoryError("no room")

    done = []
    submit, close = side_by_side(1, 1, enter)
    submit({}, done.append)
    submit({}, done.append)
    close()
    assert [str(error) for error in done] == ["no room"] * 2


@pytest.mark.parametrize(
    ("settings", "streams", "threads", "nireq"),
    [
        ({}, 1, None, 1),
        ({"threads": 6}, 1, 6, 1),
        ({"threads": 6, "hint": "latency"}, 1, 6, 1),
        ({"threads": 6, "hint": "throughput"}, 6, 1, 6),
        ({"threads": 6, "hint": "throughput", "streams": 2}, 2, 3, 2),
        ({"threads": 6, "hint": "none", "streams": 4, "nireq": 9}, 4, 1, 9),
        ({"threads": 2, "streams": 5}, 5, 1, 5),
        ({"device": "CUDA", "threads": 6, "hint": "throughput"}, 2, 3, 2),
    ],
)
def test_shares(settings, streams, threads, nireq):
    share = shared_out(Settings(**settings))
    assert (share.streams, share.threads, share.nireq) == (streams, threads, nireq)


def test_settings_come_to_what_they_share_out():
    asked = Settings(hint="throughput", threads=2)
    assert resolved(asked) == resolved(Settings(hint="latency", threads=2, streams=2))
    assert resolved(asked) != resolved(Settings(hint="throughput", threads=2, streams=1))
