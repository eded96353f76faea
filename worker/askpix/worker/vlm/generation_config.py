"""What a run is generated with, in the words of openvino-genai."""

from __future__ import annotations

from typing import Any

import openvino_genai as genai

from askpix.producer.generation import Generation
from askpix.worker.vlm.ends import Ends
from askpix.worker.vlm.work import Run

_TOP_K = 50


def config_of(run: Run, eos: int, ends: Ends) -> Any:
    """Returns the pipeline's settings for a run.

    Args:
        eos: the id of the model's end token.
        ends: the ids that end what is generated, of texts to stop at.
    """
    config = genai.GenerationConfig()
    config.apply_chat_template = False
    config.logprobs = 1
    config.eos_token_id = eos
    config.stop_token_ids = ends.at(run.request.stops)
    config.max_new_tokens = run.request.max_new_tokens
    if run.choice is not None:
        # With or without a space before it, whichever the model would rather write.
        parts = genai.StructuredOutputConfig
        grammar = parts.Regex(" ?") + parts.ConstString(run.choice)
        config.structured_output_config = parts(compound_grammar=grammar)
        return config
    if run.request.schema is not None:
        config.structured_output_config = genai.StructuredOutputConfig(json_schema=run.request.schema)
    _set(config, run.request.settings, run.request.seed + run.request.tries - 1, again=run.request.tries > 1)
    # A search stops at no text: what it finds is cut off when it has ended.
    if run.request.sought and run.request.settings.beams == 1:
        # Cut off here: the pipeline would drop the whole token that the text ends in.
        config.stop_strings = set(run.request.sought)
        config.include_stop_str_in_output = True
    return config


def _set(config: Any, settings: Generation, seed: int, *, again: bool) -> None:
    """Sets what is asked for, which is what transformers' GenerationConfig means by it.

    Args:
        again: draw tokens, whatever is asked for: the likeliest ones were not what was wanted.
    """
    if settings.beams > 1:
        config.num_beams = settings.beams
        config.num_return_sequences = settings.texts
        config.length_penalty = 1.0 if settings.length_penalty is None else settings.length_penalty
        if settings.no_repeat_ngram_size:
            config.no_repeat_ngram_size = settings.no_repeat_ngram_size
    elif settings.samples or again:
        config.do_sample = True
        config.rng_seed = seed
        config.num_return_sequences = settings.texts
        config.temperature = settings.temperature or 1.0
        config.top_p = settings.top_p or 1.0
        config.top_k = _TOP_K if settings.top_k is None else settings.top_k
    if settings.repetition_penalty:
        config.repetition_penalty = settings.repetition_penalty
    if settings.min_new_tokens:
        config.min_new_tokens = settings.min_new_tokens
