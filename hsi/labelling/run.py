"""From a scene to a page in the browser, until it is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hsi.core.events import warning
from hsi.labelling.page import Page
from hsi.labelling.server import PageServer
from hsi.labelling.session import LabelSession
from hsi.settings import InputSettings

if TYPE_CHECKING:
    from bokeh.document import Document


@dataclass(frozen=True)
class Outcome:
    """What a sitting leaves: the file of the ``labels``, the ``folder`` of the run where it was finished, and the
    commands that make it again."""

    labels: Path
    folder: Path | None = None
    commands: tuple[str, ...] = ()


def label_scene(
    path: Path,
    options: InputSettings,
    *,
    browser: bool = True,
    port: int = 0,
    max_memory: str | None = None,
    opened: Callable[[str], None] = lambda address: None,
) -> Outcome:
    """Serve the page of ``hsi label`` for a scene until it is finished; ``opened`` gets its address.

    Raises what :class:`LabelSession` and :class:`PageServer` raise.
    """
    session = LabelSession(path, options, max_memory)
    pages: list[Page] = []

    def build(document: Document) -> None:
        for page in pages:
            page.close()
        pages[:] = [Page(session, document)]

    try:
        server = PageServer(build, port)
        session.end = server.stop
        session.start()
        opened(server.address)
        server.run(browser)
    except KeyboardInterrupt:
        pass
    finally:
        session.close()
    if not session.store.path.exists():
        warning(f"{session.store.path}: nothing was drawn, so there is no file of labels")
    finished = session.outcome
    if finished is None:
        return Outcome(session.store.path)
    return Outcome(session.store.path, finished.folder, finished.commands)
