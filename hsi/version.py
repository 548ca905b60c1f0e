"""The version, the name of the distribution (``hsi`` is another project on PyPI), and how to install its extras."""

from pathlib import Path

__version__ = "0.1.0"
DISTRIBUTION = "hsi-landcover"


def install_hint(extra: str) -> str:
    """The command that installs the packages of an extra; in a checkout, one that works there."""
    if (Path(__file__).resolve().parent.parent / "setup.cfg").exists():
        return f"pip install -e '.[{extra}]' in the checkout's folder"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
