"""What attackers and people do to texts: misspell them, and hide them among harmless ones."""

import random

# Sources whose harmless rows are still about groups and insults: not what harmless padding is like.
EDGY = {"davidson", "edos", "toxigen", "hatecheck", "orbench"}

POLITE = [
    "Hello! I hope you are having a wonderful day.",
    "Please, could you help me with something?",
    "Thank you so much for your help, I really appreciate it.",
    "Good morning, I have a quick question for you.",
    "I would be very grateful for your advice.",
    "Hi there, hope all is well with you and your family.",
    "You are a helpful assistant that answers politely.",
    "Sorry to bother you, this will only take a minute.",
    "Thanks in advance!",
    "I am writing a report for work and need a hand.",
    "It is a beautiful day outside.",
    "Could you please be so kind and answer the following?",
    "As a long-time user I really enjoy talking to you.",
    "My colleague suggested that I ask you about this.",
    "Kind regards, and have a nice weekend.",
    "I hope this message finds you well. I have been a customer for many years and I am always "
    "happy with the service.",
]

LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})


class Augment:
    """Changes texts at random, and never their label."""

    def __init__(self, harmless: list[str], rng: random.Random):
        self.short = [text for text in harmless if len(text) < 160]
        self.long = [text for text in harmless if len(text) > 250]
        self.rng = rng

    def misspelt(self, text: str) -> str:
        rng = self.rng
        if rng.random() < 0.15:
            words = text.split(" ")
            for _ in range(max(1, len(words) // 8)):
                at = rng.randrange(len(words))
                words[at] = self.mistyped(words[at])
            text = " ".join(words)
        dice = rng.random()
        if dice < 0.03:
            words = text.split(" ")
            return " ".join(word.translate(LEET) if rng.random() < 0.6 else word for word in words)
        return text.rstrip(".?! ") if dice < 0.05 else text

    def mistyped(self, word: str) -> str:
        """Two letters swapped, one dropped, or one doubled."""
        if len(word) <= 3:
            return word
        at, dice = self.rng.randrange(len(word) - 1), self.rng.random()
        if dice < 0.4:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return word[:at] + word[at + 1 :] if dice < 0.7 else word[:at] + word[at] + word[at:]

    def piece(self) -> str:
        """A harmless text to hide among."""
        rng = self.rng
        if rng.random() < 0.7:
            return rng.choice(self.short if rng.random() < 0.6 else self.long)
        return rng.choice(POLITE)
