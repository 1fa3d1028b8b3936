# SPDX-License-Identifier: Apache-2.0
"""Questions to a result.db (analyze/schema.sql), as the subjects' tests ask them."""

import sqlite3
from pathlib import Path


_WOKEN = """
SELECT waiter.name AS waiter, waker.name AS waker, object, pairs.class AS class, count, ns
  FROM signal_pairs AS pairs JOIN signals ON signals.id = signal
  JOIN roles AS waiter ON waiter.id = waiter_role JOIN roles AS waker ON waker.id = waker_role
"""


class Result:
    """One run's result.db, read only."""

    def __init__(self, run_dir: Path):
        self.run_dir = run_dir
        self._db = sqlite3.connect(f"file:{run_dir / 'result.db'}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        self._db.close()

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def value(self, sql: str, *values: object) -> int:
        """The first column of the first row; 0 for nothing."""
        row = self._db.execute(sql, values).fetchone()
        return row[0] or 0 if row else 0

    def column(self, sql: str, *values: object) -> list[object]:
        return [row[0] for row in self.rows(sql, *values)]

    def calls(self, *functions: str, exe: str = "") -> int:
        """Calls of interposed functions, of all processes or those of an executable's file name."""
        marks = ",".join("?" * len(functions))
        return self.value(f"SELECT sum(calls) FROM symbol_calls JOIN processes ON processes.id = process "
                          f"WHERE name IN ({marks}) AND exe LIKE ?", *functions, f"%/{exe}" if exe else "%")

    def counter(self, name: str, exe: str = "") -> int:
        """A sum of runtime/counters.def over all threads."""
        return self.value("SELECT sum(value) FROM thread_counters JOIN processes ON processes.id = process "
                          "WHERE name = ? AND exe LIKE ?", name, f"%/{exe}" if exe else "%")

    def own_waits(self) -> int:
        """Waits for mutexes of which runtime own told how they ended."""
        return sum(self.counter(name) for name in ("mutex_spun", "mutex_woken", "mutex_handed"))

    def roles(self) -> set[str]:
        return set(self.column("SELECT name FROM roles"))

    def processes(self, exe: str) -> list[sqlite3.Row]:
        return self.rows("SELECT * FROM processes WHERE exe LIKE ? ORDER BY id", f"%/{exe}")

    def doubts(self) -> dict[str, int]:
        """What the data quality block warns of: key to value."""
        rows = self.rows("SELECT key, value FROM quality WHERE severity = 'warning'")
        return {row["key"]: row["value"] for row in rows}

    def files(self, pattern: str) -> sqlite3.Row:
        """Sums over the files whose name is LIKE `pattern`: writes, write_bytes, syncs (0 if none)."""
        sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in ("writes", "write_bytes", "syncs"))
        return self.rows(f"SELECT {sums} FROM files WHERE name LIKE ?", pattern)[0]

    def woken(self, condition: str, *values: object) -> list[sqlite3.Row]:
        """Waits whose waker is known, by waiter, waker, object and class; `condition` is SQL over these."""
        return self.rows(f"SELECT * FROM ({_WOKEN}) WHERE {condition}", *values)
