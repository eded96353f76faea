"""Trains the demo model: a small `BlipForQuestionAnswering` on pictures that catalogue.py draws.

Stops and resumes anywhere: the state is in WORK, the finished checkpoint goes to OUTPUT.

    python demo/train.py --work /tmp/demo-training --output demo/checkpoint

Further, from a checkpoint that there is already:

    python demo/train.py --start demo/checkpoint --rate 0.0005 --steps 3500 --seed 2 --work ... --output ...

A training step encodes each picture once, then learns its caption and some questions about it.
Three things are unlike the usual recipe, on purpose:

- Questions are grouped by length, never padded: the decoder of transformers' BLIP attends to padded
  places of a question (it ignores their mask), so a model trained in padded batches leans on them
  and does worse on single questions.
- Linear heads on the mean patch state also name each attribute. They speed the vision encoder's
  learning up and are thrown away at the end.
- Pictures that may carry prints, a quarter of all, are shown twice as often, and each picture has a
  question on one print: these are small, and what is learned last.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from catalogue import BACKGROUNDS, COLORS, KINDS, PATTERNS, PRINTS, Product, picture, questions, random_product
from PIL import Image
from tokenizers import BertWordPieceTokenizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertTokenizerFast, BlipConfig, BlipForQuestionAnswering

IMAGE_SIZE, PATCH, WIDTH, HEADS = 120, 12, 128, 4
VISION_LAYERS, TEXT_LAYERS = 4, 3
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
VOCABULARY = 240
SHIPPED_VOCABULARY = Path(__file__).parent / "checkpoint" / "vocab.txt"
POOL_SEED, TOKENIZER_SEED, EVALUATION_SEED = 1000, 2000, 3000
QUESTIONS_PER_IMAGE = 3
PLAIN_SHARE = 0.4
"""Of a step's pictures: single plain pieces, at the least; they alone carry prints."""


# ---------------------------------------------------------------------------------------- pictures


def load_pool(path: Path, size: int) -> np.ndarray:
    """Returns `size` pictures as uint8 [size, IMAGE_SIZE, IMAGE_SIZE, 3], drawn once and kept in a file."""
    if not path.exists():
        print(f"drawing {size} pictures", flush=True)
        pool = np.lib.format.open_memmap(
            path.with_suffix(".part"), mode="w+", dtype=np.uint8, shape=(size, IMAGE_SIZE, IMAGE_SIZE, 3)
        )
        with ProcessPoolExecutor() as workers:
            for number, pixels in enumerate(workers.map(_draw_small, range(size), chunksize=256)):
                pool[number] = pixels
        pool.flush()
        path.with_suffix(".part").rename(path)
    return np.load(path, mmap_mode="r")


def _draw_small(number: int) -> np.ndarray:
    return resize(picture(POOL_SEED, number)[0])


def resize(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))


def pool_product(number: int) -> Product:
    """Returns the product of a picture of the pool without drawing it again."""
    return random_product(random.Random(f"{POOL_SEED}/{number}"))


def may_be_printed(product: Product) -> bool:
    return product.count == 1 and product.pattern == "plain"


def asked_of(product: Product, rng: random.Random) -> list[tuple[str, str]]:
    """Returns the questions of a step about one picture, with the right answers."""
    name = rng.choice(PRINTS)
    printed = (f"is there a {name} on it?", "yes" if name in product.prints else "no")
    return [*rng.sample(questions(product, rng), QUESTIONS_PER_IMAGE), printed]


def normalised(pixels: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] to float32 [B, 3, H, W] as the image processor does it."""
    values = (pixels.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(values.transpose(0, 3, 1, 2).copy())


# ---------------------------------------------------------------------------------------- text


def load_tokenizer(folder: Path) -> BertTokenizerFast:
    """Returns a lower-case WordPiece tokenizer, with the shipped checkpoint's vocabulary where there is one.

    A vocabulary is trained once and kept: weights go by its ids, and its trainer breaks ties at random.
    """
    vocabulary_file = folder / "vocab.txt"
    folder.mkdir(parents=True, exist_ok=True)
    if not vocabulary_file.exists() and SHIPPED_VOCABULARY.exists():
        shutil.copy(SHIPPED_VOCABULARY, vocabulary_file)
    elif not vocabulary_file.exists():
        train_vocabulary(folder)
    return BertTokenizerFast(
        str(vocabulary_file), do_lower_case=True, bos_token="[DEC]", model_max_length=64, cls_token="[CLS]"
    )


def train_vocabulary(folder: Path) -> None:
    """Writes a vocabulary so small that it splits rarer words."""
    rng = random.Random(TOKENIZER_SEED)
    texts: list[str] = []
    for _ in range(4000):
        product = random_product(rng)
        texts += [product.caption, product.printed, *(text for pair in questions(product, rng) for text in pair)]
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-/&%+"
    trainer = BertWordPieceTokenizer(lowercase=True)
    # The trainer keeps the most frequent characters of the corpus; each printable one must be known.
    trainer.train_from_iterator(
        [*texts, *(f"{a} {a}{a}" for a in alphabet)],
        vocab_size=VOCABULARY,
        min_frequency=1,
        initial_alphabet=list(alphabet),
        special_tokens=SPECIALS,
    )
    trainer.save_model(str(folder))


def vocabulary(tokenizer: BertTokenizerFast) -> list[str]:
    """Returns the tokens in the order of their ids."""
    return tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))


class Encoder:
    """Turns texts into ids once each."""

    def __init__(self, tokenizer: BertTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        """Returns the ids of [CLS] text [SEP]."""
        if text not in self._known:
            self._known[text] = self._tokenizer(text).input_ids
        return self._known[text]

    def target(self, text: str) -> list[int]:
        """Returns the ids of [DEC] text [SEP], as the decoder is to write them."""
        return [self._tokenizer.convert_tokens_to_ids("[DEC]"), *self.ids(text)[1:]]


# ---------------------------------------------------------------------------------------- model


def new_model(tokenizer: BertTokenizerFast) -> BlipForQuestionAnswering:
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "encoder_hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": VISION_LAYERS,
        "num_attention_heads": HEADS,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH,
        "initializer_range": 0.02,
    }
    return BlipForQuestionAnswering(BlipConfig(text_config=text, vision_config=vision))


class Truth(NamedTuple):
    """The attributes of a picture as class numbers, for the helper heads."""

    kind: int
    color: int
    pattern: int
    count: int
    background: int
    prints: int
    sleeves: int

    @classmethod
    def of(cls, product: Product) -> Truth:
        return cls(
            KINDS.index(product.kind),
            tuple(COLORS).index(product.color),
            PATTERNS.index(product.pattern),
            product.count - 1,
            BACKGROUNDS.index(product.background),
            sum(1 << PRINTS.index(name) for name in product.prints),
            {None: 0, "short": 1, "long": 2}[product.sleeves],
        )


HEAD_SIZES = Truth(len(KINDS), len(COLORS), len(PATTERNS), 3, len(BACKGROUNDS), 1 << len(PRINTS), 3)


def caption_loss(model: BlipForQuestionAnswering, states: Tensor, targets: list[list[int]]) -> Tensor:
    """Captions are padded on the right: under the causal mask, padding is seen by nothing that is learned."""
    longest = max(map(len, targets))
    pad = model.decoder_pad_token_id
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in targets])
    logits = model.text_decoder(input_ids=ids[:, :-1], encoder_hidden_states=states).logits
    return cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=pad)


def answer_loss(
    model: BlipForQuestionAnswering, states: Tensor, rows: list[tuple[int, list[int], list[int]]]
) -> Tensor:
    """Mean loss over (image, question ids, answer ids) rows, in groups of equally long questions."""
    groups: dict[int, list[tuple[int, list[int], list[int]]]] = {}
    for row in rows:
        groups.setdefault(len(row[1]), []).append(row)
    total = states.new_zeros(())
    for group in groups.values():
        images, asked, answers = zip(*group, strict=True)
        question_states = model.text_encoder(
            input_ids=torch.tensor(asked),
            encoder_hidden_states=states.index_select(0, torch.tensor(images)),
            is_decoder=False,
        ).last_hidden_state
        total = total + caption_loss(model, question_states, list(answers)) * (len(group) / len(rows))
    return total


# ---------------------------------------------------------------------------------------- training


def learning_rate(step: int, options: argparse.Namespace) -> float:
    warm = min(1.0, (step + 1) / 300)
    return options.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / options.steps))))


def train(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    options.work.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(options.work)
    encoder = Encoder(tokenizer)
    model = new_model(tokenizer)
    if options.start:
        model.load_state_dict(BlipForQuestionAnswering.from_pretrained(options.start).state_dict())
    heads = nn.ModuleList(nn.Linear(WIDTH, size) for size in HEAD_SIZES)
    weights = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=options.rate, weight_decay=0.03, betas=(0.9, 0.98))
    print(f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.2f} M parameters", flush=True)

    step, state_file = 0, options.work / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        print(f"resuming at step {step}", flush=True)
    pool = load_pool(options.work / f"pool-{options.pool}.npy", options.pool)
    truths = [pool_product(number) for number in range(options.pool)]
    plain = [number for number, product in enumerate(truths) if may_be_printed(product)]

    started, since, losses = time.monotonic(), step, []
    while step < options.steps:
        rng = random.Random(f"{options.seed}/{step}")
        numbers = [
            rng.choice(plain) if rng.random() < PLAIN_SHARE else rng.randrange(options.pool)
            for _ in range(options.batch)
        ]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        # bfloat16 products, float32 weights: four times the pictures a second on a CPU that has them.
        with torch.autocast("cpu", torch.bfloat16):
            loss = step_loss(model, heads, encoder, pool, [truths[number] for number in numbers], numbers, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % 100 == 0:
            rate = (step - since) * options.batch / (time.monotonic() - started)
            print(f"step {step} loss {np.mean(losses[-100:]):.4f} {rate:.0f} pictures/s", flush=True)
        if step % 500 == 0 or step == options.steps:
            state = {"model": model.state_dict(), "heads": heads.state_dict(), "step": step}
            torch.save({**state, "optimizer": optimizer.state_dict()}, state_file.with_suffix(".part"))
            state_file.with_suffix(".part").rename(state_file)
            save(model, tokenizer, options.output)
        if step % 1000 == 0 or step == options.steps:
            print(evaluate(model, tokenizer, 200 if step < options.steps else 1000), flush=True)


def step_loss(
    model: BlipForQuestionAnswering,
    heads: nn.ModuleList,
    encoder: Encoder,
    pool: np.ndarray,
    products: list[Product],
    numbers: list[int],
    rng: random.Random,
) -> Tensor:
    """Returns caption loss + answer loss + the helper heads' loss of one batch of pictures."""
    pixels = normalised(pool[numbers])
    shift = (rng.randint(-3, 3), rng.randint(-3, 3))
    pixels = torch.roll(pixels, shift, (2, 3)) * rng.uniform(0.95, 1.05)
    states = model.vision_model(pixels).last_hidden_state
    rows = []
    for index, product in enumerate(products):
        for question, answer in asked_of(product, rng):
            rows.append((index, encoder.ids(question), encoder.target(answer)))
    pooled = states[:, 1:].mean(1)
    truth = torch.tensor([Truth.of(product) for product in products])
    helper = torch.stack([cross_entropy(head(pooled), truth[:, i]) for i, head in enumerate(heads)]).mean()
    captions = [encoder.target(product.caption) for product in products]
    return caption_loss(model, states, captions) + answer_loss(model, states, rows) + helper


def save(model: BlipForQuestionAnswering, tokenizer: BertTokenizerFast, folder: Path) -> None:
    """Writes the standard layout, which `from_pretrained` loads."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary(tokenizer)), encoding="utf-8")
    preprocessor = {
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "do_resize": True,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "resample": int(Image.Resampling.BICUBIC),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2) + "\n", encoding="utf-8")


# ---------------------------------------------------------------------------------------- evaluation


@torch.no_grad()
def evaluate(model: BlipForQuestionAnswering, tokenizer: BertTokenizerFast, number: int) -> str:
    """Returns the shares of exact captions and right answers on fresh pictures, with each kind of miss."""
    model.eval()
    exact, right, asked, misses = 0, 0, 0, {}
    sep, pad = tokenizer.sep_token_id, tokenizer.pad_token_id
    for index in range(number):
        image, product, pairs = picture(EVALUATION_SEED, index)
        states = model.vision_model(normalised(resize(image)[None])).last_hidden_state
        start = torch.tensor([[model.decoder_start_token_id]])
        ids = model.text_decoder.generate(
            input_ids=start, encoder_hidden_states=states, eos_token_id=sep, pad_token_id=pad, max_new_tokens=20
        )
        exact += tokenizer.decode(ids[0], skip_special_tokens=True) == product.caption
        for question, answer in pairs:
            asked += 1
            inputs = tokenizer(question, return_tensors="pt")
            question_states = model.text_encoder(
                input_ids=inputs.input_ids, encoder_hidden_states=states, is_decoder=False
            ).last_hidden_state
            ids = model.text_decoder.generate(
                input_ids=start, encoder_hidden_states=question_states, eos_token_id=sep, pad_token_id=pad,
                max_new_tokens=20,
            )  # fmt: skip
            if tokenizer.decode(ids[0], skip_special_tokens=True) == answer:
                right += 1
            else:
                misses[question] = misses.get(question, 0) + 1
    model.train()
    worst = sorted(misses.items(), key=lambda pair: -pair[1])[:8]
    return f"captions {exact / number:.3f} answers {right / asked:.4f} of {number} pictures; most missed: {worst}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for the pictures and the training state")
    parser.add_argument("--output", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--start", type=Path, help="checkpoint to start from (default: weights at random)")
    parser.add_argument("--pool", type=int, default=60_000, help="how many pictures to draw (default 60000)")
    parser.add_argument("--steps", type=int, default=7_000, help="training steps (default 7000)")
    parser.add_argument("--batch", type=int, default=48, help="pictures in a step (default 48)")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate (default 0.001)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the weights and of the order (default 1)")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
