"""Requests while work is under way are one more round of it."""

import pytest

from hsi.labelling.page.latest_work import LatestWork


def test_requests_meanwhile_are_done_once_after_it():
    rounds = []

    def act():
        rounds.append(len(rounds))
        if len(rounds) == 1:
            assert not work.request() and not work.request()

    work = LatestWork(act)
    assert work.request()
    work.work()
    assert rounds == [0, 1]
    assert work.request()


def test_a_failure_does_not_hold_up_the_next_request():
    work = LatestWork(lambda: 1 / 0)
    assert work.request()
    with pytest.raises(ZeroDivisionError):
        work.work()
    assert work.request()
