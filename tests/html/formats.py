"""How a page shows numbers (specs/reports.md clause 4), written a second time."""

import decimal

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
ENDLESS = {"inf": "\u221e", "-inf": "-\u221e", "nan": "NaN"}


def rounded(value, places):
    """A half goes away from zero."""
    exact = decimal.Decimal(value)
    with decimal.localcontext() as context:
        context.prec = 2000
        step = decimal.Decimal(1).scaleb(-places)
        return exact.quantize(step, rounding=decimal.ROUND_HALF_UP)


def figure(value):
    if value == 0:
        return "0"
    with decimal.localcontext() as context:
        context.prec = 3
        context.rounding = decimal.ROUND_HALF_UP
        short = +decimal.Decimal(value)
    exponent = short.adjusted()
    if -4 <= exponent <= 5:
        return f"{short:.{max(0, 2 - exponent)}f}"
    return f"{short.scaleb(-exponent):.2f}e{exponent}"


def count(value):
    return f"{int(value):,}".replace(",", "\u202f")


def size(value):
    unit = 0
    while value >= 999.95 and unit + 1 < len(UNITS):
        value /= 1000
        unit += 1
    return f"{rounded(value, 1 if unit else 0)}\u00a0{UNITS[unit]}"


FORMS = {"name": str, "text": str, "count": count, "bytes": size, "figure": figure,
         "cosine": lambda value: str(rounded(value, 6)),
         "decibel": lambda value: str(rounded(value, 1))}


def shown(value, kind):
    if value is None:
        return "\u2013"
    if isinstance(value, str) and value in ENDLESS:
        return ENDLESS[value]
    return FORMS[kind](value)
