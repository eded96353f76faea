"""The keys of an attribute: what each is for."""

from __future__ import annotations

from collections.abc import Mapping

KEYS: Mapping[str, str] = {
    "text": "The question that is asked of each image. {column} stands for what the list has there for the image; "
    "with multiple, {choice} stands for each of the choices.",
    "name": "What the answer is called in results, where it is a column. Without a name, it is called by the text.",
    "choices": "The answers that there are, as the model would say them; the likeliest is the answer. "
    "Without choices, the model answers in its own words.",
    "multiple": "Whether any number of the choices may be so, as with prints or materials: each is judged by itself, "
    "by the text with {choice} in it, which asks for yes or no.",
    "when": "Asked only where earlier attributes, by their names, were answered by one of these terms each.",
    "below": "The confidence, from 0 to 1, under which the answer is what `then` says.",
    "then": "The answer where the confidence is less than `below`, such as unknown.",
    "map": "The shop's own term for each of the model's words; words that are not in it stay as they are.",
    "calibration": "What makes the probabilities of choices those with which they are right, "
    "as askpix calibrate finds it.",
    "after": "The name of an earlier attribute: a vision-language model is told that question and its answer "
    "before this one.",
    "match": "Whether the text is a description, and the answer how well it fits the image; for models that match.",
    "json_schema": "The JSON schema that an answer keeps to; for vision-language models.",
}
"""Each key with what it is for, in the order in which people need them."""

OTHER_NAMES: Mapping[str, str] = {
    "question": "text",
    "prompt": "text",
    "ask": "text",
    "query": "text",
    "options": "choices",
    "values": "choices",
    "answers": "choices",
    "enum": "choices",
    "labels": "choices",
    "id": "name",
    "key": "name",
    "title": "name",
    "label": "name",
    "attribute": "name",
    "column": "name",
    "multi": "multiple",
    "any": "multiple",
    "any_of": "multiple",
    "if": "when",
    "where": "when",
    "only_if": "when",
    "condition": "when",
    "depends_on": "when",
    "threshold": "below",
    "min_confidence": "below",
    "default": "then",
    "otherwise": "then",
    "else": "then",
    "fallback": "then",
    "mapping": "map",
    "terms": "map",
    "schema": "json_schema",
}
"""What people call some of them elsewhere."""
