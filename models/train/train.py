"""Trains the embedded guard: the verdict at the last position of the prompt, the category behind the
forced beginning of the answer, both over the whole vocabulary, as the engine reads them."""

import argparse
import copy
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score, f1_score

import corpus
import deeds
import evaluate
import lookalikes
import network
import warmstart
from augment import EDGY, Augment
from template import Prompts, Window

# Tokens in one step, padding counted.
BATCH_TOKENS = 3072
# Small sources of harmless rows that sound alarming.
ALARMING = [("orbench", False), ("coconot-contrast", False)]
# Sources whose labels are certain: the teacher, who goes by words, would only confuse.
CERTAIN = ("synth-", "orbench", "coconot-contrast")
# A long unsafe text is unsafe somewhere, not in each of its windows.
SOMEWHERE = 0.75
# What stands in the logit of `unsafe` while training, so that it is wanting afterwards: fewer false
# alarms at 0.5.
MARGIN = 0.8


# How many prompts are hidden among harmless text.
WRAPPED = 0.5
# With --buried, how many are cut out of a long harmless text as windows are; and whose answers are part
# of such a text.
BURIED = 0.4
PLAIN_ANSWERS = ("gpteacher-role-resp", "arena-resp", "gsm8k-resp")
# Authored prompts in an epoch: harmless in alarming words, unsafe in the same words, unsafe requests.
LOOKALIKES, UNSAFE_LOOKALIKES, DEEDS = 8000, 1200, 4500
# How often an epoch takes each harmless row that sounds alarming.
REPEATED = 6
# How many prompts are judged as if they were answers, and how many answers get another question:
# without, the guard learns that an answer to a question is harmless, whatever it says.
AS_ANSWER, OTHER_QUESTION = 0.1, 0.5


@dataclass
class Sample:
    ids: list[int]
    target: float
    category: int | None


class Sampler:
    """Rows to samples, each time otherwise."""

    def __init__(self, rows, indices, prompts: Prompts, window: Window, teacher, seed, buried: bool):
        self.rows, self.prompts, self.window, self.buried = rows, prompts, window, buried
        self.teacher = teacher
        self.rng = random.Random(seed)
        self.groups = corpus.by_source(rows, indices)
        harmless = [
            corpus.text(rows[index])
            for (source, unsafe), members in self.groups.items()
            for index in members
            if not unsafe and source not in EDGY
            if corpus.is_prompt(rows[index]) or (buried and source in PLAIN_ANSWERS)
        ]
        self.augment = Augment(harmless, self.rng)
        asked = [row for row in map(rows.__getitem__, indices) if corpus.is_prompt(row)]
        self.questions = {
            label: [corpus.text(row) for row in asked if row["unsafe"] is label]
            for label in (False, True)
        }
        self.end = prompts.encode("\n\n")

    def epoch(self, trust: float) -> list[Sample]:
        """`trust` is how far the teacher counts beside the label."""
        samples = [self.sample(self.rows[i], i, trust) for i in corpus.epoch(self.groups, self.rng)]
        for key in ALARMING:
            for index in self.groups.get(key, []) * (REPEATED - 1):
                samples.append(self.sample(self.rows[index], index, trust))
        for text in lookalikes.generate(LOOKALIKES, self.rng):
            samples.append(self.prompt(text, False, 0.0, None))
        authored = lookalikes.unsafe(UNSAFE_LOOKALIKES, self.rng) + deeds.generate(DEEDS, self.rng)
        for text, number in authored:
            samples.append(self.prompt(text, True, 1.0, number - 1))
        return samples

    def sample(self, row: corpus.Row, index: int, trust: float) -> Sample:
        unsafe = row["unsafe"]
        target = float(unsafe)
        taught = self.teacher.get(index)
        if taught is not None and not row["source"].startswith(CERTAIN):
            target = (1 - trust) * target + trust * taught
        category = None
        if unsafe and row["categories"]:
            category = int(self.rng.choice(row["categories"])[1:]) - 1
        asked = corpus.asked(row)
        if asked is not None:
            if self.rng.random() < OTHER_QUESTION:
                asked = self.question()
            return self.answer(asked, corpus.text(row), unsafe, target, category)
        if self.rng.random() < AS_ANSWER:
            return self.answer(self.question(), corpus.text(row), unsafe, target, category)
        return self.prompt(corpus.text(row), unsafe, target, category)

    def question(self) -> str:
        """Any question, or none."""
        dice = self.rng.random()
        return "" if dice < 0.15 else self.rng.choice(self.questions[dice < 0.6])

    def answer(self, asked: str, text: str, unsafe: bool, target: float, category: int | None):
        content, target = self.windowed(self.prompts.content(text), unsafe, target)
        question = self.prompts.question(asked, self.window)
        return self.finished(self.prompts.prompt(content, question), target, category)

    def prompt(self, text: str, unsafe: bool, target: float, category: int | None) -> Sample:
        text = self.augment.misspelt(text)
        body = self.prompts.encode(self.rng.choice([" ", " ", "\n", "\n\n"]) + text.strip())
        room = self.window.content - len(body) - len(self.end)
        if self.buried and self.rng.random() < BURIED:
            content, target = self.cut_out(body), float(unsafe)
        elif room > 8 and self.rng.random() < WRAPPED:
            content, target = self.wrapped(body, room), float(unsafe)
        else:
            content, target = self.windowed(self.prompts.content(text), unsafe, target)
        return self.finished(self.prompts.prompt(content, None), target, category)

    def wrapped(self, body: list[int], room: int) -> list[int]:
        """The text somewhere in a window that is otherwise harmless, cut wherever a window is cut."""
        rng = self.rng
        total = room if rng.random() < 0.5 else rng.randrange(4, room)
        ahead = rng.choice([0, total, rng.randrange(total + 1)])
        before, behind = self.filler(ahead), self.filler(total - ahead)
        return before[len(before) - ahead :] + body + behind[: total - ahead] + self.end

    def cut_out(self, body: list[int]) -> list[int]:
        """A window somewhere out of a long harmless text with the text in the middle: as much of it as
        one of the engine's windows is sure to have."""
        content = self.window.content
        before, behind = self.filler(content)[-content:], self.filler(content)[:content]
        ends = len(before) + len(body)
        sure = min(len(body), self.window.overlap)
        start = self.rng.randint(max(0, len(before) + sure - content), ends - sure)
        whole = before + body + behind
        return whole[start : start + content] + (self.end if start + content < len(whole) else [])

    def filler(self, tokens: int) -> list[int]:
        found: list[int] = []
        while len(found) < tokens:
            found += self.prompts.encode(" " + self.augment.piece().strip())
        return found

    def windowed(self, content: list[int], unsafe: bool, target: float):
        """One window of a text, as the engine cuts them."""
        longest = self.window.content
        if len(content) <= longest:
            return content, target
        start = self.rng.randrange(len(content) - longest + 1)
        if unsafe:
            start, target = self.rng.choice([0, start]), SOMEWHERE * target
        return self.prompts.cut(content, start, longest), target

    def finished(self, ids: list[int], target: float, category: int | None) -> Sample:
        suffix = [] if category is None else self.prompts.suffix
        return Sample(ids + suffix, target, category)

    def batches(self, trust: float) -> list[list[Sample]]:
        """Samples of about one length together, in random order."""
        rng = self.rng
        samples = sorted(self.epoch(trust), key=lambda s: len(s.ids) + rng.random() * 6)
        batches, current = [], []
        for sample in samples:
            if current and len(sample.ids) * (len(current) + 1) > BATCH_TOKENS:
                batches.append(current)
                current = []
            current.append(sample)
        batches.append(current)
        rng.shuffle(batches)
        return batches


class Loss:
    """Cross entropy of the verdict and, where it is known, of the category."""

    def __init__(self, prompts: Prompts, categories: float, drop: float):
        self.prompts, self.categories, self.drop = prompts, categories, drop
        self.margin = torch.zeros(prompts.size)
        self.margin[prompts.unsafe] = MARGIN

    def __call__(self, guard: network.Network, batch: list[Sample]) -> torch.Tensor:
        p, suffix = self.prompts, len(self.prompts.suffix)
        ids = torch.zeros(len(batch), max(len(s.ids) for s in batch), dtype=torch.long)
        for row, sample in zip(ids, batch):
            row[: len(sample.ids)] = torch.tensor(sample.ids)
        hidden = guard.hidden(self.with_noise(ids), self.drop)
        ends = torch.tensor([len(s.ids) - 1 for s in batch])
        known = torch.tensor([s.category is not None for s in batch])
        rows = torch.arange(len(batch))
        logits = guard.logits(hidden[rows, ends - suffix * known]) + self.margin
        logp = F.log_softmax(logits, -1)
        target = torch.tensor([s.target for s in batch]).clamp(0.01, 0.99)
        loss = -(target * logp[:, p.unsafe] + (1 - target) * logp[:, p.safe]).mean()
        if known.any():
            codes = torch.tensor([p.codes[s.category] for s in batch if s.category is not None])
            at_code = guard.logits(hidden[rows[known], ends[known]])
            share = len(codes) / len(batch)
            loss = loss + self.categories * share * F.cross_entropy(at_code, codes)
        return loss

    def with_noise(self, ids: torch.Tensor) -> torch.Tensor:
        """One token in 25 is another one, but never those that make the prompt."""
        p = self.prompts
        chosen = (torch.rand(ids.shape) < 0.04) & (ids < p.first_constant) & (ids != p.unsafe)
        return torch.where(chosen, torch.randint(0, p.first_constant, ids.shape), ids)


def optimiser(guard: network.Network, rate: float) -> torch.optim.Optimizer:
    matrices = [weight for weight in guard.parameters() if weight.dim() > 1]
    vectors = [weight for weight in guard.parameters() if weight.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": 0.05},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def report(guard: network.Network, prompts: Prompts, window: Window, rows) -> str:
    prompts_only = [row for row in rows if corpus.is_prompt(row)]
    scores, _, _ = evaluate.Scorer(guard, prompts, window).score(prompts_only)
    labels = np.array([row["unsafe"] for row in prompts_only])
    flagged = scores > evaluate.THRESHOLD
    return (
        f"validation: AUPRC {average_precision_score(labels, scores):.4f}"
        f" F1 {f1_score(labels, flagged):.4f} FPR {flagged[~labels].mean():.4f}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--vocabulary", required=True)
    arguments.add_argument("--teacher", type=Path, required=True)
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--meanings", type=Path, required=True, help="from meanings.py")
    arguments.add_argument("--init", help="weights to go on from")
    arguments.add_argument("--buried", action="store_true", help="cut texts as windows are cut")
    arguments.add_argument("--steps", type=int, default=8000)
    arguments.add_argument("--until", type=int, help="stop at this step, as if it were the last")
    arguments.add_argument("--rate", type=float, default=2e-3)
    arguments.add_argument("--trust", type=float, default=0.4)
    arguments.add_argument("--drop", type=float, default=0.1)
    arguments.add_argument("--categories", type=float, default=0.5)
    arguments.add_argument("--content", type=int, default=Window.content)
    arguments.add_argument("--overlap", type=int, default=Window.overlap)
    arguments.add_argument("--context", type=int, default=Window.context)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)

    prompts = Prompts(given.vocabulary)
    window = Window(given.content, given.overlap, given.context)
    rows = corpus.read(given.data, "train")
    indices, held = corpus.split(rows)
    kept = np.load(given.teacher)
    teacher = dict(zip(kept["indices"].tolist(), kept["scores"].tolist()))
    sampler = Sampler(rows, indices, prompts, window, teacher, given.seed, given.buried)
    if given.init:
        guard = network.load(given.init)
    else:
        guard = network.Network(network.Shape(vocabulary=prompts.size))
        sampled = corpus.epoch(sampler.groups, random.Random(given.seed))
        warmstart.warm(guard, prompts, rows, sampled, np.load(given.meanings)["meanings"])
    mean = copy.deepcopy(guard).eval()
    loss_of, steps = Loss(prompts, given.categories, given.drop), optimiser(guard, given.rate)

    done, smooth, begun = 0, None, time.time()
    last = given.until or given.steps
    while done < last:
        for batch in sampler.batches(given.trust * (1 - 0.6 * done / given.steps)):
            if done == last:
                break
            decay = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done / given.steps))
            for group in steps.param_groups:
                group["lr"] = given.rate * min(1, (done + 1) / 200) * decay
            guard.train()
            loss = loss_of(guard, batch)
            steps.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(guard.parameters(), 1.0)
            steps.step()
            done += 1
            with torch.no_grad():
                keep = min(0.999, (done + 1) / (done + 10))
                torch._foreach_lerp_(list(mean.parameters()), list(guard.parameters()), 1 - keep)
            smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
            if done % 200 == 0:
                print(f"{time.time() - begun:.0f} s, step {done}: loss {smooth:.4f}", flush=True)
            if done % 1000 == 0 or done == last:
                network.save(mean, given.out)
                print(report(mean, prompts, window, [rows[i] for i in held]), flush=True)


if __name__ == "__main__":
    main()
