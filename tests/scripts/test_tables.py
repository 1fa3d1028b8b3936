# SPDX-License-Identifier: Apache-2.0
"""The reader of the .def tables, and the export map made from one."""

import unittest

from support import ROOT, TemporaryDirectory

from gen_export_map import export_map
from latchkey_lib import tables


class Rows(TemporaryDirectory):
    """Parsing rows of C++ source."""

    def test_strings_keep_commas_and_brackets(self) -> None:
        rows = tables.parse_rows('ROW(a, "b, (c)", d) // ROW(x)\n/* ROW(y) */ ROW("// no comment")')
        self.assertEqual([row.args for row in rows], [("a", "b, (c)", "d"), ("// no comment",)])

    def test_types_keep_their_commas(self) -> None:
        (row,) = tables.parse_rows('SYMBOL_AS(read, f, "", int (*)(int, void*[2]))')
        self.assertEqual(row.args, ("read", "f", "", "int (*)(int, void*[2])"))

    def test_adjacent_strings_are_one(self) -> None:
        (row,) = tables.parse_rows('COUNTER(a, "calls", "one "\n    "text")')
        self.assertEqual(row.args[2], "one text")

    def test_a_row_without_end_is_an_error(self) -> None:
        with self.assertRaises(tables.TableError):
            tables.parse_rows('ROW(a, "b"')

    def test_every_row_of_the_tables_is_read(self) -> None:
        for name, macro, read in (
            ("preload/symbols.def", "SYMBOL", tables.read_symbols),
            ("preload/options.def", "OPTION(", tables.read_options),
            ("preload/events.def", "EVENT(", tables.read_events),
            ("preload/events.def", "OBJECT(", tables.read_objects),
            ("runtime/counters.def", "COUNTER(", tables.read_counters),
        ):
            lines = (ROOT / name).read_text().splitlines()
            self.assertEqual(len(read(ROOT / name)), sum(line.startswith(macro) for line in lines), name)

    def test_fields_have_types_and_order(self) -> None:
        path = self.directory / "events.def"
        path.write_text(
            'EVENT(e, "[c] text",\n NUM(u8, n, "number")\n TXT(t, "words")\n SEQ(u64, s, "list"))'
        )
        (event,) = tables.read_events(path)
        self.assertEqual(
            [(field.name, field.type) for field in event.fields], [("n", "u8"), ("t", "text"), ("s", "u64[]")]
        )


class ExportMap(unittest.TestCase):
    """The linker's version script."""

    def test_exports_are_unversioned_and_the_rest_is_local(self) -> None:
        self.assertEqual(export_map(["a", "b"]), "{\n  global:\n    a;\n    b;\n  local:\n    *;\n};\n")
