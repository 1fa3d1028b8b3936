# SPDX-License-Identifier: Apache-2.0
"""Opens result.db read-only and checks that it is one that this version understands."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from latchkey_lib.analysis import RESULT
from latchkey_lib.messages import DataError

SCHEMA_VERSION = 2
SITE_COLUMNS = "coalesce(s.name, '?') AS site, s.file || ':' || s.line AS place"  # of sites AS s


class Result:
    """One result.db. Every query raises DataError if the file is damaged."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._path = run / RESULT
        self._db = sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row
        try:
            self.meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        except sqlite3.OperationalError:
            raise DataError(
                f"{self._path}: not written by latchkey-analyze; remove it, then latchkey analyze {run}"
            ) from None
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self._path}: {error}; remove it, then latchkey analyze {run}") from None
        version = self.meta.get("schema_version")
        if version != str(SCHEMA_VERSION):
            raise DataError(
                f"{self._path}: schema {version}, this version reads {SCHEMA_VERSION}; "
                f"latchkey analyze {run} writes it anew"
            )

    def rows(self, query: str, values: Iterable[object] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        try:
            return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self._path}: {error}; remove it, then latchkey analyze {self.run}") from None

    def number(self, key: str) -> int | None:
        """A number of the table meta; None if it is not there."""
        value = self.meta.get(key)
        return int(value) if value not in (None, "") else None

    def launcher_facts(self) -> dict[str, Any]:
        """run.json; empty if it is missing or damaged."""
        try:
            content = json.loads((self.run / "run.json").read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
