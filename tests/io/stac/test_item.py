"""Which asset of a STAC Item is read, from where, and what is refused."""

import contextlib
import json

import pytest

from hsi.errors import HsiError, SceneFileError, UsageError
from hsi.io import files_of, open_scene
from hsi.io.stac import item as stac_item
from tests.io.helpers import refuse_scene
from tests.io.stac.items import data_asset, describe_bands, write_item, write_scene


class TestAsset:
    def test_the_one_of_data_with_most_bands(self, tmp_path):
        cube = write_scene(tmp_path / "cube.tif")
        write_scene(tmp_path / "rgb.tif", cube[:, :, :3])
        assets = {
            "preview": {"href": "preview.png", "roles": ["thumbnail"]},
            "rgb": {"href": "rgb.tif", "roles": ["data"], "bands": [{}, {}, {}]},
            "all": data_asset("./cube.tif"),
        }
        item = write_item(tmp_path / "item.json", assets)
        scene = open_scene(item)
        assert (scene.read() == cube).all() and scene.item.asset == "all" and scene.name == "scene_1"
        assert (open_scene(item, asset="rgb").read() == cube[:, :, :3]).all()
        with pytest.raises(UsageError, match=r"item\.json: unknown asset 'al': did you mean all"):
            open_scene(item, asset="al")
        assert item in files_of(item)

    def test_several_that_may_be_it_are_listed(self, tmp_path):
        assets = {name: {"href": f"{name}.tif", "roles": ["data"], "bands": [{}]} for name in ("B1", "B2")}
        with pytest.raises(UsageError, match=r"2 assets may be the cube: choose one by --asset: B1, B2"):
            open_scene(write_item(tmp_path / "item.json", assets))

    def test_without_roles_what_is_nothing_else(self, tmp_path):
        cube = write_scene(tmp_path / "a cube.tif")
        assets = {"cube": {"href": "a%20cube.tif"}, "m": {"href": "m.json", "roles": ["metadata"]}}
        assert (open_scene(write_item(tmp_path / "item.json", assets)).read() == cube).all()

    def test_a_part_of_what_is_no_item(self, tmp_path):
        write_scene(tmp_path / "cube.tif")
        with pytest.raises(UsageError, match="is no STAC Item, and asset=all"):
            open_scene(tmp_path / "cube.tif", asset="all")

    def test_the_address_of_a_file(self, tmp_path):
        cube = write_scene(tmp_path / "cube.tif")
        item = write_item(tmp_path / "elsewhere" / "item.json", {"all": data_asset((tmp_path / "cube.tif").as_uri())})
        assert (open_scene(item).read() == cube).all()


class TestRefused:
    @pytest.mark.parametrize(
        ("href", "words"),
        [
            ("s3://bucket/cube.tif", "give /vsis3/BUCKET/NAME instead"),
            ("/vsizip/x.zip/cube.tif", "expected a file or an address of HTTP"),
            ("ftp://host/cube.tif", "expected a file or an address of HTTP"),
            ("data:text/plain,x", "expected a file or an address of HTTP"),
            ("cube\n.tif", "expected a file or an address of HTTP"),
            ("none.tif", "no such file"),
            ("item.json", "is another STAC Item"),
        ],
    )
    def test_where_its_data_are(self, href, words, tmp_path):
        refuse_scene_of(tmp_path, {"all": data_asset(href)}, words)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('{"stac_version": "1.0.0", "type": "Feature"', "is no JSON"),
            ('{"stac_version": "1.0.0", "type": "Collection"}', "is no STAC Item but Collection"),
            ('{"stac_version": "1.0.0", "type": "FeatureCollection", "features": []}', "but FeatureCollection"),
            ('{"stac_version": ' + "[" * 100_000, "is no JSON"),
            ('{"stac_version": "1.0.0", "type": "Feature", "assets": {"a": 3, "b": {"href": 4}}}', "it has none"),
            ('{"other": 1}', "not a known format"),
        ],
    )
    def test_other_documents(self, text, words, tmp_path):
        path = tmp_path / "item.json"
        path.write_text(text)
        refuse_scene(path, words, error=HsiError)

    def test_a_document_that_is_too_large(self, tmp_path, monkeypatch):
        monkeypatch.setattr(stac_item, "LARGEST", 100)
        refuse_scene(write_item(tmp_path / "item.json", {}, stac_version="1.0.0", type="Feature"), "is larger than")


def refuse_scene_of(folder, assets, words):
    write_item(folder / "item.json", assets)
    with pytest.raises(HsiError) as caught:
        open_scene(folder / "item.json")
    assert words in str(caught.value) and "\n" not in str(caught.value)


class TestWeb:
    def test_an_item_with_relative_and_signed_addresses(self, served):
        folder, address = served
        cube = write_scene(folder / "stac" / "signed" / "cube.tif")
        item = write_item(folder / "stac" / "item.json", {"all": data_asset("signed/cube.tif?signature=right")})
        for path in (f"{address}/stac/item.json", item):
            if path == item:
                data = data_asset(f"{address}/stac/signed/cube.tif?signature=right")
                write_item(item, {"all": data})
            scene = open_scene(path)
            assert (scene.read() == cube).all() and scene.wavelengths[0] == 450
            assert "right" not in str(scene.source)

    @pytest.mark.parametrize("name", ["signed/cube.tif", "item.json"])
    def test_signatures_are_in_no_message(self, name, served):
        folder, address = served
        write_scene(folder / "stac" / "signed" / "cube.tif")
        write_item(folder / "stac" / "item.json", {"all": data_asset(f"{name}?signature=secret")})
        with pytest.raises(SceneFileError, match=f"{name}: cannot be read") as caught:
            open_scene(f"{address}/stac/item.json")
        assert "secret" not in str(caught.value)

    def test_a_raster_by_its_address(self, served):
        folder, address = served
        cube = write_scene(folder / "plain.tif")
        assert (open_scene(f"{address}/plain.tif").read() == cube).all()

    def test_redirections_lead_to_the_web_alone(self, served, tmp_path):
        folder, address = served
        write_scene(folder / "moved" / "cube.tif")
        write_item(folder / "moved" / "item.json", {"all": data_asset("cube.tif")})
        assert open_scene(f"{address}/to/moved/item.json").shape == (11, 7, 5)
        secret = write_item(tmp_path / "secret.json", {})
        with pytest.raises(SceneFileError, match="is not allowed"):
            open_scene(f"{address}/to/{secret.as_uri()}")
        with pytest.raises(SceneFileError, match="unknown url type: ftp"):
            open_scene(f"{address}/to/ftp://127.0.0.1/item.json")

    @pytest.mark.parametrize("href", ["file:///etc/passwd", "file://localhost/etc/passwd", "s3://bucket/x.tif"])
    def test_it_leads_to_no_file(self, href, served):
        folder, address = served
        write_item(folder / "leads.json", {"all": data_asset(href)})
        with pytest.raises(SceneFileError, match="expected a file or an address of HTTP"):
            open_scene(f"{address}/leads.json")

    def test_a_path_is_one_of_the_server(self, served):
        folder, address = served
        write_item(folder / "path.json", {"all": data_asset("/etc/passwd")})
        with pytest.raises(SceneFileError, match=r"127.0.0.1:\d+/etc/passwd: cannot be read"):
            open_scene(f"{address}/path.json")

    @pytest.mark.parametrize(
        ("name", "words"), [("none.json", "404"), ("stac/signed/x.json", "403 .*sign its address"), ("", "404")]
    )
    def test_what_the_server_refuses(self, name, words, served):
        with pytest.raises(SceneFileError, match=words):
            open_scene(f"{served[1]}/{name}")

    def test_no_server(self):
        with pytest.raises(SceneFileError, match=r"http://127.0.0.1:9/item.json: cannot be reached \(.*refused\)"):
            open_scene("http://127.0.0.1:9/item.json")

    def test_labels_have_to_be_given(self, served):
        from hsi import open_labels
        from hsi.errors import LabelError

        folder, address = served
        write_scene(folder / "plain.tif")
        with pytest.raises(LabelError, match="is behind a network; give labels=FILE"):
            open_labels(None, open_scene(f"{address}/plain.tif"))


def test_the_smallest_item_of_each_version_is_one(tmp_path):
    for version in ("1.0.0", "1.1.0"):
        item = write_item(tmp_path / "item.json", {"all": data_asset("cube.tif", version)}, version)
        read = stac_item.read_item(item)
        assert read.dates == {"datetime": "2024-06-01T10:00:00Z"} and len(read.assets["all"].bands) == 5
        assert json.loads(item.read_text())["stac_version"] == version and describe_bands(version)


@pytest.mark.parametrize("value", [None, 3, "data", [], ["x", 4, None], {}, {"a": [1]}, True, 1e400])
@pytest.mark.parametrize("key", ["roles", "bands", "eo:bands", "nodata", "href", "type"])
def test_values_of_any_kind_are_no_reason_to_crash(key, value, tmp_path):
    cube = write_scene(tmp_path / "cube.tif")
    item = write_item(tmp_path / "item.json", {"all": {"href": "cube.tif", "roles": ["data"]} | {key: value}})
    with contextlib.suppress(HsiError):
        assert (open_scene(item).read() == cube).all()
    document = json.loads(item.read_text())
    for name in ("id", "properties", "links", "assets", "type"):
        item.write_text(json.dumps(document | {name: value}))
        with contextlib.suppress(HsiError):
            open_scene(item)
