"""How many weights of OUT are wrong: judge.py MODEL OUT

Computes (code - zero) * scale of an AutoAWQ GEMM checkpoint with numpy, in float32 (where the product is
exact), rounded once to float16, and compares the bits. Prints "0 of N" or "M of N, P %".
"""

import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open

# Bits of a word that hold the columns 8i, 8i + 1, ... 8i + 7.
SHIFTS = 4 * np.array([0, 4, 1, 5, 2, 6, 3, 7], dtype=np.uint32)


def codes(words):
    words = words.view(np.uint32)
    fields = (words[:, :, None] >> SHIFTS) & 15
    return fields.astype(np.int8).reshape(words.shape[0], -1)


def main(model, out):
    made = {}
    for shard in sorted(out.glob("*.safetensors")):
        reader = safe_open(shard, framework="np")
        made.update({name: reader for name in reader.keys()})
    wrong = total = 0
    for shard in sorted(model.glob("*.safetensors")):
        reader = safe_open(shard, framework="np")
        for name in reader.keys():
            if not name.endswith(".qweight"):
                continue
            module = name.removesuffix(".qweight")
            scales = reader.get_tensor(f"{module}.scales").astype(np.float32)
            zeros = codes(reader.get_tensor(f"{module}.qzeros"))
            weight = codes(reader.get_tensor(name))
            group = weight.shape[0] // scales.shape[0]
            got = made[f"{module}.weight"].get_tensor(f"{module}.weight")
            for i in range(scales.shape[0]):
                rows = slice(i * group, (i + 1) * group)
                expected = ((weight[rows] - zeros[i]) * scales[i]).astype(np.float16).T
                difference = np.ascontiguousarray(got[:, rows]).view(np.uint16)
                wrong += int(np.count_nonzero(difference != expected.view(np.uint16)))
            total += weight.size
    print(f"{wrong} of {total}" + (f", {100 * wrong / total:.1f} %" if wrong else ""))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
