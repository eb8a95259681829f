"""Which answers are a pair, and when it agrees."""

from __future__ import annotations

import pytest

from regnant.api.rollout_status import Pairs
from regnant.controllers.ledger import Ledger, Mark, Sample, ServerAnswers
from regnant.controllers.pairing import MAX_WAITING, PATIENCE, Pairing
from regnant.probes.server import Outcome, OutcomePage
from tests.unit.ledger.samples import KEY, outcome, statistics, told

REIGNING, CANDIDATE = "10.0.1.1", "10.0.2.1"


def join(
    *rounds: tuple[list[Outcome], list[Outcome]],
    tolerance: float | None = None,
    pairing: Pairing | None = None,
) -> Pairs:
    """The pairs of what champion and challenger tell, look by look."""
    joining, total = pairing or Pairing(), Pairs()
    for now, (champion, challenger) in enumerate(rounds):
        total += joining.join(champion, challenger, now=now, tolerance=tolerance)
    return total


ONE, OTHER = outcome(1, "r1"), outcome(1, "r1", shadow=True)


@pytest.mark.parametrize(
    "rounds",
    [
        [([ONE], [OTHER])],
        [([ONE], []), ([], [OTHER])],
        [([], [OTHER]), ([ONE], [])],
        [([], [OTHER]), ([], []), ([ONE], [])],
    ],
)
def test_both_halves_may_come_in_any_order(
    rounds: list[tuple[list[Outcome], list[Outcome]]],
) -> None:
    assert join(*rounds) == Pairs(total=1, agreeing=1)


def test_answers_to_other_requests_are_no_pair() -> None:
    assert join(([ONE], [outcome(1, "r2")])) == Pairs()


def test_rows_of_different_requests_with_one_id_are_no_pair() -> None:
    assert join(([ONE], [outcome(1, "r1", row=3)])) == Pairs()


@pytest.mark.parametrize(
    ("other", "tolerance", "agrees"),
    [
        (outcome(1, "r1", label="no"), None, False),
        (outcome(1, "r1", score=0.9), None, True),
        (outcome(1, "r1", score=0.75), 0.25, True),
        (outcome(1, "r1", score=0.75), 0.2499, False),
        (outcome(1, "r1", label="no", score=0.5), 0.25, False),
        (outcome(1, "r1", score=None), None, True),
        (outcome(1, "r1", score=None), 1.0, False),
    ],
)
def test_a_pair_agrees_by_its_label_and_where_asked_by_its_score(
    other: Outcome, tolerance: float | None, agrees: bool
) -> None:
    assert join(([ONE], [other]), tolerance=tolerance) == Pairs(total=1, agreeing=int(agrees))
    assert join(([], [other]), ([ONE], []), tolerance=tolerance).agreeing == int(agrees)


def test_two_answers_without_a_number_agree() -> None:
    one, other = (outcome(1, "r1", label=None, score=None) for _ in range(2))
    assert join(([one], [other]), tolerance=0.1) == Pairs(total=1, agreeing=1)


def test_of_several_answers_to_one_id_the_first_counts() -> None:
    again = outcome(2, "r1", label="no")
    assert join(([ONE, again], [OTHER])) == Pairs(total=1, agreeing=1)
    assert join(([ONE], [OTHER]), ([again], [again])) == Pairs(total=1, agreeing=1)
    assert join(([again], []), ([ONE], [OTHER])) == Pairs(total=1, agreeing=0)


def test_an_answer_is_waited_for_so_long_and_no_longer() -> None:
    pairing = Pairing()
    pairing.join([], [OTHER], now=0, tolerance=None)
    assert pairing.join([ONE], [], now=PATIENCE, tolerance=None).total == 1
    pairing = Pairing()
    pairing.join([], [OTHER], now=0, tolerance=None)
    assert pairing.join([ONE], [], now=PATIENCE + 1, tolerance=None) == Pairs()


def test_so_many_answers_wait_and_no_more() -> None:
    pairing = Pairing()
    many = [outcome(number, f"r{number}", shadow=True) for number in range(MAX_WAITING + 5)]
    pairing.join([], many, now=0, tolerance=None)
    assert len(pairing._requests) == MAX_WAITING
    assert join((many, []), pairing=pairing).total == MAX_WAITING


def look(
    moment: float,
    champion: OutcomePage | None = None,
    challenger: OutcomePage | None = None,
    *,
    boot: str = "a",
    last: int = 0,
) -> Sample:
    """A look at one server of each; the challenger's was started as `boot` says."""
    return Sample(
        moment,
        moment + 0.5,
        champion=ServerAnswers(
            {REIGNING: statistics(last=last)}, {REIGNING: champion} if champion else {}
        ),
        challenger=ServerAnswers(
            {CANDIDATE: statistics(boot, last=last)}, {CANDIDATE: challenger} if challenger else {}
        ),
    )


def add(ledger: Ledger, sample: Sample) -> Pairs:
    return ledger.add(KEY, "shadow", sample, tolerance=None, shadowed=True).pairs


def test_outcomes_from_before_a_period_are_none_of_it() -> None:
    ledger = Ledger()
    assert ledger.marks(KEY, "shadow") == {}
    add(ledger, look(0, last=40))
    assert ledger.marks(KEY, "shadow") == {REIGNING: Mark("a", 40), CANDIDATE: Mark("a", 40)}
    assert ledger.marks(KEY, "step-10") == {}
    old = told(outcome(40, "old"), outcome(41, "new"))
    copies = told(outcome(40, "old", shadow=True), outcome(41, "new", shadow=True))
    assert add(ledger, look(1, old, copies)).total == 1


def test_a_page_that_is_read_again_counts_nothing() -> None:
    ledger = Ledger()
    add(ledger, look(0))
    pages = told(outcome(1, "r1")), told(outcome(1, "r1", shadow=True))
    assert add(ledger, look(1, *pages)).total == 1
    assert ledger.marks(KEY, "shadow")[CANDIDATE] == Mark("a", 1)
    assert add(ledger, look(100, *pages)).total == 1


def test_what_a_server_answered_since_it_began_again_is_read_from_the_start() -> None:
    ledger = Ledger()
    add(ledger, look(0, last=7))
    page = told(outcome(8, "r1", shadow=True), boot="b")
    add(ledger, look(1, told(outcome(8, "r1")), page, boot="b", last=8))
    assert ledger.marks(KEY, "shadow")[CANDIDATE] == Mark("b", 0)
    page = told(outcome(1, "r1", shadow=True), boot="b")
    assert add(ledger, look(2, None, page, boot="b", last=8)).total == 1


def test_only_a_users_answer_and_its_copys_are_a_pair() -> None:
    ledger = Ledger()
    add(ledger, look(0))
    users = told(outcome(1, "r1"))
    assert add(ledger, look(1, users, users)).total == 0
    copies = told(outcome(2, "r2", shadow=True))
    assert add(ledger, look(2, copies, copies)).total == 0
