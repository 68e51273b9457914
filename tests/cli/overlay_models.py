"""What the tests of the overlay share: the fixture, and variants of it."""

import hashlib
import json
import shutil

from support import DATA, Case, read_checkpoint, run, write_safetensors

FIXTURE = DATA / "qwen2_5_vl-overlay"
BASE = FIXTURE / "base"
TWIN = FIXTURE / "awq"
BLOCK = "model.layers.0."


def hashes(folder):
    return {name: {"dtype": dtype, "shape": shape, "sha256": hashlib.sha256(data).hexdigest()}
            for name, (dtype, shape, data) in read_checkpoint(folder).items()}


def expected(name="expected"):
    return json.loads((FIXTURE / f"{name}.json").read_text())


def messages(result):
    return [line for line in result.stderr.splitlines() if not line.startswith("thaw: hint")]


class Overlay(Case):
    """Builds variants of the fixture: `change` gets name -> (dtype, shape, bytes)."""

    def overlay(self, twin, base, *options, **more):
        return run("convert", twin, self.work / "out", "--base", base, *options, **more)

    def variant(self, source, name, change=lambda tensors: tensors, **config):
        folder = self.work / name
        folder.mkdir()
        for file in source.iterdir():
            if file.suffix != ".safetensors" and not file.name.endswith(".index.json"):
                shutil.copy(file, folder)
        text = json.loads((source / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(text | config))
        tensors = dict(read_checkpoint(source))
        write_safetensors(folder / "model.safetensors", change(tensors) or tensors)
        return folder

    def renamed(self, source, name, *pairs, **config):
        def rename(tensors):
            changed = {}
            for key, value in tensors.items():
                prefix = next((old for old, _ in pairs if key.startswith(old)), "")
                changed[dict(pairs).get(prefix, "") + key[len(prefix):]] = value
            return changed
        return self.variant(source, name, rename, **config)
