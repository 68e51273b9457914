"""The list of cases: each spoils one thing and says how it must be answered."""

from model import Model

CASES = []


class Case:
    def __init__(self, name, code, patterns, layout, spoil):
        self.name, self.code, self.patterns = name, code, list(patterns)
        self.layout, self.spoil = layout, spoil

    def write(self, directory):
        model = Model(self.layout)
        self.spoil(model)
        model.write(directory)
        return model


def case(name, *patterns, code=3, layout="gemm"):
    """Decorates a function that spoils a Model. Every pattern must be found in the message."""
    def add(spoil):
        assert all(other.name != name for other in CASES), name
        CASES.append(Case(name, code, patterns, layout, spoil))
        return spoil
    return add


def all_cases():
    # Each module adds its cases when it is imported.
    import cases_compressed, cases_config, cases_files, cases_formats, cases_header  # noqa
    import cases_bits  # noqa
    import cases_int8  # noqa
    import cases_mlx  # noqa
    import cases_index, cases_legal, cases_places, cases_quant, cases_sizes, cases_specs  # noqa
    return CASES
