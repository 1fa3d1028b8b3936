# SPDX-License-Identifier: Apache-2.0
"""Numbers for people: three digits that matter, always with a unit; `-` for what is not known."""

_TIMES = ((1, "ns"), (1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s"))
_COUNTS = ((1, ""), (1_000, " k"), (1_000_000, " M"), (1_000_000_000, " G"))
_BYTES = ((1, "B"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB"), (1 << 40, "TiB"))
UNKNOWN = "-"


def duration(ns: int | None) -> str:
    """11 us, 2.10 ms, 8.31 s."""
    if ns is None:
        return UNKNOWN
    if ns == 0:
        return "0 s"
    scale, unit = _scale(ns, _TIMES)
    return f"{_three_digits(ns / scale, scale)} {unit}"


def count(number: int | None) -> str:
    """983, 12.3 k, 1.20 M."""
    if number is None:
        return UNKNOWN
    scale, unit = _scale(number, _COUNTS)
    return _three_digits(number / scale, scale) + unit


def decimal(number: float | None) -> str:
    """0.3, 12.0."""
    return UNKNOWN if number is None else f"{number:.1f}"


def size(number: int | None) -> str:
    """512 B, 4.00 KiB."""
    if number is None:
        return UNKNOWN
    scale, unit = _scale(number, _BYTES)
    return f"{_three_digits(number / scale, scale)} {unit}"


def percent(share: float | None) -> str:
    """31.4 %; a share that is not zero never prints as zero."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.05:
        return "<0.1 %"
    return f"{share:.1f} %"


def _scale(number: int, steps: tuple[tuple[int, str], ...]) -> tuple[int, str]:
    """The largest step that leaves at least 1; just below a step its rounding counts (999.96 us is 1 ms)."""
    fitting = [step for step in steps if abs(number) >= step[0] * (1 if step[0] == 1 else 0.9995)]
    return fitting[-1] if fitting else steps[0]


def _three_digits(value: float, scale: int) -> str:
    if scale == 1:
        return f"{value:.0f}"
    return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f}"
