"""Successive halving: short measurements of all, longer ones of those that may yet be the best.

It knows names and samples alone. Members of a family differ in how they run; the first of each is
its plainest. A family whose plainest member is far behind is not looked into: settings do not make
that good. Each later rung is three times as long as the one before, for a third of the members.
"""

from __future__ import annotations

from collections.abc import Sequence

from optkit.tune.race import FACTOR, FEW, SLACK, Identity, Measure, Race, Split
from optkit.tune.standing import Standing

RUNGS = 4
SHORTEST = 0.1


def rung_seconds(seconds: float) -> list[float]:
    """How long each member is measured in each rung; the last takes the full time."""
    lengths = [seconds / FACTOR**at for at in reversed(range(RUNGS))]
    return [length for length in lengths[:-1] if length >= SHORTEST] + [seconds]


def search(
    families: Sequence[Sequence[str]],
    measure: Measure,
    split: Split,
    seconds: float,
    companion: str | None = None,
    identity: Identity = lambda _: None,
) -> dict[str, Standing]:
    """Find the best member that keeps its constraints, by ever longer measurements of ever fewer.

    The members of a rung are compared by their ratios, round by round, to one reference, the
    leader of the rung before, which is measured along with each part: so the machine's ups and
    downs meet both, and the luck that made it the leader favours nobody.

    Args:
        families: names of members, the plainest of each family first.
        measure: called once for each part.
        split: parts of what a rung measures; the reference comes on top.
        seconds: of the last rung.
        companion: measured along for comparison, once: in the first rung after the plain ones; it
            may be a member.
        identity: members for which it gives the same go on as one; None says that it cannot tell.

    Returns:
        Every member's standing; of those that `held`, the one of the highest value is the best.
    """
    race = Race(measure, split, {name: Standing() for family in families for name in family})
    lengths = rung_seconds(seconds)
    final = len(lengths) - 1
    plain = [family[0] for family in families]
    if len(plain) < len(race.standings):
        parts = race.run(plain, lengths[0], 0)
        race.look_into(families, parts)
    race.drop_doubles(identity)
    for rung, length in enumerate(lengths):
        names = race.unmeasured() if rung == 0 < final else race.going_on()
        along = companion if rung == min(1, final) else None
        if rung in {0, final} or along or len(names) > FEW:
            race.run(names, length, rung, along)
        race.drop_missed(1.0 if rung == final else SLACK)
        race.drop_doubles(identity)
        if rung < final:
            race.cut()
    while not race.hold() and race.bring_back():
        race.run(race.going_on(), lengths[-1], final, companion)
        race.drop_missed(1.0)
    return race.standings
