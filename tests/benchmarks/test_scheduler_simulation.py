"""The simulation of a cluster agrees with what can be worked out by hand."""

import pytest

from benchmarks import scheduler_simulation as simulation


def costs(**changed):
    usual = {"read": 1e8, "work": (10.0,), "result": 1e5, "write": 0.01, "schedule": 0.001}
    return simulation.Costs(**{**usual, **changed})


@pytest.mark.parametrize("workers", [1, 10])
def test_where_nothing_is_in_the_way_workers_share_the_work(workers):
    outcome = simulation.simulate(200, workers, costs(), storage=1e11, network=1e10)
    assert outcome.seconds == pytest.approx(200 * (10 + 1e8 / simulation.WORKER_LINK) / workers, rel=0.01)
    assert outcome.busy["workers"] > 0.97


def test_storage_is_where_it_ends():
    outcome = simulation.simulate(1000, 500, costs(), storage=1e9, network=1e10)
    assert outcome.seconds == pytest.approx(1000 * 0.1, rel=0.15)
    assert simulation.limit_of(outcome) == "storage"


def test_so_is_a_client_that_writes_slowly():
    outcome = simulation.simulate(1000, 500, costs(write=0.5), storage=1e11, network=1e10)
    assert outcome.seconds == pytest.approx(500, rel=0.05)
    assert simulation.limit_of(outcome) == "client"


def test_several_clients_share_the_writing():
    slow = costs(write=0.5)
    one, five = (
        simulation.simulate(1000, 500, slow, storage=1e11, network=1e10, clients=clients) for clients in (1, 5)
    )
    assert five.seconds == pytest.approx(one.seconds / 5, rel=0.15)


def test_every_block_is_done_though_workers_are_lost():
    calm, rough = (simulation.simulate(500, 20, costs(lost=lost), storage=1e11, network=1e10) for lost in (0.0, 0.1))
    assert calm.lost == 0 and 20 < rough.lost < 100
    assert rough.seconds > calm.seconds
