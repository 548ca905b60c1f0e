"""Freed memory is retained within the block, and returned afterwards."""

import sys

import numpy as np
import pytest

from hsi.core.devices import retain_freed_memory
from hsi.core.memory import resident_memory

MB = 10**6


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_freed_memory_stays_until_the_end():
    before = resident_memory()
    with retain_freed_memory():
        large = np.ones(200 * MB, np.uint8)
        del large
        during = resident_memory()
    after = resident_memory()
    assert during - before > 150 * MB
    assert after - before < 50 * MB


def test_an_error_inside_comes_out():
    with pytest.raises(KeyError), retain_freed_memory():
        raise KeyError
