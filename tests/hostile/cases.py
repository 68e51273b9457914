"""The list of cases: each spoils one thing and says how it must be answered."""

from model import LINEAR, Model

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


def spoiling(prefix, base, layout="gemm"):
    """A decorator like case(), for what spoils the correct module that `base` makes of a Model."""
    def named(name, *patterns, code=3, **how):
        def add(spoil):
            @case(f"{prefix}-{name}", *patterns, code=code, layout=layout)
            def both(m):
                base(m, **how)
                spoil(m)
            return both
        return add
    return named


def spoiling_shapes(named):
    """For one tensor of such a module in another type and shape."""
    def bad_shape(suffix, dtype, shape, *patterns):
        shape_name = "x".join(map(str, shape)) or "scalar"

        @named(f"{suffix}-{dtype.lower()}-{shape_name}", r"model\.safetensors: ", *patterns)
        def spoil(m):
            m.tensors[f"{LINEAR}.{suffix}"] = (dtype, shape)
    return bad_shape


def all_cases():
    # Each module adds its cases when it is imported.
    import cases_compressed, cases_config, cases_files, cases_formats, cases_header  # noqa
    import cases_bits  # noqa
    import cases_int8  # noqa
    import cases_mlx  # noqa
    import cases_scaled  # noqa
    import cases_index, cases_legal, cases_places, cases_quant, cases_sizes, cases_specs  # noqa
    return CASES
