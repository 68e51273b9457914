"""Where files are: links, caches that lie, files that may not be read. Links that the directory
holds are followed; what a file's content names is looked for in the directory only."""

import os
import socket

from cases import case
from model import safetensors

SHARD = "model-00002-of-00002.safetensors"


def outside(directory, name, content):
    """A file beside the model directory, which only a link may lead to."""
    folder = os.path.join(os.path.dirname(directory), "outside")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def moved_out(directory, name):
    """Moves a file of the model out of it, and says where."""
    with open(os.path.join(directory, name), "rb") as file:
        content = file.read()
    os.remove(os.path.join(directory, name))
    return outside(directory, name, content)


@case("place-shard-links-out", code=0)
def shard_links_out(m):
    m.split()
    m.after = lambda directory: os.symlink(moved_out(directory, SHARD),
                                           os.path.join(directory, SHARD))


@case("place-shard-is-a-hard-link", code=0)
def shard_hard_link(m):
    m.split()
    m.after = lambda directory: os.link(moved_out(directory, SHARD),
                                        os.path.join(directory, SHARD))


@case("place-config-links-out", code=0)
def config_links_out(m):
    m.after = lambda directory: os.symlink(moved_out(directory, "config.json"),
                                           os.path.join(directory, "config.json"))


@case("place-model-is-a-link", code=0)
def model_link(m):
    def after(directory):
        os.rename(directory, directory + "-real")
        os.symlink("model-real", directory)
    m.after = after


@case("place-links-in-a-circle", r"model\.safetensors: ", "link")
def circle(m):
    def after(directory):
        os.remove(os.path.join(directory, "model.safetensors"))
        os.symlink("b.safetensors", os.path.join(directory, "model.safetensors"))
        os.symlink("model.safetensors", os.path.join(directory, "b.safetensors"))
    m.after = after


@case("place-50-links-in-a-row", r"model\.safetensors: ", "link")
def row(m):
    def after(directory):
        path = os.path.join(directory, "model.safetensors")
        os.rename(path, os.path.join(directory, "l0"))
        for i in range(50):
            os.symlink(f"l{i}", os.path.join(directory, f"l{i + 1}"))
        os.symlink("l50", path)
    m.after = after


@case("place-link-to-a-link-to-nothing", r"a\.json: ", "link")
def link_link(m):
    def after(directory):
        os.symlink("b.json", os.path.join(directory, "a.json"))
        os.symlink("../nothing", os.path.join(directory, "b.json"))
    m.after = after


def special(name, make):
    """A file that is none: as weights it is refused, beside them it stays where it is."""
    @case(f"place-weights-are-a-{name}", r"model\.safetensors: ", "not a regular file")
    def weights(m):
        def after(directory):
            path = os.path.join(directory, "model.safetensors")
            os.remove(path)
            make(path)
        m.after = after

    @case(f"place-shard-is-a-{name}", SHARD.replace(".", r"\."), "not a regular file")
    def shard(m):
        m.split()

        def after(directory):
            os.remove(os.path.join(directory, SHARD))
            make(os.path.join(directory, SHARD))
        m.after = after

    @case(f"place-quantize-config-is-a-{name}", r"quantize_config\.json: ", "not a regular file")
    def config(m):
        m.after = lambda directory: make(os.path.join(directory, "quantize_config.json"))

    @case(f"place-side-file-is-a-{name}", code=0)
    def side(m):
        m.after = lambda directory: make(os.path.join(directory, "tokenizer.model"))


def listen(path):
    # A socket's path has at most 107 bytes, so it is bound by a short one.
    with socket.socket(socket.AF_UNIX) as one:
        short = f"/proc/self/fd/{os.open(os.path.dirname(path), os.O_PATH)}"
        one.bind(os.path.join(short, os.path.basename(path)))
        os.close(int(short.rpartition("/")[2]))


special("fifo", os.mkfifo)
special("socket", listen)
special("link-to-a-device", lambda path: os.symlink("/dev/zero", path))
special("link-to-a-fifo", lambda path: (os.mkfifo(os.path.dirname(path) + "-fifo"),
                                        os.symlink(os.path.dirname(path) + "-fifo", path)))


# What an index names is a file of the directory, also where another one is there to be found.

def index_leads(name, shard, *patterns):
    @case(f"place-index-leads-{name}", r"model\.safetensors\.index\.json: ", *patterns)
    def spoil(m):
        weight_map = m.split()
        m.index = {"weight_map": {key: shard if value == SHARD else value
                                  for key, value in weight_map.items()}}

        def after(directory):
            moved_out(directory, SHARD)
            os.symlink("../outside", os.path.join(directory, "sub"))
        m.after = after


index_leads("up", f"../outside/{SHARD}", "leads out of the directory")
index_leads("through-a-folder-that-is-a-link", f"sub/{SHARD}", "leads out of the directory")
index_leads("down-and-up", f"sub/../../outside/{SHARD}", "leads out of the directory")
index_leads("here", f"./{SHARD}", "leads out of the directory")
index_leads("absolute", "/proc/self/environ", "/proc/self/environ")
index_leads("home", "~/x.safetensors", "leads out of the directory")
index_leads("url", "https://example.org/x.safetensors", "leads out of the directory")
index_leads("bidirectional", "\u202esrotsnetefas.x.safetensors", r"\\xe2\\x80\\xae")


# Folders of the Hugging Face cache, under the name org/name.

def hub(name, *patterns, code=3):
    """The decorated function spoils a cache: the folder of the model, and its one snapshot."""
    def add(spoil):
        @case(f"hub-{name}", *patterns, code=code)
        def spoilt(m):
            m.argument = "org/name"
            m.environment = {"HF_HUB_CACHE": "{}/cache"}

            def after(directory):
                folder = os.path.join(os.path.dirname(directory), "cache", "models--org--name")
                os.makedirs(os.path.join(folder, "snapshots"))
                os.makedirs(os.path.join(folder, "refs"))
                os.rename(directory, os.path.join(folder, "snapshots", "0123abc"))
                spoil(folder)
            m.after = after
        return spoil
    return add


def reference(name, content, *patterns, code=3):
    @hub(name, *patterns, code=code)
    def spoil(folder):
        with open(os.path.join(folder, "refs", "main"), "wb") as file:
            file.write(content)


REFS = r"refs/main: "
reference("good", b"0123abc", code=0)
reference("good-line", b"0123abc\n", code=0)
reference("reference-up", b"../../../outside", REFS, r"\.\./\.\./")
reference("reference-etc", b"../../../../../../etc", REFS, "etc")
reference("reference-absolute", b"/etc", REFS, "/etc")
reference("reference-dots", b"..", REFS, r"\.\.")
reference("reference-dot", b".", REFS)
reference("reference-empty", b"", REFS, "name of a snapshot")
reference("reference-two-lines", b"0123abc\n../../x", REFS, r"\\n")
reference("reference-escapes", b"\x1b[2J\x1b]0;x\x07", REFS, r"\\x1b\[2J")
reference("reference-nul", b"0123abc\0", REFS, r"\\x00")
reference("reference-10-mb", b"a" * 10_000_000, REFS, "10000000")
reference("reference-long", b"a" * 4000, REFS, "name of a snapshot")
reference("reference-of-another-snapshot", b"fedcba", "org/name: ", "main is not in", "hf download")
reference("reference-not-utf8", b"\xff\xfe", REFS, r"\\xff")


@hub("reference-is-a-fifo", "org/name: ", "not in")
def fifo_reference(folder):
    os.mkfifo(os.path.join(folder, "refs", "main"))


@hub("reference-is-a-folder", "org/name: ", "not in")
def folder_reference(folder):
    os.mkdir(os.path.join(folder, "refs", "main"))


@hub("reference-links-to-nothing", "org/name: ", "not in")
def dangling_reference(folder):
    os.symlink("nothing", os.path.join(folder, "refs", "main"))


@hub("no-reference", "org/name: ", "not in", "hf download org/name")
def no_reference(folder):
    os.rmdir(os.path.join(folder, "refs"))


@hub("snapshot-is-a-file", "org/name: ", "not in")
def snapshot_file(folder):
    with open(os.path.join(folder, "refs", "main"), "wb") as file:
        file.write(b"abc")
    with open(os.path.join(folder, "snapshots", "abc"), "wb") as file:
        file.write(safetensors(b"{}"))


def not_a_model(name, argument, *patterns):
    @case(f"argument-{name}", *patterns)
    def spoil(m):
        m.argument = argument


not_a_model("revision-up", "org/name@../../x", "no such file")
not_a_model("two-ats", "org/name@a@b", "no such file")
not_a_model("escapes", "\x1b[31m/x", r"\\x1b\[31m", "no such file")
not_a_model("too-long", "a" * 5000, r"a\.\.\.\(|File name too long|no such file")
not_a_model("a-device", "/dev/null", "/dev/null: ", "not a regular file")
not_a_model("a-process", "/proc/self/mem", "/proc/self/mem: ", "safetensors")


# Rights. The superuser may read everything, so these run as somebody else.

def unreadable(name, file, *patterns):
    @case(f"place-unreadable-{name}", file.replace(".", r"\.") + ": ", "Permission denied",
          *patterns, code=5)
    def spoil(m):
        m.unprivileged = True
        m.after = lambda directory: os.chmod(os.path.join(directory, file), 0)


unreadable("weights", "model.safetensors")
unreadable("config", "config.json")
unreadable("side-file", "tokenizer.json")


@case("place-unreadable-directory", r"model: |model/config\.json: ", "Permission denied|not there",
      code=5)
def unreadable_directory(m):
    m.unprivileged = True
    m.after = lambda directory: os.chmod(directory, 0o311)
