"""The pages that the tests look at, made from tests/data by the program."""

import json
import pathlib
import struct
import subprocess

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
TAKEN = (0, 4, 1, 5, 2, 6, 3, 7)

# A name, and what a page shows of it.
HOSTILE = {
    "</script><script>hacked=1</script>": "</script><script>hacked=1</script>",
    "<img src=x onerror=hacked=1>": "<img src=x onerror=hacked=1>",
    "\"' autofocus onfocus=hacked=1 x=\"": "\"' autofocus onfocus=hacked=1 x=\"",
    "<!--<script>": "<!--<script>",
    "]]></td></table>": "]]></td></table>",
    "&lt;b&gt;&amp;": "&lt;b&gt;&amp;",
    "{{script}}{{nothing}}": "{{script}}{{nothing}}",
    "a\u2028b\u2029c": "a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9c",
    "bell\x07\x1b[31m\x7f": "bell\\x07\\x1b[31m\\x7f",
    "line\nfeed\ttab": "line\\nfeed\\ttab",
    "turned\u202eelbisivni": "turned\\xe2\\x80\\xaeelbisivni",
    "${hacked=1}`": "${hacked=1}`",
    "model.layers.7.<b>bold</b>.weight": "model.layers.7.<b>bold</b>.weight",
    "model.layers.18446744073709551615.x": "model.layers.18446744073709551615.x",
    "model.layers.99999999999999999999.x": "model.layers.99999999999999999999.x",
    "javascript:hacked=1": "javascript:hacked=1",
    "\U0001d54f\u00e9\u4e2d": "\U0001d54f\u00e9\u4e2d",
}


def write_shard(folder, tensors):
    """`tensors`: name -> values, of one dimension and float16."""
    folder.mkdir()
    header, data = {}, bytearray()
    for name, values in tensors.items():
        begin = len(data)
        data += struct.pack(f"<{len(values)}e", *values)
        header[name] = {"dtype": "F16", "shape": [len(values)], "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text('{"model_type": "llama", "torch_dtype": "float16"}')
    return folder


def with_wrong_nibbles(right, folder):
    """A copy of a float checkpoint whose linears have rows in the order of AWQ's nibbles."""
    folder.mkdir()
    (folder / "config.json").write_bytes((right / "config.json").read_bytes())
    data = bytearray((right / "model.safetensors").read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    for name, entry in json.loads(data[8:8 + length]).items():
        if not name.endswith("_proj.weight"):
            continue
        begin = 8 + length + entry["data_offsets"][0]
        rows, columns = entry["shape"]
        taken = [bytes(data[begin + 2 * columns * (n // 8 * 8 + TAKEN[n % 8]):][:2 * columns])
                 for n in range(rows)]
        data[begin:begin + 2 * rows * columns] = b"".join(taken)
    (folder / "model.safetensors").write_bytes(data)
    return folder


class Maker:
    def __init__(self, thaw, work):
        self.thaw = thaw
        self.work = work

    def run(self, *words, codes=(0,)):
        result = subprocess.run([self.thaw, *map(str, words)], capture_output=True, check=False,
                                timeout=300)
        if result.returncode not in codes:
            raise AssertionError(f"{words}: {result.returncode}: {result.stderr.decode()}")
        return result.stdout.decode()

    def make(self, name, *words, codes=(0,)):
        """The page's path, and what --json says."""
        page = self.work / f"{name}.html"
        found = json.loads(self.run(*words, "--json", "--html", page, codes=codes))
        return page, found

    def pages(self):
        """name -> (path, JSON) of every page."""
        awq = DATA / "qwen2-awq-gemm" / "model"
        right = self.work / "right"
        self.run("convert", awq, right)
        wrong = with_wrong_nibbles(right, self.work / "wrong")
        a = write_shard(self.work / "hostile-a", {name: [1, 2, 3] for name in HOSTILE})
        b = write_shard(self.work / "hostile-b",
                        {name: [1, 2, 3 + i / 8] for i, name in enumerate(HOSTILE)}
                        | {"<i>only in B</i>": [float("inf")]})
        other = write_shard(self.work / "other", {
            "same": [1, 2], "infinite": [float("inf"), 1], "zeros": [0, 0], "far": [1, -1]})
        another = write_shard(self.work / "another", {
            "same": [1, 2], "infinite": [2, 1], "zeros": [1, 0], "far": [-1, 1]})
        many = {f"model.layers.{layer}.mlp.experts.{expert}.{part}_proj.weight":
                [(layer + 1) / 7, expert / 3, 1] for layer in range(80) for expert in range(250)
                for part in ("up", "down", "gate")}
        large = write_shard(self.work / "large", many)
        changed = write_shard(self.work / "changed", {
            name: [a + i % 977 / 4e4, b, c + i % 11 / 512]
            for i, (name, (a, b, c)) in enumerate(many.items())})
        return {
            "equal": self.make("equal", "compare", right, right),
            "close": self.make("close", "compare", awq, DATA / "qwen2-awq-gemv_fast" / "model"),
            "fault": self.make("fault", "compare", awq, wrong),
            "hostile": self.make("hostile", "compare", a, b, codes=(7,)),
            "odd": self.make("odd", "compare", other, another),
            "large": self.make("large", "compare", large, changed),
            "inspect-mixed": self.make("inspect-mixed", "inspect",
                                       DATA / "llama-autoround-mixed" / "model"),
            "inspect-awq": self.make("inspect-awq", "inspect", awq),
            "inspect-hostile": self.make("inspect-hostile", "inspect", a, codes=(3,)),
        }
