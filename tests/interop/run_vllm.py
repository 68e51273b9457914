#!/usr/bin/env python3
"""Opens what thaw wrote with vLLM on a CPU: run_vllm.py --thaw BIN [NAME...]

vLLM loads each checkpoint as float16 and gives the log-probability of every word of the
vocabulary at every place of the stored input; these are compared with those of the stored logits. Then it writes
on: its next word must be the stored logits' likeliest. Ends with "N passed, N failed".
"""

import argparse
import importlib.metadata
import os
import pathlib
import sys
import tempfile
import time

os.environ.update(
    VLLM_CPU_KVCACHE_SPACE="1",  # GiB
    VLLM_CPU_OMP_THREADS_BIND="nobind",
    VLLM_ENABLE_V1_MULTIPROCESSING="0",  # the engine in this process
    VLLM_NO_USAGE_STATS="1",
    VLLM_LOGGING_LEVEL="ERROR",
    HF_HUB_OFFLINE="1")
os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from vllm import LLM, SamplingParams  # noqa: E402

from fixtures import DATA, convert, run_checks  # noqa: E402

MODELS = ("qwen2-awq-gemm", "qwen3-ct-awq-asym", "qwen3moe-ct-w4a16-sym", "llama-gptq-v1-desc_act",
          "starcoder2-awq-act_scales")
TOLERANCE = 0.05  # float16 arithmetic beside float32's: at most 0.0149 was seen (specs/interop.md)


def check_logprobs(thaw, name, work):
    out = work / name
    convert(thaw, name, out)
    start = time.monotonic()
    reference = load_file(DATA / name / "reference.safetensors")
    expected = torch.log_softmax(reference["logits"][0], -1)
    words = expected.shape[-1]
    model = LLM(model=str(out), dtype="float16", enforce_eager=True, max_model_len=128,
                max_num_batched_tokens=128, max_num_seqs=2, max_logprobs=words)
    answer = model.generate([{"prompt_token_ids": reference["input_ids"][0].tolist()}],
                            SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=words),
                            use_tqdm=False)[0]
    difference = 0.0
    for place, got in zip(expected, answer.prompt_logprobs[1:]):  # none for the first word
        assert got.keys() >= set(range(words))
        found = torch.tensor([got[word].logprob for word in range(words)])
        difference = max(difference, (found - place).abs().max().item())
    seconds = time.monotonic() - start
    print(f"  {name}: largest difference of a log-probability {difference:.3g}, {seconds:.0f} s")
    assert difference <= TOLERANCE, difference
    assert answer.outputs[0].token_ids[0] == expected[-1].argmax()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--thaw", required=True)
    parser.add_argument("names", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    thaw = pathlib.Path(arguments.thaw).resolve()
    print(", ".join(f"{name} {importlib.metadata.version(name)}"
                    for name in ("vllm-cpu", "transformers", "torch")))
    with tempfile.TemporaryDirectory() as folder:
        return run_checks((name, check_logprobs, thaw, name, pathlib.Path(folder))
                          for name in arguments.names)


if __name__ == "__main__":
    sys.exit(main())
