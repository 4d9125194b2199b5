"""Tests of course_utils.models.zoo: small files in the true form, and no network."""

import hashlib
import io
import shutil
from functools import partial

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from text_toys import tiny_tokenizer
from torch import nn
from torchvision import models
from toys import one_thread, state  # noqa: F401, a fixture that works by being there

from course_utils.data.samples import Samples
from course_utils.environment.packages import checksum
from course_utils.features.extraction import extract_features
from course_utils.models.classifier import Classifier
from course_utils.models.encoders import PATTERNS
from course_utils.models.inference import predict
from course_utils.models.photos import PhotoPreprocessing, photo_preprocessing_of
from course_utils.models.surgery import adapt_input
from course_utils.models.zoo import load_backbone
from course_utils.objectives.losses import CrossEntropy
from course_utils.training.loop import fit

WEIGHTS = models.MobileNet_V3_Small_Weights.DEFAULT
NAME, TIMM_NAME = "torchvision/mobilenet_v3_small", "timm/mobilenetv3_small_050.lamb_in1k"


def stirred(network):
    """Return a network whose layers all matter: biases, norms and statistics are no zeros or ones.

    At its start a deep network makes almost nothing of a photo: BatchNorm has to see some first.
    """
    generator = torch.Generator().manual_seed(1)
    for weight in network.parameters():
        weight.data += 0.1 * torch.rand(weight.shape, generator=generator)
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        network.train()(torch.rand(8, 3, 64, 64, generator=generator))
    return network.eval()


@pytest.fixture(scope="module")
def mobilenet():
    torch.manual_seed(0)
    return stirred(models.mobilenet_v3_small())


@pytest.fixture(scope="module")
def small_timm():
    torch.manual_seed(0)
    return stirred(timm.create_model("mobilenetv3_small_050"))


@pytest.fixture(scope="module")
def photos():
    return torch.rand(2, 3, 300, 260, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Give each test cache folders of its own, and no network."""
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "course"))
    refuse = partial(pytest.fail, "it asked the network")
    monkeypatch.setattr(torch.hub, "urlopen", lambda *given: refuse())


@pytest.fixture
def packed(mobilenet):
    """Return the file of weights as torchvision packs it."""
    file = io.BytesIO()
    torch.save(mobilenet.state_dict(), file)
    return file.getvalue()


@pytest.fixture
def checkpoint(packed, tmp_path, monkeypatch):
    """Return where torchvision keeps its file; its name holds the beginning of the SHA-256."""
    name = f"mobilenet_v3_small-{hashlib.sha256(packed).hexdigest()[:8]}.pth"
    monkeypatch.setattr(WEIGHTS.value, "url", f"https://weights.example/models/{name}")
    return tmp_path / "torch" / "hub" / "checkpoints" / name


@pytest.fixture
def cached(checkpoint, packed):
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(packed)
    return checkpoint


@pytest.fixture
def hub_file(small_timm, tmp_path):
    """Put weights of timm where the hub's own tool keeps them: a copy named by its SHA-256."""
    folder = tmp_path / "hub" / "models--timm--mobilenetv3_small_050.lamb_in1k"
    revision = "0" * 40
    for inside in ("blobs", "refs", f"snapshots/{revision}"):
        (folder / inside).mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    save_file(small_timm.state_dict(), tmp_path / "new.safetensors")
    data = (tmp_path / "new.safetensors").read_bytes()
    copy = folder / "blobs" / hashlib.sha256(data).hexdigest()
    copy.write_bytes(data)
    (folder / "snapshots" / revision / "model.safetensors").symlink_to(copy)
    return copy


def without_last(network, layer):
    """Cut a classifier of torchvision by hand."""
    network.set_submodule(layer, nn.Identity())
    return network.eval()


class TestTorchvision:
    def test_features_are_those_of_the_library_on_the_same_photo(self, cached, mobilenet, photos):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        backbone = load_backbone(NAME)
        assert torch.equal(before, torch.get_rng_state())
        assert not backbone.training
        reference = models.mobilenet_v3_small()
        reference.load_state_dict(mobilenet.state_dict())
        with torch.no_grad():
            expected = without_last(reference, "classifier.3")(WEIGHTS.transforms()(photos))
        assert backbone.num_features == expected.shape[1] == 1024
        assert expected.std() > 0.01
        torch.testing.assert_close(predict(backbone, photos), expected, atol=1e-5, rtol=1e-5)
        found = extract_features(backbone, photos, use_cache=False)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)

    def test_it_is_a_backbone_that_learns(self, cached):
        model = Classifier(load_backbone(NAME), nn.Linear(1024, 2))
        before = state(model.backbone)
        samples = Samples(torch.rand(4, 1, 40, 40), torch.tensor([0, 1, 0, 1]))
        fit(model, samples, CrossEntropy(), num_epochs=1)
        assert not state(model.backbone)["body.features.0.0.weight"].equal(
            before["body.features.0.0.weight"]
        )

    @pytest.mark.parametrize(
        ("name", "width", "layer"),
        [("resnet18", 512, "fc"), ("vit_b_16", 768, "heads.head"), ("convnext_tiny", 768, "")],
    )
    def test_other_architectures_lose_their_last_layer(self, name, width, layer):
        with torch.device("meta"):  # shapes only: no second is spent on numbers
            backbone = load_backbone(f"torchvision/{name}", "random")
            made = backbone.body(torch.zeros(2, 3, 224, 224))
        assert made.shape == (2, backbone.num_features) == (2, width)
        if layer:
            assert isinstance(backbone.body.get_submodule(layer), nn.Identity)

    def test_random_weights_are_the_library_s_own_start(self):
        first = load_backbone("torchvision/shufflenet_v2_x0_5", "random", seed=3)
        torch.manual_seed(3)
        own = models.shufflenet_v2_x0_5()
        assert first.body.conv1[0].weight.equal(own.conv1[0].weight)
        assert first.name == "torchvision/shufflenet_v2_x0_5, random weights"

    def test_a_damaged_file_is_not_read(self, cached):
        data = bytearray(cached.read_bytes())
        data[-100] ^= 1
        cached.write_bytes(bytes(data))
        with pytest.raises(ValueError, match="SHA-256 of .* begins with .* damaged or another ver"):
            load_backbone(NAME)

    def test_weights_that_are_not_there_are_named_with_folder_size_and_cure(self, checkpoint):
        with pytest.raises(FileNotFoundError, match="allow_download=True.*weights='random'") as e:
            load_backbone(NAME)
        message = str(e.value)
        assert "\n" not in message
        assert all(each in message for each in (checkpoint.name, str(checkpoint.parent), "10 MB"))
        assert not checkpoint.parent.exists()

    def test_weights_are_fetched_when_asked(self, checkpoint, packed, monkeypatch):
        monkeypatch.setattr(torch.hub, "urlopen", lambda request: Answer(packed))
        load_backbone(NAME, allow_download=True)
        assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]

    @pytest.mark.parametrize("broken", ["connection", "content"])
    def test_nothing_half_written_stays(self, broken, checkpoint, packed, monkeypatch):
        answer = Answer(packed[:1000], is_broken=broken == "connection")
        monkeypatch.setattr(torch.hub, "urlopen", lambda request: answer)
        with pytest.raises(OSError, match="could not be fetched .*; check the connection"):
            load_backbone(NAME, allow_download=True)
        assert list(checkpoint.parent.iterdir()) == []

    def test_a_file_of_your_own_is_checked_by_your_sum(self, packed, mobilenet, tmp_path):
        file = tmp_path / "own.pth"
        file.write_bytes(packed)
        own = hashlib.sha256(packed).hexdigest()
        found = load_backbone(NAME, file, sha256=own)
        weight = mobilenet.features[0][0].weight
        assert found.body.features[0][0].weight.equal(weight)
        with pytest.raises(ValueError, match="begins with .* and must with 1234"):
            load_backbone(NAME, file, sha256="1234")
        with pytest.raises(ValueError, match=r"do not fit it \(.*\); give a file of this arch"):
            load_backbone("torchvision/resnet18", file)

    def test_grey_input_with_three_means_is_refused_and_nothing_changes(self):
        backbone = load_backbone("torchvision/shufflenet_v2_x0_5", "random", seed=0)
        before = state(backbone)
        with pytest.raises(ValueError, match="mean is a tuple of length 3 for 1 channels"):
            adapt_input(backbone, 1)
        assert all(value.equal(before[name]) for name, value in state(backbone).items())
        assert backbone.body.conv1[0].in_channels == 3


class Answer(io.BytesIO):
    """What a site answers: some bytes, and then no more or an error."""

    def __init__(self, data, is_broken=False):
        super().__init__(data)
        self.is_broken = is_broken

    def info(self):
        return self

    def get_all(self, name):
        return None

    def read(self, number=-1):
        data = super().read(number)
        if self.is_broken and not data:
            raise ConnectionResetError("reset by peer")
        return data


class TestTimm:
    def test_features_are_those_of_the_library_on_the_same_photo(
        self, hub_file, small_timm, photos
    ):
        backbone = load_backbone(TIMM_NAME)
        config = timm.data.resolve_model_data_config(small_timm)
        prepare = timm.data.create_transform(**config, is_training=False)
        with torch.no_grad():
            seen = torch.stack([prepare(photo) for photo in photos])
            features = small_timm.forward_features(seen)
            expected = small_timm.forward_head(features, pre_logits=True)
        assert backbone.num_features == expected.shape[1]
        assert expected.std() > 0.01
        torch.testing.assert_close(predict(backbone, photos), expected, atol=1e-5, rtol=1e-5)

    def test_a_damaged_copy_is_not_read(self, hub_file):
        data = bytearray(hub_file.read_bytes())
        data[-1] ^= 1
        hub_file.write_bytes(bytes(data))
        with pytest.raises(ValueError, match="damaged or another version; delete it"):
            load_backbone(TIMM_NAME)

    def test_weights_that_are_not_there_are_named(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"model.safetensors of timm/.* \(6 MB\).*allow_d"
        ):
            load_backbone(TIMM_NAME)
        assert not (tmp_path / "hub").exists()

    def test_a_local_file_must_have_all_weights(self, hub_file, tmp_path):
        file = tmp_path / "own.safetensors"
        shutil.copy(hub_file, file)
        assert load_backbone(TIMM_NAME, str(file)).name.endswith("own weights")
        weights = load_file(file)
        del weights["conv_stem.weight"]
        save_file(weights, file)
        with pytest.raises(ValueError, match="do not fit it .*; give a file of this architecture"):
            load_backbone(TIMM_NAME, file)


class TestTransformers:
    @pytest.fixture
    def gpt2(self, tmp_path):
        from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

        rules = tiny_tokenizer().rules
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=300, n_embd=24, n_layer=2, n_head=4, n_positions=16)
        model = stirred(GPT2Model(config))
        model.save_pretrained(tmp_path / "gpt2")
        words = PreTrainedTokenizerFast(tokenizer_object=rules, eos_token="<end>")
        words.save_pretrained(tmp_path / "gpt2")
        return tmp_path / "gpt2", model

    def test_gpt2_gives_the_vectors_of_the_library(self, gpt2):
        folder, model = gpt2
        backbone = load_backbone(f"transformers/{folder}")
        texts = ["The river feeds", "Rain"]
        tokens = backbone.tokenize(texts, 12)
        with torch.no_grad():
            for row, text in zip(predict(backbone, tokens), texts, strict=True):
                numbers = torch.tensor([backbone.tokenizer.encode(text)])
                expected = model(numbers).last_hidden_state[0]
                last = expected[-2] if numbers[0, -1] == backbone.tokenizer.pad_id else expected[-1]
                torch.testing.assert_close(row, last, atol=1e-5, rtol=1e-5)

    def test_gpt2_with_other_rules_is_refused(self, gpt2):
        folder, _ = gpt2
        file = folder / "config.json"
        file.write_text(file.read_text().replace('"gelu_new"', '"relu"'))
        with pytest.raises(
            ValueError, match="no sound GPT-2 is .*another activation_function than"
        ):
            load_backbone(f"transformers/{folder}")

    def test_bert_gives_the_vectors_of_the_library(self, tmp_path):
        from transformers import BertConfig, BertModel, BertTokenizer

        words = {
            word: number
            for number, word in enumerate("[PAD] [UNK] [CLS] [SEP] [MASK] rain".split())
        }
        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        sizes |= {"intermediate_size": 16, "max_position_embeddings": 20, "vocab_size": len(words)}
        bert = BertModel(BertConfig(**sizes)).eval()
        bert.save_pretrained(tmp_path / "bert")
        BertTokenizer(vocab=words).save_pretrained(tmp_path / "bert")
        name, right = (
            f"transformers/{tmp_path / 'bert'}",
            checksum(tmp_path / "bert", tuple(PATTERNS)),
        )
        backbone = load_backbone(name, sha256=right, pooling="cls")
        tokens = backbone.tokenize(["rain rain"], 6)
        with torch.no_grad():
            expected = bert(tokens[:, :4]).last_hidden_state[:, 0]
        torch.testing.assert_close(predict(backbone, tokens), expected, atol=1e-5, rtol=1e-5)
        with pytest.raises(ValueError, match="SHA-256 of .*bert begins with .* and must with 00"):
            load_backbone(name, sha256="00")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet18"}, "name is 'resnet18'; give the library and the network, such as 't"),
        ({"name": "keras/resnet18"}, "give the library and the network"),
        ({"name": "torchvision/resnet*"}, "which torchvision does not know"),
        ({"name": "torchvision/squeezenet1_0"}, "whose input or last layer is of another kind"),
        ({"name": "torchvision/inception_v3"}, "whose input or last layer is of another kind"),
        ({"name": "timm/no_such"}, "which timm does not know"),
        ({"name": NAME, "seed": 1}, "seed is 1, which belongs to weights='random'"),
        ({"name": NAME, "weights": "random", "sha256": "12"}, "'random' has no file; leave one of"),
        ({"name": NAME, "pooling": "cls"}, "pooling is 'cls', which is for texts"),
        ({"name": NAME, "weights": "no such"}, "weights is 'no such', where no file is"),
        ({"name": "transformers/x", "weights": "random"}, "for texts leave it out"),
        ({"name": "transformers/no-such"}, "which is not on this machine: where the internet"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(arguments, message):
    with pytest.raises((ValueError, OSError), match=message) as error:
        load_backbone(**arguments)
    assert "\n" not in str(error.value)


class TestPhotoPreprocessing:
    def test_sizes_and_ways_of_other_weights_are_those_of_the_library(self, photos):
        for name in ("efficientnet_b0", "convnext_tiny"):
            prepare = models.get_model_weights(name).DEFAULT.transforms()
            found = photo_preprocessing_of("torchvision", prepare)(photos)
            torch.testing.assert_close(found, prepare(photos), atol=1e-6, rtol=1e-6)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"mean": 0.5}, "mean is 0.5 for 3 channels; give a tuple with a number for each"),
            ({"std": (0.1, 0.0, 0.1)}, "std is 0.0; give a number above 0"),
            ({"resized": 100}, "resized is 100; give 224 or more"),
            ({"interpolation": "nearest"}, "interpolation is 'nearest'; give one of"),
        ],
    )
    def test_what_is_no_preprocessing_is_refused(self, settings, message):
        usual = {"channels": 3, "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
        with pytest.raises((TypeError, ValueError), match=message):
            PhotoPreprocessing(**(usual | settings))

    def test_photos_that_are_cut_otherwise_are_refused(self):
        facts = timm.data.resolve_data_config(pretrained_cfg={"crop_mode": "squash"})
        with pytest.raises(ValueError, match="cut photos by 'squash'"):
            photo_preprocessing_of("timm", facts)
