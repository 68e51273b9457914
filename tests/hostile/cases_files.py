"""Files that are not what they should be: specs/checkpoint.md clauses 1, 2 and 4."""

import os

from cases import case

WEIGHTS = "model.safetensors"


def replaced(name, make, *patterns, file=WEIGHTS):
    @case(f"file-{name}", file.replace(".", r"\.") + ": ", *patterns)
    def spoil(m):
        def after(directory):
            path = os.path.join(directory, file)
            if os.path.lexists(path):
                os.remove(path)
            make(path)
        m.after = after


def dangling(path):
    os.symlink("../blobs/0000", path)


def itself(path):
    os.symlink(os.path.basename(path), path)


replaced("weights-are-a-directory", os.mkdir, "directory")
replaced("weights-are-a-fifo", os.mkfifo, "regular file")
replaced("weights-are-a-device", lambda path: os.symlink("/dev/zero", path), "regular file")
replaced("weights-link-to-nothing", dangling, "link", "not there")
replaced("weights-link-to-itself", itself, "link")
replaced("config-is-a-directory", os.mkdir, "directory", file="config.json")
replaced("config-is-a-fifo", os.mkfifo, "regular file", file="config.json")
replaced("config-links-to-nothing", dangling, "link", "not there", file="config.json")
replaced("config-is-endless", lambda path: os.symlink("/dev/zero", path), "regular file",
         file="config.json")
replaced("index-is-a-fifo", os.mkfifo, "regular file", file="model.safetensors.index.json")
replaced("index-links-to-nothing", dangling, "link", file="model.safetensors.index.json")
replaced("side-file-links-to-nothing", dangling, "link", "not there", file="tokenizer.json")


@case("file-missing", "no weights", r"model\.safetensors")
def weights_missing(m):
    m.after = lambda directory: os.remove(os.path.join(directory, WEIGHTS))


@case("file-directory-empty", "no weights")
def directory_empty(m):
    def after(directory):
        for name in os.listdir(directory):
            os.remove(os.path.join(directory, name))
    m.after = after


@case("file-pickle-only", r"pytorch_model\.bin", "pickle")
def pickle_only(m):
    m.files["pytorch_model.bin"] = b"PK\x03\x04"
    m.after = lambda directory: os.remove(os.path.join(directory, WEIGHTS))


@case("file-gguf-only", r"model\.gguf", "safetensors")
def gguf_only(m):
    m.files["model.gguf"] = b"GGUF"
    m.after = lambda directory: os.remove(os.path.join(directory, WEIGHTS))


def side_name(name, file, *patterns):
    @case(f"side-name-{name}", *patterns)
    def spoil(m):
        m.files[file] = b"x"


side_name("newline", "a\nb.txt", r"a\\nb\.txt: ", "control character")
side_name("escape", "\x1b[2J.txt", r"\\x1b\[2J\.txt: ", "control character")
side_name("not-utf8", b"\xff.txt", r"\\xff\.txt: ", "UTF-8")
side_name("backslash", "..\\x.txt", "backslash")
side_name("folder-escape", "\x1b/x.txt", r"\\x1b", "control character")
side_name("deep", "/".join(["d"] * 60) + "/x", "nested deeper")
