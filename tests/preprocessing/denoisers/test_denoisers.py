"""The contract of every denoiser, the network of DnCNN, added noise, and settings that are refused."""

import numpy as np
import pytest
import torch

from hsi.core.scene import Block, scene_from_array
from hsi.core.synthetic import make_scene
from hsi.errors import BundleError, ConfigError, HsiError, UsageError
from hsi.preprocessing.denoisers import (
    DENOISERS,
    NoiseLevels,
    add_noise,
    denoise_scene,
    denoiser_state,
    make_denoiser,
    restore_denoiser,
)
from hsi.preprocessing.denoisers.denoised_scene import cache_scene
from hsi.preprocessing.denoisers.denoiser import (
    BandStatistics,
    add_noise_variance,
    least_noisy_bands,
    select_bands_to_clean,
)
from hsi.preprocessing.denoisers.dncnn import HALO, DnCNN, band_stacks, build_network
from hsi.preprocessing.denoisers.dncnn_training import Examples, noisy_batch, sample_patch_blocks
from hsi.preprocessing.denoisers.quality import held_out_block, measure_denoiser
from hsi.settings import DenoisingSettings, Settings, load_settings
from hsi.workflows.denoise import summarise_scene, train_denoiser

SMALL = {"dncnn": {"stack": 3, "steps": 30}, "mnf": {}, "tv": {}}
NAMES = sorted(SMALL)


@pytest.fixture(scope="module")
def clean():
    """A scene almost without noise, float32."""
    return make_scene(72, 60, bands=16, classes=4, field=14, noise=0.001, dtype="float32")[0]


@pytest.fixture(scope="module")
def noisy(clean):
    spread = clean.std(axis=(0, 1))
    return add_noise(clean, NoiseLevels(gaussian=0.4), spread, np.random.default_rng(0))


def summarise(cube):
    return summarise_scene(scene_from_array(cube), np.isfinite(cube).all(axis=2))


def fit(name, cube, **settings):
    denoiser, summary = make_denoiser(DenoisingSettings(method=name, **{**SMALL[name], **settings})), summarise(cube)
    denoiser.bands_ = np.arange(cube.shape[2])
    denoiser.learn(summary)
    if denoiser.trains:
        train_denoiser(denoiser, scene_from_array(cube), np.isfinite(cube).all(axis=2), summary, seed=0, device="cpu")
    return denoiser


def denoise(denoiser, cube, usable=None):
    return denoise_scene(scene_from_array(cube), denoiser, usable).read()


@pytest.fixture(scope="module")
def denoisers(noisy):
    return {name: fit(name, noisy) for name in NAMES}


def test_there_is_a_case_for_every_denoiser():
    assert list(DENOISERS) == NAMES


class TestNetwork:
    def test_it_has_17_layers_and_the_parameters_of_the_paper(self):
        network = DnCNN(1)
        layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
        norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        assert len(layers) == 17 and len(norms) == 15
        # 64 filters of 3 x 3 x 1, fifteen times 64 of 3 x 3 x 64 with two numbers of batch norm each, one of 3 x 3 x 64
        assert sum(p.numel() for p in network.parameters()) == 576 + 15 * (36_864 + 128) + 576 == 556_032

    def test_a_last_layer_of_zeros_changes_nothing(self):
        network, bands = build_network(3, seed=1).eval(), torch.randn(1, 3, 20, 20)
        assert torch.equal(network(bands), bands)

    def test_its_receptive_field_is_the_halo(self):
        network = build_network(1, seed=0).eval()
        with torch.no_grad():
            network.noise[-1].weight.normal_()
        side = 2 * HALO + 3
        middle = side // 2
        image = torch.zeros(1, 1, side, side, requires_grad=True)
        network(image)[0, 0, middle, middle].backward()
        reached = torch.nonzero(image.grad[0, 0])
        assert reached.min() >= middle - HALO and reached.max() <= middle + HALO

    def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone(self):
        before = torch.get_rng_state()
        one, other = (build_network(3, seed=2).state_dict() for _ in range(2))
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize("bands", [[0], [7], [9], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 8]])
    def test_stacks_hold_each_band_once(self, bands):
        stacks = band_stacks(bands, 3, 10)
        assert [band for _, members in stacks for band in members] == bands
        assert all(0 <= first <= 7 and set(members) <= {*range(first, first + 3)} for first, members in stacks)


class TestNoise:
    def test_levels_are_what_is_added(self):
        flat, spread = np.zeros((400, 300, 2), np.float32), np.array([1.0, 5.0])
        levels = NoiseLevels(gaussian=0.3, stripes=0.4)
        added = add_noise(flat, levels, spread, np.random.default_rng(0))
        assert added.var(axis=(0, 1)) / spread**2 == pytest.approx(levels.variance, rel=0.15)
        only = add_noise(flat, NoiseLevels(stripes=0.4), spread, np.random.default_rng(0))
        assert np.ptp(only, axis=0).max() == 0, "a stripe is a complete column"

    def test_dead_columns_hold_zero(self):
        cube = np.ones((10, 200, 3), np.float32)
        noisy = add_noise(cube, NoiseLevels(dead=0.1), np.ones(3), np.random.default_rng(0))
        assert set(np.unique(noisy)) == {0, 1} and 0.03 < (noisy[0] == 0).mean() < 0.2

    def test_the_summary_of_a_noisy_scene(self, clean):
        spread = clean.std(axis=(0, 1))
        noisy = add_noise(clean, NoiseLevels(gaussian=0.5), spread, np.random.default_rng(3))
        expected = BandStatistics.of(add_noise_variance(summarise(clean), (0.5 * spread) ** 2))
        measured = BandStatistics.of(summarise(noisy))
        assert measured.noise == pytest.approx(expected.noise, rel=0.06)
        assert measured.spread == pytest.approx(expected.spread, rel=0.06)

    def test_training_pairs_have_the_spread_that_bands_have_when_they_are_cleaned(self):
        random = np.random.default_rng(0)
        patches = random.standard_normal((4, 3, 40, 40)).astype(np.float32)
        examples = Examples(patches, np.zeros((4, 3), np.float32))
        spreads = [noisy_batch(examples, random)[1].std() for _ in range(40)]
        assert np.mean(spreads) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
class TestEveryDenoiser:
    def test_it_reduces_noise(self, name, denoisers, clean, noisy):
        spread = clean.std(axis=(0, 1))
        errors = [np.mean(((cube - clean) / spread) ** 2) for cube in (noisy, denoise(denoisers[name], noisy))]
        assert errors[1] < 0.9 * errors[0]

    def test_values_do_not_depend_on_the_block(self, name, denoisers, noisy):
        scene = denoise_scene(scene_from_array(noisy), denoisers[name])
        cleaned = scene.read()
        assert cleaned.dtype == np.float32
        for block in (Block(0, 0, 20, 60), Block(20, 0, 9, 60), Block(70, 0, 2, 60)):
            assert np.array_equal(scene.read(block), cleaned[block.slices])
        part = Block(31, 17, 13, 22)
        assert scene.read(part) == pytest.approx(cleaned[part.slices], rel=1e-5)
        tiled = denoise_scene(scene_from_array(noisy), denoisers[name], budget=1)
        assert np.array_equal(tiled.read(), cleaned)

    def test_unusable_pixels_stay_and_do_not_affect_others(self, name, denoisers, noisy):
        one, other, usable = noisy.copy(), noisy.copy(), np.ones(noisy.shape[:2], bool)
        one[10:14, 20:23], other[10:14, 20:23] = np.nan, np.inf
        one[40, 40], other[40, 40], usable[40, 40] = 5, 1e6, False
        first, second = (denoise(denoisers[name], cube, usable) for cube in (one, other))
        used = usable & np.isfinite(one).all(axis=2)
        assert np.array_equal(first[used], second[used]) and np.isfinite(first[used]).all()
        assert np.array_equal(second[~used], other[~used])

    def test_other_bands_stay(self, name, noisy, denoisers):
        few = restore_denoiser(denoisers[name].settings, denoiser_state(denoisers[name]), noisy.shape[2])
        few.bands_ = np.array([2, 3, 11])
        cleaned, others = denoise(few, noisy), [band for band in range(16) if band not in (2, 3, 11)]
        assert np.array_equal(cleaned[:, :, others], noisy[:, :, others])
        assert not np.array_equal(cleaned[:, :, 3], noisy[:, :, 3])

    def test_it_is_the_same_once_restored(self, name, denoisers, noisy):
        denoiser = denoisers[name]
        state = {key: np.atleast_1d(value) for key, value in denoiser_state(denoiser).items()}
        again = restore_denoiser(denoiser.settings, state, noisy.shape[2])
        assert np.array_equal(denoise(denoiser, noisy), denoise(again, noisy))
        assert again.describe() == denoiser.describe()
        with pytest.raises(BundleError, match="missing"):
            restore_denoiser(denoiser.settings, {"bands": state["bands"]}, noisy.shape[2])
        for wrong in (state["bands"] + 1, state["bands"][::-1], np.zeros((2, 2), np.int64)):
            with pytest.raises(BundleError, match="does not suit"):
                restore_denoiser(denoiser.settings, {**state, "bands": wrong}, noisy.shape[2])

    def test_its_quality_is_measured_with_added_noise(self, name, denoisers, clean):
        scene, valid = scene_from_array(clean), np.ones(clean.shape[:2], bool)
        measured = measure_denoiser(denoisers[name], scene, valid, summarise(clean), seed=0)
        assert len(measured) == 3
        for one in measured:
            assert np.isfinite([one.noisy.psnr, one.cleaned.psnr, one.noisy.ssim, one.cleaned.angle]).all()
        assert measured[1].cleaned.angle < measured[1].noisy.angle

    def test_a_band_subset_of_a_file_retains_its_numbers(self, name, denoisers, noisy, tmp_path):
        wide = np.concatenate([np.full((72, 60, 1), 7, np.float32), noisy, np.ones((72, 60, 1), np.float32)], axis=2)
        scene = scene_from_array(wide).keep_bands(range(1, 17))
        cleaned = denoise_scene(scene, denoisers[name])
        cached, expected = cache_scene(cleaned, tmp_path), denoise(denoisers[name], noisy)
        assert cached.bands == scene.bands
        assert np.array_equal(cleaned.read(), expected) and np.array_equal(cached.read(), expected)
        assert np.array_equal(cached.keep_bands([4]).read(Block(3, 0, 2, 60)), expected[3:5, :, 4:5])


def test_the_same_seed_trains_the_same_network(noisy):
    one, other = (denoiser_state(fit("dncnn", noisy, steps=3)) for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_mnf_has_the_requested_number_of_components(noisy):
    cleaned = denoise(fit("mnf", noisy, components=3), noisy).reshape(-1, 16)
    assert np.linalg.matrix_rank(cleaned - cleaned.mean(axis=0), tol=1e-3) == 3
    assert denoise(fit("mnf", noisy, components=16), noisy) == pytest.approx(noisy, abs=1e-5)


def test_a_stronger_total_variation_is_smoother(noisy):
    weak, strong = (denoise(fit("tv", noisy, strength=strength), noisy) for strength in (0.2, 2))
    assert np.abs(np.diff(strong, axis=1)).sum() < np.abs(np.diff(weak, axis=1)).sum()


class TestBandSelection:
    STATISTICS = BandStatistics(np.zeros(8), np.ones(8), np.array([0.1, 0.9, 0.2, 0.3, 0.8, 0.05, 0.4, 0.5]))
    NUMBERS = (0, 1, 2, 4, 5, 6, 7, 8)  # the file's band 3 (from 0) is not used

    def test_of_bands(self):
        def choose(text):
            return select_bands_to_clean(text, self.NUMBERS, self.STATISTICS)

        assert choose(None) == choose("all") == tuple(range(8))
        assert choose("noisiest:2") == (1, 4)
        assert choose("1-3,6") == (0, 1, 2, 4)
        assert least_noisy_bands(self.STATISTICS) == (0, 5)

    @pytest.mark.parametrize("text", ["noisiest:9", "4", "noisiest", "noisiest:0", "best", "3-1"])
    def test_without_bands(self, text):
        with pytest.raises(UsageError):
            select_bands_to_clean(text, self.NUMBERS, self.STATISTICS)


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"method": "tv", "steps": 5}, "steps has no effect on tv, which uses strength"),
            ({"method": "mnf", "stack": 3}, "stack has no effect on mnf, which uses components"),
            ({"method": "dncnn", "strength": 2.0}, "strength has no effect on dncnn, which uses stack and steps"),
            ({"method": "dncn"}, "did you mean dncnn"),
        ],
    )
    def test_an_unknown_method_and_a_setting_without_effect(self, settings, says):
        with pytest.raises(UsageError, match=says):
            make_denoiser(DenoisingSettings(**settings))

    @pytest.mark.parametrize(
        ("overrides", "says"),
        [
            ({"denoising.steps": 5}, "has no effect without a method"),
            ({"denoising.method": "dncnn", "denoising.stack": 4}, "must be odd: try 3 or 5"),
        ],
    )
    def test_invalid_settings(self, overrides, says):
        with pytest.raises(ConfigError, match=says):
            load_settings(None, overrides)
        assert Settings().denoising.method is None

    @pytest.mark.parametrize(("name", "settings"), [("mnf", {"components": 17}), ("dncnn", {"stack": 17})])
    def test_more_than_there_are_bands(self, name, settings):
        with pytest.raises(UsageError, match="16 usable"):
            make_denoiser(DenoisingSettings(method=name, **settings)).check(16)

    def test_no_valid_neighbours(self, noisy):
        valid = np.zeros(noisy.shape[:2], bool)
        valid[::2, ::2] = True
        with pytest.raises(UsageError, match="side by side"):
            BandStatistics.of(summarise_scene(scene_from_array(noisy), valid))

    def test_no_place_to_train_on(self, noisy):
        cube = noisy.copy()
        cube[::2] = np.nan
        with pytest.raises(HsiError, match="use mnf instead"):
            fit("dncnn", cube)
        assert sample_patch_blocks(np.zeros((50, 50), bool), 50, 40, np.random.default_rng(0)) == []

    def test_a_small_scene_spares_no_rows(self):
        assert held_out_block(20, 100) is None and held_out_block(40, 300) == Block(30, 0, 10, 256)
