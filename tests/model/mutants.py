#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Does the model find bugs? Puts known ones into a copy of runtime/'s headers, one at a time, and runs the model.

    mutants.py generate RUNTIME OUT    copies the headers to OUT/mutated/runtime with all bugs in them, each behind
                                       a switch, and writes OUT/mutants.h
    mutants.py run MODEL [NAME...]     runs each bug's group; it must fail. Result in TAP.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    group: str  # of the model, which must find it
    header: str
    right: str  # stands in the header once; blanks and line ends do not matter
    wrong: str  # BUG is true while this mutant is on


MUTANTS = [
    # Some were in the code, and the model found them.
    Mutant("a waiter that queued during an unlock is passed over", "mutex", "mutex.h",
           "// Fails if a waiter has queued since `word` was read: that one may be due.",
           "if (BUG) word = word_.load(std::memory_order_relaxed);"),
    Mutant("a cancelled waiter's signal goes to one waiter only", "condvar", "condvar.h",
           "if (had_signal) broadcast_at(*wait.self, wait.condvar);",
           "if (had_signal && !BUG) broadcast_at(*wait.self, wait.condvar); "
           "else if (had_signal) signal_at(*wait.self, wait.condvar);"),
    Mutant("wake-ups owed while others are paid are forgotten", "signal", "lock_family.h",
           "for (; self.owes_wakes;", "for (bool again = true; self.owes_wakes && again; again = !BUG,"),

    Mutant("a spinner that queues keeps kSpin", "mutex", "mutex.h",
           "(word & ~mine) | (is_free ? self.id.load(std::memory_order_relaxed) : kWaiters)",
           "(word & ~(BUG ? 0 : mine)) | (is_free ? self.id.load(std::memory_order_relaxed) : kWaiters)"),
    Mutant("a spinner that queues does not look whether the mutex is free", "mutex", "mutex.h",
           "const bool is_free = (word & kIdMask) == 0 && !must_stay_behind(word, mine);",
           "const bool is_free = !BUG && (word & kIdMask) == 0 && !must_stay_behind(word, mine);"),
    Mutant("a time-out does not look whether it was handed the mutex", "mutex", "mutex.h",
           "if ((node.state.load(std::memory_order_relaxed) & kNodeState) != kQueued) return false; "
           "take_out(bucket, node);",
           "if ((node.state.load(std::memory_order_relaxed) & kNodeState) != kQueued) return BUG; "
           "take_out(bucket, node);"),
    Mutant("an unlock looks at the mutex again after the releasing store", "mutex", "mutex.h",
           "if ((word & kWaiters) == 0 || is_awaited) return;",
           "if (BUG) word = word_.load(std::memory_order_relaxed); if ((word & kWaiters) == 0 || is_awaited) return;"),
    Mutant("a hand-over forgets the others that wait", "mutex", "mutex.h",
           "(word & (kSpin | kWaking)) | rest | heir->slot", "(word & (kSpin | kWaking)) | (BUG ? 0 : rest) | heir->slot"),
    Mutant("waiters of any age are passed over", "mutex", "mutex_state.h",
           "return is_older(now, due_.load(std::memory_order_relaxed), 0) ||",
           "return (!BUG && is_older(now, due_.load(std::memory_order_relaxed), 0)) ||"),
    Mutant("a second look finds nobody due", "handoff", "mutex.h",
           "if (!this->is_due(self, System::now())) return false;",
           "if ((BUG && tuning().handoff == Handoff::kAged) || !this->is_due(self, System::now())) return false;"),
    Mutant("who queues goes to the front", "handoff", "mutex.h",
           "if (is_new) passage.queue = push(bucket, node, now);",
           "if (is_new && !BUG) passage.queue = push(bucket, node, now);"),
    Mutant("a bucket is left without waking who waits for it", "mutex", "side_table.h",
           "if (word_.exchange(0, std::memory_order_release) == 2)",
           "if (word_.exchange(0, std::memory_order_release) == (BUG ? 3 : 2))"),
    Mutant("the new head of a queue does not know its length", "mutex", "side_table.h",
           "node.next->length = node.length;", "if (!BUG) node.next->length = node.length;"),

    Mutant("a cancelled waiter keeps its signal", "condvar", "condvar.h",
           "const bool had_signal = !wait.condvar->withdraw(*wait.self, *wait.node);",
           "const bool had_signal = !wait.condvar->withdraw(*wait.self, *wait.node) && !BUG;"),
    Mutant("a time-out swallows a signal", "condvar", "condvar.h",
           "!sleep(wait, deadline) && withdraw(self, *wait.node);",
           "!sleep(wait, deadline) && (withdraw(self, *wait.node) || BUG);"),
    Mutant("waiters moved to a free mutex sleep on", "queue", "mutex.h",
           "first = let_first_go(bucket);", "first = BUG ? nullptr : let_first_go(bucket);"),
    Mutant("a signaller touches the condvar after it let the waiter go", "queue", "condvar.h",
           "release(self, nodes); return count;",
           "release(self, nodes); if (BUG) static_cast<Condvar*>(condvar)->waiters_.load(); return count;"),

    Mutant("a writer that gives up leaves the readers it held up asleep", "rwlock", "rwlock.h",
           "if (node.waits_for == WaitsFor::kWriting) admitted", "if (!BUG && node.waits_for == WaitsFor::kWriting) admitted"),
    Mutant("the last reader leaves without admitting a writer", "rwlock", "rwlock.h",
           "if (decides && may_enter)", "if (decides && may_enter && !(BUG && unit == 1))"),
    Mutant("a woken writer that comes too late leaves readers asleep", "rwlock", "rwlock.h",
           "admitted = admit_readers(bucket); } }", "if (!BUG) admitted = admit_readers(bucket); } }"),
    Mutant("readers pass a writer that is on its way, though writers are preferred", "rwlock", "rwlock.h",
           "(word & (kWriterWaits | kWaking)) == 0", "(word & (kWriterWaits | (BUG ? 0 : kWaking))) == 0"),
    Mutant("the flag of a spinner stays in a fork child", "fork", "lock_family.h",
           "std::memory_order_relaxed); mutex != 0)", "std::memory_order_relaxed); mutex != 0 && !BUG)"),
    Mutant("a broadcast changes the states before the count", "fork", "condvar.h",
           "static_cast<Condvar*>(condvar)->waiters_.fetch_sub(count, std::memory_order_relaxed); for (",
           "if (BUG) nodes->change_state(kMoving); "
           "static_cast<Condvar*>(condvar)->waiters_.fetch_sub(count, std::memory_order_relaxed); for ("),
    Mutant("a rwlock that a handler freed is not among the debts", "signal", "rwlock.h",
           "if (decides) self.owes_wakes = true;", "if (decides && !BUG) self.owes_wakes = true;"),
    Mutant("a mutex that a handler freed is not among the debts", "signal", "mutex.h",
           "else self.owes_wakes = true; return;", "else if (!BUG) self.owes_wakes = true; return;"),
    Mutant("a signal that a handler could not send is not among the debts", "signal", "condvar.h",
           "static void signal_at(SlotOf& self, void* condvar) { if (self.buckets_held != 0) [[unlikely]] { "
           "self.owes_wakes = true;",
           "static void signal_at(SlotOf& self, void* condvar) { if (self.buckets_held != 0) [[unlikely]] { "
           "self.owes_wakes = !BUG;"),
    Mutant("a handler clears the mark of the spinner below it", "signal", "mutex.h",
           "if (mine == kSpin) self.active_on.store(0, std::memory_order_relaxed); if (is_free)",
           "if (mine == kSpin || BUG) self.active_on.store(0, std::memory_order_relaxed); if (is_free)"),
    Mutant("a slot is used again while its thread still ends", "slot", "slot.h",
           "if (its_tid == tid || System::is_gone(its_tid))", "if (its_tid == tid || System::is_gone(its_tid) || BUG)"),
    Mutant("a thread ends while others read its memory", "slot", "slot.h",
           "while (slot.looking.load(std::memory_order_seq_cst) != 0)",
           "while (!BUG && slot.looking.load(std::memory_order_seq_cst) != 0)"),
]


def mutate(text: str, number: int, mutant: Mutant) -> str | None:
    """The header's text with the mutant behind its switch; None: its place is not there, or there twice."""
    pattern = r"\s+".join(re.escape(word) for word in mutant.right.split())
    wrong = mutant.wrong.replace("BUG", f"(latchkey::model::mutant == {number})")
    changed, count = re.subn(pattern, lambda _: wrong, text)
    return changed if count == 1 else None


def generate(runtime: Path, out: Path) -> None:
    texts = {path.name: path.read_text() for path in sorted(runtime.glob("*.h"))}
    on = []
    for number, mutant in enumerate(MUTANTS, 1):
        changed = mutate(texts[mutant.header], number, mutant)
        if changed is None:
            print(f"mutants.py: {mutant.header} has not exactly one: {mutant.right}", file=sys.stderr)
            continue
        texts[mutant.header] = changed
        on.append(number)
    # Not in OUT itself: that is on the include path of the model without mutants too.
    headers = out / "mutated/runtime"
    headers.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = headers / name
        text = text.replace("#pragma once\n", '#pragma once\n#include "mutants.h"\n', 1)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    numbers = ", ".join(map(str, on))
    (out / "mutants.h").write_text(f"""#pragma once
namespace latchkey::model {{
inline int mutant = 0;  // the one that is on
constexpr int kMutants[] = {{{numbers}}};  // those whose place was found
}}
""")


def find(model: str, number: int) -> tuple[bool, str]:
    """Runs the model with one mutant: (found, how)."""
    mutant = MUTANTS[number - 1]
    result = subprocess.run([model, mutant.group, "--schedules", "100000", "--mutant", str(number), "--trace", "0"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
    if result.returncode == 2:
        return False, "its place in the header is not found: the mutant's text is to be adapted"
    if result.returncode == 0:
        return False, "the model passes"
    said = re.search(r"# (seed \d+).*?: (.*)", result.stdout)
    return True, f"{said.group(1)}: {said.group(2)}" if said else f"exit status {result.returncode}"


def run(model: str, names: list[str]) -> int:
    numbers = [number for number, mutant in enumerate(MUTANTS, 1) if not names or mutant.name in names]
    print(f"1..{len(numbers)}")
    failures = 0
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda number: find(model, number), numbers)
        for i, (number, (is_found, how)) in enumerate(zip(numbers, results), 1):
            failures += not is_found
            print(f"{'ok' if is_found else 'not ok'} {i} - {MUTANTS[number - 1].name}\n# {how}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(run(sys.argv[2], sys.argv[3:]))
