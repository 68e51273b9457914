"""What the tests of the command line share: running thaw, reading and writing checkpoints."""

import fcntl
import hashlib
import json
import mmap
import os
import pathlib
import pty
import shutil
import struct
import subprocess
import tempfile
import termios
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
QWEN = ("qwen2-awq-gemm", "qwen2-awq-gemv", "qwen2-awq-gemv_fast", "qwen2-awq-marlin")
COMPRESSED = ("qwen3-ct-awq-asym", "qwen3moe-ct-w4a16-sym", "llama-ct-w8a16-channel",
              "llama-ct-int8-w8a8", "qwen3-ct-int8-w4a8")
LLAMA = ("llama-gptq-v1-desc_act", "llama-gptqmodel-awq", "llama-autoround-gptq",
         "llama-autoround-mixed")
ELEMENT_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "I8": 1, "I16": 2, "I32": 4, "I64": 8, "U8": 1,
                 "U32": 4, "F64": 8, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}

THAW = ""             # the program, set by run_cli.py
MAKE_CHECKPOINT = ""  # the tool, likewise
QUICK = False         # a sanitizer build: small inputs only


def run(*words, env=None, timeout=300, **more):
    """Runs thaw; its output is text. THAW_ISA and the like come from `env` only."""
    clean = {key: value for key, value in os.environ.items()
             if key not in ("THAW_ISA", "THAW_MODELS", "NO_COLOR", "HF_HUB_CACHE", "HF_HOME")}
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([THAW, *map(str, words)], env=clean | (env or {}), timeout=timeout,
                          text=True, encoding="utf-8", check=False, **more)


def available_isas():
    last = run("--version").stdout.strip().splitlines()[-1]
    return last.removeprefix("instruction sets: ").split(", ")


def make_checkpoint(folder, *options):
    subprocess.run([MAKE_CHECKPOINT, *options, str(folder)], check=True)
    return folder


def tree(folder):
    """Every path below the folder with the sha256 of its content ("/" for a folder)."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = "/" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def same_trees(one, other):
    """True when two folders hold the same names and bytes; for large ones."""
    return subprocess.run(["diff", "-rq", one, other], stdout=subprocess.DEVNULL).returncode == 0


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("duplicate keys")
    return dict(pairs)


class Shard:
    """A safetensors file, read strictly: sorted by offset the tensors cover the data exactly."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (length,) = struct.unpack_from("<Q", self.bytes, 0)
        self.data_begin = 8 + length
        header = json.loads(self.bytes[8:self.data_begin].decode("utf-8"),
                            object_pairs_hook=no_duplicates)
        self.metadata = header.pop("__metadata__", None)
        self.tensors = header
        at = 0
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            elements = 1
            for extent in entry["shape"]:
                elements *= extent
            if begin != at or end - begin != elements * ELEMENT_BYTES[entry["dtype"]]:
                raise ValueError(f"{path}: {name}: bad offsets")
            at = end
        if self.data_begin + at != len(self.bytes):
            raise ValueError(f"{path}: the data ends elsewhere")

    def read(self, name):
        begin, end = self.tensors[name]["data_offsets"]
        return self.bytes[self.data_begin + begin:self.data_begin + end]


def read_checkpoint(folder):
    """name -> (dtype, shape, bytes) of all tensors; the index must agree with the shards."""
    folder = pathlib.Path(folder)
    index_file = folder / "model.safetensors.index.json"
    if index_file.exists():
        weight_map = json.loads(index_file.read_text())["weight_map"]
        files = sorted(set(weight_map.values()))
    else:
        weight_map = None
        files = ["model.safetensors"]
    tensors = {}
    for file in files:
        shard = Shard(folder / file)
        for name, entry in shard.tensors.items():
            if name in tensors or (weight_map and weight_map[name] != file):
                raise ValueError(f"{file}: {name} is not where the index says")
            tensors[name] = (entry["dtype"], entry["shape"], shard.read(name))
    if weight_map is not None and set(weight_map) != set(tensors):
        raise ValueError("the index names tensors that no shard has")
    return tensors


def hashes(folder):
    """What the tensors of a checkpoint are, as the fixtures' expected.json says it."""
    return {name: {"dtype": dtype, "shape": list(shape),
                   "sha256": hashlib.sha256(data).hexdigest()}
            for name, (dtype, shape, data) in read_checkpoint(folder).items()}


def rewrite(source, model, change=None, config=None):
    """Writes the model `source`, of one shard, anew. `change` gives other tensors for its tensors;
    `config` alters what its config.json holds."""
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir()
    shard = Shard(source / "model.safetensors")
    tensors = {key: (entry["dtype"], entry["shape"], shard.read(key))
               for key, entry in shard.tensors.items()}
    write_safetensors(model / "model.safetensors", change(tensors) if change else tensors)
    text = json.loads((source / "config.json").read_text())
    if config:
        config(text)
    (model / "config.json").write_text(json.dumps(text))
    return model


def write_safetensors(path, tensors, metadata=None):
    """`tensors`: name -> (dtype, shape, bytes)."""
    header = {"__metadata__": metadata or {"format": "pt"}}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def run_on_terminal(*words, columns=100, streams=("stderr",), env=None, cwd=None):
    """Runs thaw with these streams on one terminal: what it wrote there, and the exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    clean = {key: value for key, value in os.environ.items()
             if key not in ("NO_COLOR", "THAW_ISA", "THAW_MODELS")}
    ends = {name: slave if name in streams else subprocess.DEVNULL
            for name in ("stdout", "stderr")}
    process = subprocess.Popen([THAW, *map(str, words)], stdin=subprocess.DEVNULL, cwd=cwd,
                               env=clean | {"TERM": "xterm"} | (env or {}), **ends)
    os.close(slave)
    written = b""
    try:
        while part := os.read(master, 65536):
            written += part
    except OSError:  # the other side is closed
        pass
    os.close(master)
    return written.decode(), process.wait(timeout=60)


def slow(test):
    """Marks a test that is to be begun before the others."""
    test.slow = True
    return test


class Case(unittest.TestCase):
    """A test with a folder of its own on the disk of the build."""

    def setUp(self):
        parent = pathlib.Path(THAW).resolve().parent.parent
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="cli-", dir=parent))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def model(self, name="qwen2-awq-gemm"):
        return DATA / name / "model"

    def assert_exit(self, result, code):
        self.assertEqual(result.returncode, code,
                         f"{result.args}\n{result.stdout}\n{result.stderr}")

    def convert(self, model, out, *options, **more):
        result = run("convert", model, out, *options, **more)
        self.assert_exit(result, 0)
        return result

    def assert_refused(self, result, code, *fragments):
        """Nothing on standard output; messages of one line each that hold the fragments. A run that
        failed after its beginning has announced itself in three lines (specs/cli.md 3.6)."""
        self.assert_exit(result, code)
        self.assertEqual(result.stdout or "", "")
        lines = result.stderr.splitlines()
        announced = [i for i, line in enumerate(lines) if line.startswith("found   ")]
        for i in announced:
            self.assertEqual([line.split()[0] for line in lines[i:i + 3]],
                             ["found", "writes", "needs"])
            del lines[i:i + 3]
        self.assertTrue(lines and all(line.startswith("thaw: ") for line in lines), result.stderr)
        for fragment in fragments:
            self.assertIn(fragment, result.stderr)
