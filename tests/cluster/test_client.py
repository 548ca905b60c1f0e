"""Options that say where to work, and connecting to a cluster."""

import importlib.util

import pytest

from hsi.cluster.client import ClusterOptions
from hsi.errors import ClusterError, UsageError
from hsi.version import install_hint

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (ClusterOptions(), UsageError, "give scheduler or workers"),
        (ClusterOptions("tcp://host:8786", 2), UsageError, "give one of them"),
        (ClusterOptions(block_timeout=5), UsageError, "give scheduler or workers with it"),
        (ClusterOptions("tcp://127.0.0.1:9"), ClusterError, r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there"),
    ],
)
def test_options_that_give_no_cluster(options, error, says):
    with pytest.raises(error, match=says), options.connected():
        pass


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as error:
        ClusterOptions(workers=2).check()
    assert install_hint("cluster") in str(error.value)
