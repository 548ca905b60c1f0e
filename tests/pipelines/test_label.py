"""``hsi label`` as people use it: in a real browser, with a server that is started by the command."""

import re
import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from hsi.core.synthetic import make_scene
from tests.conftest import run_in_subprocess, started
from tests.io.file_makers import envi

NAMES = ("corn", "water", "forest", "roads & <b>paths</b>", "bare soil")
WIDER = """[...document.querySelectorAll("body, main > *")].filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => one.className)"""  # parts of the page that are cut at the right
STARTED, FINISHED = 60_000, 400_000  # milliseconds


def test_labels_that_cannot_be_drawn_on_and_missing_packages_are_named(run, scenes, monkeypatch):
    done = run("label", scenes["tiff"], "--labels", "truth.tif")
    assert (done.code, "truth.tif" in done.stderr) == (2, True)
    assert run("label", "nowhere.hdr").code == 1
    monkeypatch.setitem(__import__("sys").modules, "bokeh.server.server", None)
    done = run("label", scenes["tiff"])
    assert (done.code, "pip install 'hsi-landcover[label]'" in done.stderr) == (2, True)


@dataclass
class Labelling:
    """The page in a browser, and what went wrong in it."""

    page: Any
    process: Any
    complaints: list[str] = field(default_factory=list)

    def model(self, code):
        """A value of the document in the browser; ``picture`` is the figure, ``find(type)`` a model of a type."""
        return self.page.evaluate(
            """(code) => {
              const models = [...Bokeh.documents[0]._all_models.values()]
              const find = (type) => models.find((model) => model.type == type)
              const picture = Bokeh.documents[0].get_model_by_name("picture")
              const column = (source, name) => Array.from(source.data.get ? source.data.get(name) : source.data[name])
              const names = ["models", "find", "picture", "column"]
              return new Function(...names, `return ${code}`)(models, find, picture, column)
            }""",
            code,
        )  # fmt: skip

    def place(self, row, column):
        """Where a place in pixels is on the screen."""
        box = self.page.locator(".bk-Figure").first.bounding_box()
        left, right, bottom, top = self.model(
            "[picture.x_range.start, picture.x_range.end, picture.y_range.start, picture.y_range.end]"
        )
        x, y = (column - left) / (right - left), (row - top) / (bottom - top)
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def classes(self):
        """Name, pixels and shapes of each class in the list."""
        columns = self.model("['name', 'pixels', 'shapes'].map((name) => column(find('DataTable').source, name))")
        return list(zip(*columns, strict=True))

    def wait(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.classes(), self.complaints)
            self.page.wait_for_timeout(50)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def message(self):
        """The line at the top of the page."""
        return self.model("models.find((model) => model.name == 'message').text")

    def focused(self):
        """Tag and text of the element that has the focus, and whether that is seen."""
        return self.page.evaluate(
            """() => {
              let element = document.activeElement
              while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
              const ring = getComputedStyle(element)
              return [element.tagName, element.innerText ?? "", element.className.includes?.("bk-events")
                      || ring.outlineStyle == "solid" && parseFloat(ring.outlineWidth) >= 2]
            }"""
        )

    def tab_to(self, text):
        """Go on with Tab to what shows a text, and check that each step is seen."""
        for _ in range(60):
            self.press("Tab")
            tag, found, ringed = self.focused()
            assert ringed or tag == "BODY", (tag, found)
            if text in found:
                return found
        raise AssertionError(f"{text} is not reached")

    def polygon(self, row, column, side):
        """Draw a square by mouse."""
        before = sum(shapes for _, _, shapes in self.classes())
        self.press("p")
        for corner in ((0, 0), (0, side), (side, side), (side, 0)):
            self.page.mouse.click(*self.place(row + corner[0], column + corner[1]))
            self.page.wait_for_timeout(450)  # two clicks in quick succession are a double click
        self.press("Enter")
        self.wait(lambda: sum(shapes for _, _, shapes in self.classes()) == before + 1)

    def add_class(self, name):
        count = len(self.classes())
        self.page.get_by_role("button", name="Add class").click()
        self.wait(lambda: len(self.classes()) == count + 1)
        self.rename(name)

    def rename(self, name):
        self.page.get_by_placeholder("name", exact=True).fill(name)
        self.press("Enter")
        self.wait(lambda: name in [known for known, _, _ in self.classes()])

    def colours(self):
        """How many colours the map in the browser has; 0 without a map."""
        return self.model(
            "(models.filter((m) => m.type == 'ColumnDataSource' && (m.data.has?.('image') || m.data.image))"
            ".map((m) => column(m, 'image')[0]).map((i) => (i ? new Set(i.data ?? i).size : 0))[1] ?? 0)"
        )


@pytest.fixture
def labelling(browser, tmp_path):
    """Start ``hsi label`` and open its page: ``with labelling(scene) as seen``."""

    @contextmanager
    def work(scene, *options, size=(1366, 768)):
        with started("label", scene, "--no-browser", *options, cwd=tmp_path) as process:
            line = next(line for line in process.stdout if line.startswith("open"))
            address = line.split()[1]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            page = context.new_page()
            seen = Labelling(page, process)
            page.on("pageerror", lambda error: seen.complaints.append(str(error)))
            page.on("request", lambda request: seen.complaints.append(request.url) if strange(request.url) else None)
            page.goto(address)
            page.wait_for_selector(".bk-Figure", timeout=STARTED)
            seen.wait(lambda: seen.model("picture.inner_height ?? 0") > 0)
            page.wait_for_timeout(1000)
            yield seen
            assert seen.complaints == []
            context.close()

    def strange(url):
        return not re.match(r"(https?|ws)://127\.0\.0\.1:\d+/|data:|blob:", url)

    return work


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A scene of five classes, and for each the corners of two squares of pixels of that class alone."""
    cube, _, wavelengths = make_scene(70, 90, 24, 5, 24, seed=1)
    truth = make_scene(70, 90, 24, 5, 24, seed=1, labelled_share=1.0)[1]
    path = envi(
        tmp_path_factory.mktemp("scene") / "field.hdr", cube, wavelength=[f"{value:.2f}" for value in wavelengths]
    )
    places = {}
    for number in range(1, 6):
        found = []
        for row in range(2, 60, 3):
            for column in range(2, 80, 3):
                alone = (truth[row - 1 : row + 8, column - 1 : column + 8] == number).all()
                if alone and all(abs(row - r) + abs(column - c) > 20 for r, c in found):
                    found.append((row, column))
        places[number] = found[:2]
    assert all(places.values())
    return path, places


@pytest.mark.slow
def test_from_nothing_to_a_map_that_the_commands_make_again(labelling, made, tmp_path):
    scene, places = made
    with labelling(scene) as seen:
        for number, name in enumerate(NAMES, 1):
            seen.add_class(name)
            for row, column in places[number]:
                seen.polygon(row, column, 6)
        seen.wait(lambda: seen.colours() >= 5)
        drawn = seen.classes()
        assert [name for name, _, _ in drawn] == [*NAMES]
        assert seen.page.locator("b", has_text="paths").count() == 0  # markup is text
        seen.press("Control+z")
        seen.wait(lambda: seen.classes() != drawn)
        seen.press("Control+y")
        seen.wait(lambda: seen.classes() == drawn)
        seen.press("1")
        seen.page.wait_for_timeout(500)
        seen.rename("maize")
        drawn = seen.classes()
        seen.process.kill()  # in the middle of the work
        seen.process.wait()
    with labelling(scene) as seen:
        assert seen.classes() == drawn
        seen.wait(lambda: seen.colours() >= 5)
        seen.page.locator("select").filter(has_text="hybridsn-ds-gap").select_option("hybridsn-ds-gap")
        seen.tab_to("Finish")
        seen.press("Enter")
        seen.page.get_by_text("Written:").wait_for(timeout=FINISHED)
        out, _ = seen.process.communicate(timeout=60)
    folder = tmp_path / re.search(r"^written +(.+)$", out, re.MULTILINE)[1]
    assert {"map.tif", "report.html", "run.json"} <= {path.name for path in folder.iterdir()}
    command = next(line.split(maxsplit=0)[0] for line in out.splitlines() if "hsi train" in line)
    words = shlex.split(command[command.index("hsi train") :])[1:]
    again = run_in_subprocess(*words, cwd=tmp_path)
    assert again.code == 0, again.stderr
    made_again = load_file(tmp_path / words[words.index("--out") + 1])
    first = load_file(next(folder.glob("*.safetensors")))
    assert made_again.keys() == first.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, made_again[name])


@pytest.mark.slow
def test_the_keyboard_alone_goes_from_a_first_class_to_finish(labelling, made, tmp_path):
    scene, places = made
    with labelling(scene, "--labels", tmp_path / "keys.gpkg") as seen:
        row, column = 35, 45  # of the cursor
        seen.press("f")
        for number, name in enumerate(("prd corn", "water"), 1):  # letters that choose tools outside of a field
            seen.tab_to("Add class")
            seen.press("Enter")
            seen.wait(lambda: seen.focused()[0] == "INPUT")
            seen.page.keyboard.type(name)
            seen.press("Enter")
            seen.wait(lambda known=name: known in [one for one, _, _ in seen.classes()])
            for down, right in places[number]:
                across = "ArrowRight" if right > column else "ArrowLeft"
                seen.press(*["ArrowDown" if down > row else "ArrowUp"] * abs(down - row))
                seen.press(*[across] * abs(right - column))
                seen.press("p", " ", *["ArrowRight"] * 6, " ", *["ArrowDown"] * 6, " ", "Enter")
                row, column = down + 6, right + 6
            seen.wait(lambda known=number: seen.classes()[known - 1][2] == 2)
        assert [shapes for _, _, shapes in seen.classes()] == [2, 2]
        seen.press("Control+z")
        seen.wait(lambda: seen.classes()[1][2] == 1)
        seen.press("Control+y", "F2")
        seen.wait(lambda: seen.focused()[0] == "INPUT" and seen.classes()[1][2] == 2)
        seen.page.keyboard.type("lake")
        seen.press("Escape", "F2")
        seen.wait(lambda: seen.focused()[0] == "INPUT")
        seen.page.keyboard.type("river")
        seen.press("Enter")
        seen.wait(lambda: [name for name, _, _ in seen.classes()] == ["prd corn", "river"])
        seen.press("n")
        seen.wait(lambda: "draw here" in seen.message())
        names = [seen.tab_to("") for _ in range(35)]
        assert {"Merge", "Delete", "Import", "Keys", "Polygon", "Train network", "Finish"} <= {*names}
        seen.tab_to("hybridsn")
        seen.press("ArrowDown")
        seen.tab_to("Finish")
        seen.press("Enter")
        seen.wait(lambda: "writing labels, model, map and report" in seen.message())


@pytest.mark.slow
def test_every_tool_of_the_mouse_draws(labelling, made, tmp_path):
    scene, _ = made
    with labelling(scene, "--labels", tmp_path / "new.gpkg", size=(1920, 1080)) as seen:
        for key, drags, moves in (("b", True, 8), ("r", True, 8), ("d", False, 1), ("g", False, 1)):
            before = sum(pixels for _, pixels, _ in seen.classes())
            seen.press(key)
            seen.page.wait_for_timeout(800)
            row = {"b": 5, "r": 20, "d": 40, "g": 55}[key]
            seen.page.mouse.move(*seen.place(row + 0.5, 20.5))
            seen.page.mouse.down()
            if drags:
                seen.page.mouse.move(*seen.place(row + 5.5, 40.5), steps=moves)
            seen.page.mouse.up()
            seen.wait(lambda count=before: sum(pixels for _, pixels, _ in seen.classes()) > count)
        ((_, _, shapes),) = seen.classes()
        assert shapes == 4
        long = "maize with undersown clover <b>and</b> grass strips " * 2
        seen.rename(long.strip())
        assert seen.page.locator(".name").get_attribute("title") == long.strip()  # the list cuts it
        seen.page.get_by_placeholder("file of classes").fill(f"/nowhere/{'long' * 60}.gpkg")
        seen.press("Enter")
        seen.wait(lambda: "there is no such file" in seen.message())
        seen.page.set_viewport_size({"width": 1366, "height": 768})
        seen.page.wait_for_timeout(1000)
        assert seen.page.evaluate(WIDER) == []
