"""Let a language model write: its guesses made aloud."""

import torch
from torch import Tensor

from course_utils.data.texts import one_text
from course_utils.environment.arguments import check_module, check_number
from course_utils.environment.door import checked
from course_utils.models.gpt import GPT
from course_utils.models.inference import evaluation_mode
from course_utils.models.tokenizer import END, Tokenizer


@checked(skip=("model", "prompt"))
@torch.inference_mode()
def sample_text(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str = "",
    *,
    num_tokens: int = 60,
    temperature: float = 1.0,
    seed: int = 0,
) -> str:
    """Let a GPT go on with a text, token by token. It stays unchanged.

    Parameters
    ----------
    model : GPT
        The network.
    tokenizer : Tokenizer
        The one that the network was trained with.
    prompt : str
        How the text begins. Empty: after the end of another text.
    num_tokens : int
        Most tokens that are added; it stops earlier where the network says ``"<end>"``.
    temperature : float
        The logits are divided by it. 1 draws from the probabilities of the network, a smaller
        number makes likely tokens likelier, 0 always takes the likeliest.
    seed : int
        Another seed gives another text. Global random numbers are not used.

    Returns
    -------
    str
        The prompt and what came after it.

    Raises
    ------
    ValueError
        If ``num_tokens`` is below 1 or ``temperature`` below 0, the model does not know a token of
        the prompt, or answers with NaN.
    """
    check_module("model", model, "context")
    num_tokens = check_number("num_tokens", num_tokens, low=1, whole=True)
    temperature = check_number("temperature", temperature, low=0)
    generator = torch.Generator().manual_seed(check_number("seed", seed, whole=True))
    end = tokenizer.number_of(END)
    numbers = [end, *tokenizer.encode(one_text("prompt", prompt))]
    place = next(model.parameters()).device
    with evaluation_mode(model):
        for _ in range(num_tokens):
            seen = torch.tensor([numbers[-model.context :]], device=place)
            logits = model(seen)[0, -1].float().cpu()
            if logits.isnan().any():
                raise ValueError("model gives logits that are no numbers; look at its weights")
            logits[tokenizer.pad_id] = -torch.inf  # never seen in training, so never said
            numbers.append(_draw(logits, temperature, generator))
            if numbers[-1] == end:
                break
    return tokenizer.decode(numbers)


def _draw(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    """Draw a token from logits (V,)."""
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(0), 1, generator=generator))
