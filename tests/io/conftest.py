"""A server of files for the tests of readers."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A folder and the address under which its files are served."""
    folder = tmp_path_factory.mktemp("served")
    program = Path(__file__).parent / "formats" / "range_server.py"
    with subprocess.Popen([sys.executable, program, folder], stdout=subprocess.PIPE, text=True) as server:
        yield folder, f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.kill()
