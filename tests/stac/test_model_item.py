"""STAC Items of saved models by the MLM extension, and the commands that write Items."""

import json

import numpy as np
import pytest
import torch
from pystac.errors import STACValidationError
from pystac.extensions.mlm import MLMExtension

from hsi import predict
from hsi.core.files import hash_files
from hsi.errors import UsageError
from hsi.inference.model_file import load_model
from tests.conftest import QUICK, run_here
from tests.io.stac.items import write_item
from tests.stac.schemas import validate


@pytest.fixture(scope="module")
def made(tmp_path_factory, scenes):
    """A folder with a run of an Item, and a map by its model."""
    folder = tmp_path_factory.mktemp("stac")
    bands = [{"eo:center_wavelength": round(0.4 + i * 0.05, 3), "eo:full_width_half_max": 0.01} for i in range(24)]
    assets = {"cube": {"href": str(scenes["tiff"]), "roles": ["data"], "bands": bands}}
    write_item(folder / "scene item.json", assets)
    how = ("--labels", scenes["tiff"].with_name("scene_gt.tif"), *QUICK, "--set", "mapping.spectral=none", "--no-blend")
    how = (*how, "--no-symmetries", "--no-calibrate", "--no-figures", "--stac", "--out", "run")
    done = run_here("classify", "scene item.json", *how, cwd=folder)
    assert done.code == 0, done.stderr
    model = "run/model.safetensors"
    done = run_here("predict", model, "scene item.json", "--out", "maps/map.tif", "--stac", "--no-report", cwd=folder)
    assert done.code == 0, done.stderr
    assert "map_item.json" in done.stdout
    return folder


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_item_of_a_model(made):
    file = made / "run" / "model.safetensors"
    document, saved = read(made / "run" / "model_item.json"), load_model(file)
    item = validate(document)
    mlm = MLMExtension.ext(item)
    window, count, classes = saved.model.window, len(saved.bands.bands), len(saved.table)
    assert (mlm.architecture, mlm.mlm_name) == (saved.settings.model.name, f"{saved.settings.model.name}-scene_1")
    assert mlm.tasks == ["semantic-segmentation"] and mlm.framework == "PyTorch"
    assert torch.__version__.startswith(mlm.framework_version)
    assert mlm.total_parameters == sum(value.numel() for value in saved.model.parameters())
    (given,), (result,) = mlm.input, mlm.output
    assert given.input.shape == [-1, count, window, window] and len(given.bands) == count
    assert result.result.shape == [-1, classes]
    assert [(one.value, one.description) for one in result.classes] == list(
        zip(saved.table.ids, saved.table.names, strict=True)
    )
    settings = mlm.hyperparameters.to_dict()
    assert (settings["training.optimiser"], settings["split.rule"]) == ("adamw", "random")
    assert document["properties"]["bands"][0] == {
        "name": "B1", "eo:center_wavelength": 0.4, "eo:full_width_half_max": 0.01,
    }  # fmt: skip
    asset = document["assets"]["model"]
    assert asset["file:checksum"] == "1220" + hash_files([file])[str(file)]
    assert asset["file:size"] == file.stat().st_size
    hrefs = {link["href"]: link["rel"] for link in document["links"]}
    assert hrefs["../scene%20item.json"] == "derived_from" and "cite-as" in hrefs.values()


@pytest.mark.parametrize(("folder", "name", "model"), [("run", "map", "./"), ("maps", "map", "../run/")])
def test_the_items_of_maps_lead_to_files_that_are_there(folder, name, model, made):
    document = read(made / folder / f"{name}_item.json")
    item = validate(document)
    assert item.datetime.isoformat() == "2024-06-01T10:00:00+00:00"
    hrefs = [asset["href"] for asset in document["assets"].values()]
    links = {link["href"]: link["rel"] for link in document["links"]}
    assert links == {
        "../scene%20item.json": "derived_from",
        f"{model}model_item.json": "derived_from",
        f"{model}model.safetensors": "via",
    }
    for href in (*hrefs, *links):
        assert (made / folder / href.replace("%20", " ")).is_file(), href
    pixels = [one["count"] for one in document["assets"]["map"]["classification:classes"] if not one.get("nodata")]
    assert sum(pixels) == np.prod(document["properties"]["proj:shape"])


def test_schemas_refuse_a_model_without_its_role(made):
    document = read(made / "run" / "model_item.json")
    document["assets"]["model"]["roles"] = ["data"]
    with pytest.raises(STACValidationError):
        validate(document)


def test_a_map_in_memory_has_none(made):
    with pytest.raises(UsageError, match="written next to a map"):
        predict(made / "run" / "model.safetensors", made / "scene item.json", stac=True)


def test_a_record_says_which_item(made):
    record = read(made / "run" / "run.json")
    assert (record["inputs"]["scene"], record["inputs"]["asset"]) == ("scene item.json", "cube")
    assert record["inputs"]["wavelengths_nm"][0] == 400
    assert {"scene item.json"} < {*record["inputs"]["sha256"]}


@pytest.mark.slow
def test_a_run_of_an_item_is_repeated(made):
    done = run_here("rerun", "run", cwd=made)
    assert done.code == 0, done.stderr
    assert "same        map.tif" in done.stdout


def test_a_model_of_several_scenes(tmp_path, scenes):
    source = scenes["tiff"].parent
    for name in ("a", "b"):
        bands = [{"eo:center_wavelength": round(0.4 + i * 0.05, 3)} for i in range(24)]
        asset = {"href": str(scenes["tiff"]), "roles": ["data"], "bands": bands}
        date = {"datetime": f"2024-06-0{1 + (name == 'b')}T10:00:00Z"}
        write_item(tmp_path / f"{name}.json", {"cube": asset}, id=name, properties=date)
    labels = ("--labels", source / "scene_gt.tif", source / "scene_gt.tif")
    how = (*QUICK, "--set", "mapping.spectral=none", "--train", 20, "--stac", "--out", "m.safetensors")
    done = run_here("train", "a.json", "b.json", *labels, *how, cwd=tmp_path)
    assert done.code == 0, done.stderr
    document = read(tmp_path / "m_item.json")
    validate(document)
    assert document["geometry"]["type"] == "MultiPolygon" and document["id"].endswith("-a-and-1-more")
    times = [document["properties"][name] for name in ("datetime", "start_datetime", "end_datetime")]
    assert times == [None, "2024-06-01T10:00:00Z", "2024-06-02T10:00:00Z"]
    assert [link["href"] for link in document["links"]][:2] == ["./a.json", "./b.json"]
