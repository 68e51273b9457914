#!/usr/bin/env python3
"""Runs llama.cpp's converter on small models: write_gguf.py FOLDER [TYPE MODEL OUT]...

FOLDER holds convert_hf_to_gguf.py; TYPE is f16 or bf16. One process for all, because most of its
time goes into imports. The converter knows vocabularies by a checksum; ours of 512 words it is told
to take for one of Qwen2. Nothing else is changed.
"""

import sys

folder, *rest = sys.argv[1:]
sys.path.insert(0, folder)

import convert_hf_to_gguf  # noqa: E402
from conversion import base  # noqa: E402

base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
for kind, model, out in zip(*[iter(rest)] * 3):
    sys.argv = ["convert_hf_to_gguf.py", model, "--outtype", kind, "--outfile", out]
    convert_hf_to_gguf.main()
