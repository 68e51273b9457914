"""Exact values as the bits of a float type, rounded once: what tests expect that no producer wrote."""

from fractions import Fraction


def rounded(value, precision, smallest):
    """The bits of a positive fraction in a type of so many bits of fraction and that least power,
    to nearest, ties to even."""
    exponent = 0
    while value >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while exponent > smallest + precision and value < Fraction(2) ** exponent:
        exponent -= 1
    unit = max(exponent - precision, smallest)
    units, rest = divmod(value, Fraction(2) ** unit)
    if rest * 2 > Fraction(2) ** unit or (rest * 2 == Fraction(2) ** unit and units % 2):
        units += 1
    return ((unit - smallest) << precision) + int(units)


def bits_of(value, negative, dtype):
    precision, smallest, size = {"bfloat16": (7, -133, 2), "float16": (10, -24, 2),
                                 "float32": (23, -149, 4)}[dtype]
    bits = rounded(value, precision, smallest) if value else 0
    return (bits | (0x80 << (8 * size - 8) if negative else 0)).to_bytes(size, "little")
