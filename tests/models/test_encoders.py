"""Tests of course_utils.models.encoders and .folders: small encoders in the true format."""

import json
import re
import socket
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
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

    @pytest.mark.parametrize("name", [None, 5, b"folder", ["folder"]])
    def test_what_is_no_name_at_all_is_refused(self, name):
        with pytest.raises(TypeError, match=r"name is .+; give a folder, or the name of a model"):
            load_encoder(name)

    def test_file_is_refused_with_what_to_give(self, folder):
        with pytest.raises(ValueError, match="which is a file; give the folder it is in"):
            load_encoder(folder / "config.json")

    def test_folder_without_a_tokenizer_is_refused(self, folder):
        """The library makes up a tokenizer, which knows no word."""
        (folder / "tokenizer.json").unlink()
        with pytest.raises(ValueError, match=r"\(tokenizer.json is missing\)"):
            load_encoder(folder)

    def test_wrong_pooling_is_refused_before_the_folder_is_looked_at(self):
        with pytest.raises(ValueError, match="pooling is 'last'; give one of 'mean', 'cls'"):
            load_encoder("no/such/folder", pooling="last")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def change_config(folder, **settings):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | settings), encoding="utf-8")


WEIGHT = "encoder.layer.1.output.dense.weight"


class TestWeights:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda w: w.pop(WEIGHT), f"1 tensors are missing, such as {WEIGHT}"),
            (lambda w: w.update(extra=torch.ones(2)), "1 tensors are not part of it, such as extr"),
            (lambda w: w.update({WEIGHT: torch.ones(3, 2)}), f"of another shape, such as {WEIGHT}"),
            (lambda w: w[WEIGHT][0, :1].fill_(torch.nan), f"are not finite, such as {WEIGHT}"),
            (lambda w: w[WEIGHT][0, :1].fill_(torch.inf), f"are not finite, such as {WEIGHT}"),
        ],
        ids=["missing", "left over", "shape", "nan", "infinite"],
    )
    def test_tensor_that_is_not_sound_is_named(self, folder, change, message):
        change_weights(folder, change)
        with pytest.raises(ValueError, match=re.escape(message)):
            load_encoder(folder)

    def test_more_layers_than_the_config_says_are_refused(self, folder):
        change_config(folder, num_hidden_layers=1)
        with pytest.raises(ValueError, match="16 tensors are not part of it, such as encoder.laye"):
            load_encoder(folder)

    @pytest.mark.parametrize("has_pooler", [True, False])
    def test_pooler_may_be_missing_and_global_numbers_stay(self, folder, has_pooler):
        expected = predict(load_encoder(folder), torch.tensor([[2, 5, 3]]))
        if not has_pooler:
            names = ("pooler.dense.weight", "pooler.dense.bias")
            change_weights(folder, lambda weights: [weights.pop(name) for name in names])
        before = torch.get_rng_state()
        assert predict(load_encoder(folder), torch.tensor([[2, 5, 3]])).equal(expected)
        assert torch.equal(before, torch.get_rng_state())

    def test_weights_in_several_files_are_read_and_a_missing_file_is_refused(self, folder, bert):
        (folder / "model.safetensors").unlink()
        bert.save_pretrained(folder, max_shard_size="2KB")
        found = load_encoder(folder).body.state_dict()[WEIGHT]
        assert found.equal(bert.state_dict()[WEIGHT])
        next(folder.glob("model-00002*")).unlink()
        with pytest.raises(ValueError, match="no sound encoder is .+model-00002"):
            load_encoder(folder)

    def test_head_of_the_source_task_is_left_out_and_the_rest_is_judged(self, folder):
        from transformers import BertConfig, BertForMaskedLM

        whole = BertForMaskedLM(BertConfig(vocab_size=len(WORDS), **SIZES))
        whole.save_pretrained(folder)
        found = load_encoder(folder).body.embeddings.word_embeddings.weight
        assert found.equal(whole.bert.embeddings.word_embeddings.weight)
        change_weights(folder, lambda weights: weights.pop(f"bert.{WEIGHT}"))
        with pytest.raises(ValueError, match=f"1 tensors are missing, such as {WEIGHT}"):
            load_encoder(folder)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"hidden_size": 10**9}, "config.json has the hidden_size 1000000000; with"),
            (
                {"num_hidden_layers": 10**9},
                "config.json has the num_hidden_layers 1000000000; with",
            ),
            ({"vocab_size": 0}, "config.json has the vocab_size 0; with these weights, 1 to"),
            ({"type_vocab_size": 10**11}, "config.json asks for 800000001456 numbers and the"),
            ({"is_decoder": True}, "config.json is of bert and no encoder of texts"),
            ({"model_type": "gpt2"}, "config.json is of gpt2 and no encoder of texts"),
            ({"hidden_act": "unheard"}, "no sound encoder is (KeyError 'unheard')"),
            ({"layer_norm_eps": float("nan")}, "its features of a text are not finite"),
        ],
    )
    def test_odd_setting_is_refused(self, folder, settings, message):
        change_config(folder, **settings)
        with pytest.raises(ValueError, match=re.escape(message)) as info:
            load_encoder(folder)
        assert "\n" not in str(info.value)


class TestPositions:
    @pytest.mark.parametrize(
        ("kind", "lost"),
        [
            *(("Roberta", 2), ("Camembert", 2), ("XLMRoberta", 2), ("MPNet", 2), ("IBert", 2)),
            *(("Data2VecText", 2), ("Electra", 0), ("DistilBert", 0), ("Albert", 0)),
        ],
    )
    def test_longest_text_of_each_family_is_read(self, tmp_path, kind, lost):
        """Those like RoBERTa number positions from that of the padding on."""
        import transformers

        words = ["[UNK]", "[PAD]", *WORDS[2:]]
        config = getattr(transformers, f"{kind}Config")(vocab_size=10, pad_token_id=1, **SIZES)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
        tokenizer = transformers.BertTokenizer(vocab={word: n for n, word in enumerate(words)})
        tokenizer.save_pretrained(tmp_path)
        encoder = load_encoder(tmp_path)
        assert encoder.longest == 20 - lost
        rows = encoder.tokenize(["rain " * 50], encoder.longest)
        assert predict(encoder, rows).isfinite().all()
        with pytest.raises(ValueError, match=f"reads {20 - lost} at most"):
            encoder.tokenize(["rain"], encoder.longest + 1)
        with pytest.raises(ValueError, match=f"text of {21 - lost} tokens; .+ reads {20 - lost}"):
            encoder(torch.full((1, 21 - lost), 5))

    def test_padding_of_another_number_would_shift_positions_and_is_refused(self, tmp_path):
        import transformers

        config = transformers.RobertaConfig(vocab_size=10, pad_token_id=1, **SIZES)
        transformers.RobertaModel(config).save_pretrained(tmp_path)
        tokenizer = transformers.BertTokenizer(vocab={word: n for n, word in enumerate(WORDS)})
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="tokenizer has 0 for padding, from which the body"):
            load_encoder(tmp_path)
