"""Tests of course_utils.encoders: small encoders in the true format, and no network."""

import json
import socket
import warnings

import pytest
import torch
from text_toys import SENTENCES
from torch import nn
from toys import one_thread  # noqa: F401, a fixture that works by being there

from course_utils.models.classifier import Classifier
from course_utils.models.encoders import load_encoder
from course_utils.models.inference import predict
from course_utils.models.layers import layer_rates

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "rain", "river", "mill", "##s"]
SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 16, "max_position_embeddings": 20}


@pytest.fixture(scope="module")
def bert():
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    return BertModel(BertConfig(vocab_size=len(WORDS), **SIZES)).eval()


@pytest.fixture
def folder(bert, tmp_path):
    """Save a tiny BERT as transformers does: config.json, model.safetensors, tokenizer.json."""
    from transformers import BertTokenizer

    bert.save_pretrained(tmp_path / "tiny-bert")
    words = BertTokenizer(vocab={word: number for number, word in enumerate(WORDS)})
    words.save_pretrained(tmp_path / "tiny-bert")
    return tmp_path / "tiny-bert"


@pytest.fixture(autouse=True)
def attempts(monkeypatch, tmp_path):
    """Refuse and count all attempts to reach another machine; let no model be stored here."""
    tried = []

    def refuse(*arguments, **options):
        tried.append(arguments)
        raise OSError("the network is cut")

    from huggingface_hub import constants

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # else nothing would be tried anyway
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tried


class TestLoadEncoder:
    def test_features_are_those_of_the_saved_network(self, folder, bert):
        encoder = load_encoder(str(folder))
        tokens = encoder.tokenize(["the rains", "river mill the"], 8)
        with torch.no_grad():
            mask = (tokens != 0).long()
            vectors = bert(input_ids=tokens, attention_mask=mask).last_hidden_state
        expected = (vectors * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        torch.testing.assert_close(predict(encoder, tokens), expected, atol=1e-5, rtol=1e-5)
        assert encoder.name == "tiny-bert"
        assert encoder.num_features == 8

    def test_tokens_are_those_of_the_saved_tokenizer(self, folder):
        encoder = load_encoder(str(folder))
        assert encoder.tokenizer.tokenize("The rains fall") == [
            *("[CLS]", "the", "rain", "##s", "[UNK]", "[SEP]")
        ]

    def test_is_ready_for_training_layer_by_layer(self, folder):
        model = Classifier(load_encoder(str(folder), pooling="cls"), nn.Linear(8, 2))
        rates = layer_rates(model, 1e-3)
        assert list(rates)[-3:] == [
            "backbone.body.encoder.layer.0",
            "backbone.body.encoder.layer.1",
            "head",
        ]
        names = [name for name, _ in model.named_parameters()]
        assert all(any(name.startswith(prefix) for prefix in rates) for name in names)
        assert not any(module.training for module in model.backbone.modules())

    def test_texts_are_as_long_as_the_positions_allow(self, folder):
        with pytest.raises(ValueError, match="max_tokens is 21; tiny-bert reads 20 at most"):
            load_encoder(str(folder)).tokenize(SENTENCES, 21)

    def test_nothing_is_printed_warned_or_asked_of_the_network(self, folder, attempts, capfd):
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_encoder(str(folder))
        assert capfd.readouterr() == ("", "")
        assert attempts == []

    def test_bars_are_off_while_it_loads(self, folder, monkeypatch):
        """Tests run with TQDM_DISABLE, which hides the bars anyway; learners do not."""
        from transformers import AutoModel
        from transformers.utils import logging

        bars, load = [], AutoModel.from_pretrained
        monkeypatch.setattr(
            AutoModel,
            "from_pretrained",
            lambda *args, **options: (
                bars.append(logging.is_progress_bar_enabled()) or load(*args, **options)
            ),
        )
        load_encoder(str(folder))
        assert bars == [False]

    def test_settings_of_the_library_come_back(self, folder):
        from transformers.utils import logging

        before = logging.get_verbosity(), logging.is_progress_bar_enabled()
        load_encoder(str(folder))
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before

    def test_without_permission_the_network_is_not_tried(self, attempts, capfd):
        message = (
            r"name is 'bert-base-uncased', which is not on this machine: where the internet is "
            r"there, give allow_download=True; else give the folder of a saved encoder, or take "
            r"text_encoder\(\), which is installed"
        )
        with pytest.raises(OSError, match=message):
            load_encoder("bert-base-uncased")
        assert attempts == []
        assert capfd.readouterr() == ("", "")

    def test_with_permission_and_without_the_network_the_error_says_what_to_do(
        self, attempts, capfd, monkeypatch
    ):
        monkeypatch.setenv("TQDM_DISABLE", "1")
        message = r"could not be fetched \(.+\): check the name and the connection, or take text_en"
        with pytest.raises(OSError, match=message):
            load_encoder("bert-base-uncased", allow_download=True)
        assert attempts
        assert capfd.readouterr() == ("", "")

    def test_variable_that_forbids_the_network_is_named(self, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(OSError, match="may not be fetched: HF_HUB_OFFLINE is set: unset it"):
            load_encoder("bert-base-uncased", allow_download=True)

    def test_name_that_is_no_name_is_refused(self, attempts):
        with pytest.raises(OSError, match="name is 'no/such/folder', which is not on this machine"):
            load_encoder("no/such/folder")
        assert attempts == []

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            ("config.json", None),
            ("config.json", b"{}"),
            ("config.json", b"not json"),
            ("model.safetensors", None),
            ("model.safetensors", b"damaged"),
            ("tokenizer.json", b"{}"),
        ],
    )
    def test_missing_or_damaged_file_is_refused(self, folder, file, content):
        (folder / file).unlink()
        if content is not None:
            (folder / file).write_bytes(content)
        with pytest.raises(ValueError, match=r"name is '.+tiny-bert', where no sound encoder is"):
            load_encoder(str(folder))

    def test_tokenizer_of_other_weights_is_refused(self, folder):
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        rules = json.loads(text)
        rules["model"]["vocab"]["storm"] = len(WORDS)
        (folder / "tokenizer.json").write_text(json.dumps(rules), encoding="utf-8")
        with pytest.raises(ValueError, match="the tokenizer has 11 tokens and the weights know 10"):
            load_encoder(str(folder))

    def test_weights_that_could_run_code_are_not_read(self, folder, bert):
        (folder / "model.safetensors").unlink()
        torch.save(bert.state_dict(), folder / "pytorch_model.bin")
        with pytest.raises(ValueError, match="no sound encoder is"):
            load_encoder(str(folder))
