"""``report.html`` as people use it: in a real browser, of runs that were really made."""

import json
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.warp
import scipy.io

from hsi.core.colours import RIGHT, TRAINING, WRONG
from hsi.core.files import MANIFEST
from tests.conftest import IDS, run_here
from tests.pipelines.test_compare import in_this_process


def band(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as raster:
            return raster.read(1)


@dataclass
class Opened:
    """A report in a page of the browser; what went wrong in it is in ``complaints``."""

    page: Any
    shape: tuple[int, int]
    complaints: list[str] = field(default_factory=list)

    def place(self, row, column):
        """Where the middle of a pixel is on the screen when all of the map is shown."""
        box = self.page.locator("#canvas").bounding_box()
        height, width = self.shape
        scale = min(box["width"] / width, box["height"] / height)
        left, top = (box["width"] - width * scale) / 2, (box["height"] - height * scale) / 2
        return box["x"] + left + (column + 0.5) * scale, box["y"] + top + (row + 0.5) * scale

    def hover(self, row, column):
        self.page.mouse.move(*self.place(row, column))

    def click(self, row, column):
        self.page.mouse.click(*self.place(row, column))

    def cell(self, name):
        """A cell of the read-out."""
        return self.page.locator(f'#readout [data-of="{name}"]').inner_text()

    def colour(self, row, column):
        """What is drawn at a pixel, with the cursor out of the way."""
        self.page.mouse.move(0, 0)
        x, y = self.place(row, column)
        return self.page.evaluate(
            """([x, y]) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
                const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect();
                const ratio = canvas.width / box.width;
                const place = [Math.round((x - box.left) * ratio), Math.round((y - box.top) * ratio)];
                const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
                copy.drawImage(canvas, ...place, 1, 1, 0, 0, 1, 1);
                done([...copy.getImageData(0, 0, 1, 1).data].slice(0, 3));
            })))""",
            [x, y],
        )

    def layer(self, name):
        self.page.locator(f'#top-layers input[value="{name}"]').check()


@pytest.fixture
def opened(browser):
    """Open a report: ``with opened(path, shape) as seen``; nothing may be complained of and nothing fetched."""

    @contextmanager
    def work(path, shape=(36, 40), **options):
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 1500}, **options})
        page = context.new_page()
        seen = Opened(page, shape)
        page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.complaints.append(request.url) if strange(request.url) else None)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        yield seen
        assert seen.complaints == []
        context.close()

    def strange(url):
        return not url.startswith("data:") and not re.fullmatch(r"file:///.*\.html", url)

    return work


@pytest.fixture(scope="module")
def arrays(tiff_run, sample):
    """What the GeoTIFF run left, and the scene that it was made of."""
    names = ("map", "confidence", "split")
    return {"cube": sample.cube, "truth": sample.truth} | {name: band(tiff_run.out / f"{name}.tif") for name in names}


@pytest.fixture
def report(opened, tiff_run):
    with opened(tiff_run.out / "report.html") as seen:
        yield seen


@pytest.fixture(scope="module")
def classes(tiff_run):
    text = (tiff_run.out / "report.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["classes"]


class TestTheMap:
    def test_the_readout_is_what_the_arrays_hold(self, report, arrays):
        names = {0: "not labelled", **{int(i): f"class {i}" for i in IDS[1:]}}
        parts = ["not used", "training", "validation", "test"]
        for row, column in [(0, 0), (35, 39), (7, 21), *np.argwhere(arrays["split"] == 1)[:2].tolist()]:
            report.hover(row, column)
            assert report.cell("pixel") == f"{row}, {column}"
            assert report.cell("truth") == names[arrays["truth"][row, column]]
            assert report.cell("map") == names[arrays["map"][row, column]]
            assert report.cell("split") == parts[arrays["split"][row, column]]
            percent = float(report.cell("confidence").removesuffix(" %"))
            assert abs(percent - 100 * arrays["confidence"][row, column]) <= 0.5 + 100 * 0.5 / 254

    def test_the_place_is_that_of_the_raster(self, report, tiff_run):
        with rasterio.open(tiff_run.out / "map.tif") as raster:
            x, y = raster.xy(12, 33)
            (longitude,), (latitude,) = rasterio.warp.transform(raster.crs, "OGC:CRS84", [x], [y])
        report.hover(12, 33)
        assert report.cell("place") == f"{x:.0f}, {y:.0f}"
        found = [float(text.removesuffix("°")) for text in report.cell("degrees").split(", ")]
        assert found == pytest.approx([longitude, latitude], abs=1e-6)

    def test_layers_are_drawn_in_their_colours(self, report, arrays, classes):
        by_id = {entry["id"]: entry["colour"] for entry in classes}
        (row, column), wrong = np.argwhere(arrays["split"] == 3)[5], arrays["map"] != arrays["truth"]
        assert report.colour(row, column) == by_id[arrays["map"][row, column]]
        report.layer("truth")
        assert report.colour(row, column) == by_id[arrays["truth"][row, column]]
        report.layer("errors")
        assert report.colour(row, column) == list(WRONG if wrong[row, column] else RIGHT)
        tested = arrays["split"] == 3
        text = report.page.locator("#layer-key").inner_text()
        assert f"wrong: {np.count_nonzero(wrong & tested):,} " in text
        report.layer("split")
        assert report.colour(*np.argwhere(arrays["split"] == 1)[0]) == list(TRAINING)

    def test_opacity_shows_what_lies_below(self, report):
        above = report.colour(20, 20)
        report.page.locator("#opacity").fill("0")
        below = report.colour(20, 20)
        assert above != below
        report.layer("picture")
        report.page.locator("#opacity").fill("100")
        assert report.colour(20, 20) == below

    def test_swipe_parts_two_layers(self, report, arrays, classes):
        report.page.locator("#bottom-layer").select_option("split")
        report.page.locator("#swipe").click()
        by_id = {entry["id"]: entry["colour"] for entry in classes}
        left, right = (20, 6), next(p for p in np.argwhere(arrays["split"] == 1).tolist() if p[1] > 25)
        assert report.colour(*left) == by_id[arrays["map"][left]]
        assert report.colour(*right) == list(TRAINING)
        handle = report.page.locator("#swipe-handle")
        box = handle.bounding_box()
        report.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        report.page.mouse.down()
        report.page.mouse.move(report.place(0, 39)[0] + 3, box["y"] + 40)
        report.page.mouse.up()
        assert int(handle.get_attribute("aria-valuenow")) > 80
        assert report.colour(*right) == by_id[arrays["map"][tuple(right)]]
        handle.press("Home")
        assert handle.get_attribute("aria-valuenow") == "0"
        report.page.locator("#swipe").click()
        assert not handle.is_visible()

    def test_a_class_of_the_legend_is_shown_alone_until_all_are_shown(self, report, arrays, classes):
        report.page.locator("#bottom-layer").select_option("none")
        chosen = classes[1]
        here = tuple(np.argwhere(arrays["map"] == chosen["id"])[4])
        there = tuple(np.argwhere(arrays["map"] == classes[2]["id"])[4])
        both = report.colour(*here), report.colour(*there)
        button = report.page.locator("#legend button").nth(1)
        assert button.inner_text().split("\n") == [chosen["name"], f"{np.sum(arrays['map'] == chosen['id']):,}"]
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert report.colour(*here) == both[0] and report.colour(*there) != both[1]
        report.page.locator("#show-all").click()
        assert (report.colour(*here), report.colour(*there)) == both
        button.click()
        button.press("Escape")
        assert report.colour(*there) == both[1]

    def test_the_other_palette_is_one_click_away(self, report, arrays, classes):
        report.page.locator("#palette").click()
        safe = {entry["id"]: entry["safe"] for entry in classes}
        assert report.colour(20, 20) == safe[arrays["map"][20, 20]]
        swatch = report.page.locator("#accuracy-table .swatch").first
        shown = swatch.evaluate("mark => getComputedStyle(mark).backgroundColor")
        assert shown == "rgb({}, {}, {})".format(*classes[0]["safe"])

    def test_keys_move_a_cursor_plot_and_zoom(self, report):
        canvas = report.page.locator("#canvas")
        report.click(10, 10)
        for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "ArrowUp", "ArrowUp"):
            canvas.press(key)
        assert report.cell("pixel") == "9, 21"
        assert "row and column 9, 21, map class" in report.page.locator("#spoken").inner_text()
        canvas.press("Enter")
        report.page.wait_for_function(
            "document.getElementById('spectrum-text').textContent.startsWith('Row 9, column 21')"
        )
        before = report.colour(9, 21)
        for _ in range(3):
            canvas.press("+")
        report.page.mouse.move(*report.place(9, 21))
        assert report.cell("pixel") != "9, 21"
        canvas.press("0")
        assert report.colour(9, 21) == before

    def test_dragging_moves_the_map_and_picks_nothing(self, report):
        x, y = report.place(18, 20)
        report.page.mouse.move(x, y)
        report.page.mouse.down()
        report.page.mouse.move(x + 60, y + 30, steps=4)
        report.page.mouse.up()
        assert report.cell("pixel") in ("18, 20", "–")
        assert report.page.locator("#spectrum-text").inner_text().startswith("Click or tap")
        report.page.mouse.move(x + 61, y + 30)
        assert report.cell("pixel") == "18, 20"


def curve(page, kind):
    """The points of a line of the spectrum plot in the numbers of its axes, ``(bands, 2)``."""
    chart = page.locator("#spectrum-chart svg")
    path = page.locator(f"#spectrum-chart path.line.{kind}").get_attribute("d")
    points = np.array([pair.split(",") for pair in re.split("[ML]", path) if pair], float)
    low, high, first, last = (float(chart.get_attribute(f"data-{name}")) for name in ("low", "high", "first", "last"))
    width = float(chart.get_attribute("viewBox").split()[2])
    x = first + (points[:, 0] - 62) / (width - 76) * (last - first)
    y = low + (260 - points[:, 1]) / 248 * (high - low)
    return np.column_stack([x, y])


class TestSpectra:
    def test_a_click_plots_the_pixel_and_its_class(self, report, arrays):
        row, column = 12, 33
        report.click(row, column)
        report.page.wait_for_selector("#spectrum-chart svg")
        cube, code = arrays["cube"], arrays["map"][row, column]
        trained = cube[(arrays["split"] == 1) & (arrays["truth"] == code)].astype(float)
        step = np.ptp(cube) / 248
        pixel, mean = curve(report.page, "first"), curve(report.page, "second")
        np.testing.assert_allclose(pixel[:, 1], cube[row, column], atol=step)
        np.testing.assert_allclose(mean[:, 1], trained.mean(axis=0), atol=step)
        np.testing.assert_allclose(pixel[:, 0], np.arange(1, 25), atol=0.1)
        text = report.page.locator("#spectrum-text").inner_text()
        assert text.startswith(f"Row 12, column 33: mapped as class {code}, whose mean")
        assert f"over {len(trained)} of the training pixels" in text

    def test_the_chart_shows_the_values_under_the_pointer(self, report, arrays):
        report.click(12, 33)
        chart = report.page.locator("#spectrum-chart svg")
        chart.hover(position={"x": 65, "y": 80})
        text = report.page.locator("#spectrum-values").inner_text()
        assert text.startswith(f"band 1: this pixel {arrays['cube'][12, 33, 0]:,}, mean ")

    def test_gaps_where_bands_were_dropped_and_where_the_file_has_none(self, scenes, run, opened, tmp_path, no_figures):
        for part in scenes["envi"].parent.iterdir():
            (tmp_path / part.name).write_bytes(part.read_bytes())
        header = tmp_path / scenes["envi"].name
        jump = np.linspace(450, 2400, 24) + np.repeat([0, 300], 12)
        wavelengths = f"wavelength = {{ {', '.join(map(str, jump))} }}"
        header.write_text(re.sub(r"wavelength = \{.*?\}", wavelengths, header.read_text(), flags=re.DOTALL))
        done = run("classify", header, "--model", "gml", "--drop-bands", "5-7", "--window", 11, "--out", "run")
        assert done.code == 0, done.stderr
        with opened(tmp_path / "run" / "report.html") as seen:
            seen.click(12, 33)
            seen.page.wait_for_selector("#spectrum-chart svg")
            np.testing.assert_allclose(curve(seen.page, "first")[:, 0], np.delete(jump, range(4, 7)), atol=3)
            assert seen.page.locator("#spectrum-chart path.line.first").get_attribute("d").count("M") == 3


def luminance(colour):
    """Relative luminance of a colour of sRGB, 0 to 255 (WCAG 2.1)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(colour) / 255]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


class TestTheRest:
    def test_tables_are_sorted_by_their_headings(self, report):
        table = report.page.locator("#accuracy-table")
        rows = report.page.locator("#accuracy-table tbody tr")
        before = rows.all_inner_texts()
        table.get_by_role("button", name="Test").click()
        counts = [int(row.split("\t")[-1].replace(",", "")) for row in rows.all_inner_texts()]
        assert counts == sorted(counts, reverse=True)
        assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        table.get_by_role("button", name="Test").click()
        counts = [int(row.split("\t")[-1].replace(",", "")) for row in rows.all_inner_texts()]
        assert counts == sorted(counts)
        table.get_by_role("button", name="Id").click()
        assert rows.all_inner_texts() == before

    def test_the_page_holds_what_the_run_reported(self, report, tiff_run):
        accuracy = json.loads((tiff_run.out / "accuracy.json").read_text())
        record = json.loads((tiff_run.out / "run.json").read_text())
        text = report.page.locator("body").inner_text()
        assert f"{100 * accuracy['overall_accuracy']:.2f}" in text and f"{accuracy['kappa']:.4f}" in text
        assert accuracy["audit"]["in_words"][1:] in text
        assert all(value in text for value in record["inputs"]["sha256"].values())
        assert record["versions"]["torch"] in text and "hsi classify" in text
        links = report.page.locator(".files a").evaluate_all("all => all.map((link) => link.getAttribute('href'))")
        there = {path.relative_to(tiff_run.out).as_posix() for path in tiff_run.out.rglob("*") if path.is_file()}
        assert set(links) == there - {"report.html", MANIFEST}

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_light_and_dark_follow_the_system_until_chosen(self, opened, tiff_run, scheme):
        with opened(tiff_run.out / "report.html", color_scheme=scheme) as seen:
            paper = "getComputedStyle(document.body).backgroundColor"
            before = seen.page.evaluate(paper)
            assert (before == "rgb(20, 23, 26)") == (scheme == "dark")
            seen.page.locator("#theme").click()
            assert seen.page.evaluate(paper) != before

    def test_a_phone_need_not_scroll_sideways(self, opened, tiff_run):
        with opened(tiff_run.out / "report.html", viewport={"width": 420, "height": 900}) as seen:
            assert seen.page.evaluate("document.documentElement.scrollWidth") == 420

    def test_a_phone_shows_classes_with_their_accuracies_and_help_for_fingers(self, opened, tiff_run):
        phone = {"viewport": {"width": 420, "height": 900}, "has_touch": True, "is_mobile": True}
        with opened(tiff_run.out / "report.html", **phone) as seen:
            box = seen.page.locator("#accuracy .scroll")
            edge = box.bounding_box()["x"] + box.bounding_box()["width"]
            for name in ("Producer", "User"):
                heading = seen.page.locator("#accuracy-table th", has_text=name).bounding_box()
                assert heading["x"] + heading["width"] <= edge
            assert box.evaluate("one => one.classList.contains('more')")
            box.evaluate("one => one.scrollLeft = 9999")
            assert seen.page.locator("#accuracy-table td.name").first.bounding_box()["x"] < 30
            seen.page.wait_for_function("!document.querySelector('#accuracy .scroll').classList.contains('more')")
            assert seen.page.locator(".by-touch").is_visible() and not seen.page.locator("#keys").is_visible()

    def test_a_wide_screen_shows_read_out_and_spectrum_next_to_the_map(self, opened, tiff_run):
        wide = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}  # smooth scrolling takes time
        with opened(tiff_run.out / "report.html", **wide) as seen:
            seen.page.locator(".contents a", has_text="Map").click()
            seen.click(12, 20)
            seen.page.wait_for_selector("#spectrum-chart svg")
            right = seen.page.locator("#canvas").bounding_box()
            for part in ("#readout", "#spectrum-chart"):
                box = seen.page.locator(part).bounding_box()
                assert box["x"] > right["x"] + right["width"] and box["y"] >= 0 and box["y"] + box["height"] <= 900

    def test_contents_totals_and_print(self, report, tiff_run):
        anchors = report.page.locator(".contents a").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
        assert {"#map", "#accuracy", "#confusion", "#made"} < set(anchors)
        assert all(report.page.locator(anchor).count() == 1 for anchor in anchors)
        matrix = np.array(json.loads((tiff_run.out / "accuracy.json").read_text())["confusion_matrix"])
        totals = report.page.locator(".matrix tfoot td").all_inner_texts()
        assert [int(text) for text in totals] == [*matrix.sum(axis=0), matrix.sum()]
        report.page.emulate_media(media="print")
        swatch = report.page.locator(".matrix .swatch").first
        assert swatch.evaluate("one => getComputedStyle(one).printColorAdjust") == "exact"
        assert not report.page.locator(".contents").is_visible()

    def test_letters_on_pressed_buttons_contrast(self, report):
        for name in ("#swipe", "#palette"):
            button = report.page.locator(name)
            button.click()
            paper, ink = (
                [int(part) for part in re.findall(r"\d+", button.evaluate(f"one => getComputedStyle(one).{style}"))]
                for style in ("backgroundColor", "color")
            )
            light, dark = sorted((luminance(paper), luminance(ink)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.1, 1.4.3

    def test_without_a_place_none_is_shown(self, opened, mat_run):
        with opened(mat_run.out / "report.html") as seen:
            seen.hover(3, 4)
            assert seen.cell("pixel") == "3, 4"
            assert seen.page.locator('[data-of="place"], [data-of="degrees"]').count() == 0

    def test_names_with_markup_are_names(self, sample, run, opened, tmp_path, no_figures):
        from tests.io import file_makers

        name = "</script><script>document.title = 'changed'</script><img src=x onerror=alert(1)>"
        cube = file_makers.envi(tmp_path / "cube.hdr", sample.cube)
        codes = np.searchsorted(IDS, sample.truth).astype(np.uint8)[:, :, None]
        listed = {"file type": "ENVI Classification", "classes": 5, "class names": ["none", name, "b", "c", "d"]}
        file_makers.envi(tmp_path / "cube_gt.hdr", codes, **listed)
        done = run("classify", cube, "--model", "gml", "--window", 11, "--out", "run")
        assert done.code == 0, done.stderr
        with opened(tmp_path / "run" / "report.html") as seen:
            assert seen.page.title() == "cube – Classification"
            assert seen.page.locator("#legend .name").first.inner_text() == name
            assert seen.page.locator("#accuracy-table td.name").first.inner_text() == name
            assert seen.page.locator("img").count() == 0


class TestOtherCommands:
    def test_predict(self, tiff_run, scenes, run, opened, tmp_path, arrays):
        done = run("predict", tiff_run.out / "model.safetensors", scenes["tiff"], "--device", "cpu", "--out", "a.tif")
        assert done.code == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "open        a_report.html in a browser, or a.tif in QGIS"
        with opened(tmp_path / "a_report.html") as seen:
            seen.click(12, 33)
            seen.page.wait_for_selector("#spectrum-chart svg")
            np.testing.assert_allclose(curve(seen.page, "first")[:, 1], arrays["cube"][12, 33], atol=30)
            assert seen.cell("map") == f"class {band(tmp_path / 'a.tif')[12, 33]}"
            assert "sampled spectra of pixels mapped so" in seen.page.locator("#spectrum-text").inner_text()
            assert seen.page.locator("#areas tbody tr").count() == 4

    def test_evaluate(self, tiff_run, scenes, run, opened, tmp_path, arrays, classes):
        labels = scenes["tiff"].with_name("scene_gt.tif")
        done = run("evaluate", tiff_run.out / "map.tif", "--labels", labels, "--out", "e")
        assert done.code == 0, done.stderr
        with opened(tmp_path / "e" / "report.html") as seen:
            seen.layer("errors")
            counted = arrays["truth"] > 0
            wrong = np.count_nonzero(counted & (arrays["map"] != arrays["truth"]))
            assert f"wrong: {wrong:,} " in seen.page.locator("#layer-key").inner_text()
            seen.layer("map")
            assert seen.colour(20, 20) == next(c["colour"] for c in classes if c["id"] == arrays["map"][20, 20])

    def test_compare(self, scenes, opened, tmp_path):
        options = ("--models", "gml,position", "--seeds", 1, "--window", 11)
        with in_this_process(tmp_path):
            done = run_here("compare", scenes["mat"], *options, "--out", "c", cwd=tmp_path)
        assert done.code == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "open        c/report.html in a browser, or look at c/comparison.png"
        with opened(tmp_path / "c" / "report.html") as seen:
            assert seen.page.locator("figure.picture img").evaluate("image => image.naturalWidth") > 100
            assert "gml" in seen.page.locator("table").first.inner_text()
            links = seen.page.locator(".files a").evaluate_all("all => all.map((link) => link.getAttribute('href'))")
            assert all((tmp_path / "c" / link).is_file() for link in links)
            assert sum(link.endswith("report.html") for link in links) == 2


def test_a_large_scene_is_subsampled_and_the_page_names_the_step(run, opened, tmp_path, no_figures):
    cube = np.zeros((4, 3100, 3), np.uint16)
    cube[:, :, 0] = np.arange(3100)
    cube[:, :, 1:] = np.random.default_rng(0).integers(1, 900, (4, 3100, 2))
    truth = (1 + (np.arange(3100) // 100 % 2)) * np.ones((4, 1), np.uint8)
    scipy.io.savemat(tmp_path / "wide.mat", {"cube": cube, "gt": truth.astype(np.uint8)})
    done = run("classify", tmp_path / "wide.mat", "--model", "position", "--window", 3, "--out", "run")
    assert done.code == 0, done.stderr
    with opened(tmp_path / "run" / "report.html", (2, 1034)) as seen:
        assert "every 3rd row and column, nothing averaged" in seen.page.locator("#map .notes").inner_text()
        seen.click(1, 500)
        assert seen.cell("pixel") == "3, 1500"
        assert seen.cell("map") == f"class {band(tmp_path / 'run' / 'map.tif')[3, 1500]}"
        seen.page.wait_for_selector("#spectrum-chart svg")
        assert curve(seen.page, "first")[0, 1] == pytest.approx(1500, abs=15)
