# SPDX-License-Identifier: Apache-2.0
"""Living programs that are asked in turn, and what their answers come to: for benchmarks of ratios.

One process per variant stays alive and is asked in the order there and back, so that a machine that drifts moves
all variants alike. A round gives one ratio per variant: its two answers over the two of the first variant.
All processes stay in one Unix session: the kernel's autogroups make sessions, not threads, share a cpu fairly.
"""

from __future__ import annotations

import select
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import IO

ANSWER_TIMEOUT_S = 60
END_TIMEOUT_S = 30


class Subject:
    """A living program that answers lines with lines of numbers. A context manager: the end of its input ends it."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], stderr: IO[str] | None = None) -> None:
        self.name = name
        self.status: int | None = None
        self._process = subprocess.Popen(argv, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, question: str) -> list[float]:
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], ANSWER_TIMEOUT_S)[0]:
            raise TimeoutError(f"{self.name}: no answer to {question!r} within {ANSWER_TIMEOUT_S} s")
        answer = self._process.stdout.readline()
        if not answer:
            raise OSError(f"{self.name}: ended before it answered {question!r}")
        return [float(word) for word in answer.split()]

    def __enter__(self) -> "Subject":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        for end_it in (lambda: None, self._process.terminate, self._process.kill):
            end_it()
            try:
                self.status = self._process.wait(END_TIMEOUT_S)
                break
            except subprocess.TimeoutExpired:
                print(f"{self.name}: still running {END_TIMEOUT_S} s after the end of its input", file=sys.stderr)


def sandwich(variants: Iterable[str]) -> list[str]:
    """The order of one round: there and back."""
    there = list(variants)
    return there + there[::-1]


class Rounds:
    """`count` rounds of a question, or of one per variant, to subjects; the first is the reference."""

    def __init__(self, subjects: dict[str, Subject], question: str | Callable[[str], str], count: int) -> None:
        self._reference = next(iter(subjects))
        self._answers: list[dict[str, list[list[float]]]] = []
        for _ in range(count):
            answers: dict[str, list[list[float]]] = {variant: [] for variant in subjects}
            for variant in sandwich(subjects):
                words = question if isinstance(question, str) else question(variant)
                answers[variant].append(subjects[variant].ask(words))
            self._answers.append(answers)

    def ratios(self, variant: str, column: int = 0) -> list[float]:
        """A number of the answers of `variant` ÷ the reference's, one per round."""
        def total(answers: list[list[float]]) -> float:
            return sum(answer[column] for answer in answers)

        return [total(answers[variant]) / total(answers[self._reference]) for answers in self._answers]

    def numbers(self, variant: str, column: int) -> list[float]:
        """A number of all answers of `variant`."""
        return [answer[column] for answers in self._answers for answer in answers[variant]]


class Result:
    """What a benchmark found: medians, least and greatest; and what went wrong."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.spread: dict[str, list[float]] = {}
        self.problems: list[str] = []

    def add(self, key: str, samples: list[float]) -> None:
        self.values[key] = round(statistics.median(samples), 4)
        self.spread[key] = [round(min(samples), 4), round(max(samples), 4)]

    def add_problem(self, text: str) -> None:
        print(text, file=sys.stderr)
        self.problems.append(text)
