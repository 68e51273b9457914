"""Files of other formats under our names: the message says what they are."""

import os

from cases import case

FILE = r"model\.safetensors: "


def is_really(name, content, *patterns):
    @case(f"format-{name}", FILE, *patterns, "not a safetensors file")
    def spoil(m):
        m.raw = content


is_really("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(100), "gzip", "hint: Unpack")
is_really("zstd", b"\x28\xb5\x2f\xfd" + bytes(100), "zstd", "hint: Unpack")
is_really("xz", b"\xfd7zXZ\0" + bytes(100), "xz", "hint: Unpack")
is_really("zip", b"PK\x03\x04" + bytes(100), "zip", "PyTorch")
is_really("pickle", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "pickle", "PyTorch")
is_really("pickle-of-a-later-protocol", b"\x80\x05\x95\0\0\0\0\0\0\0\0}\x94.", "pickle")
is_really("gguf", b"GGUF\x03\0\0\0" + bytes(100), "GGUF")
is_really("numpy", b"\x93NUMPY\x01\0" + bytes(100), "NumPy")
is_really("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5")
is_really("tar", b"model.safetensors".ljust(257, b"\0") + b"ustar\x0000" + bytes(500), "tar",
          "hint: Unpack")
is_really("elf", b"\x7fELF\x02\x01\x01" + bytes(100), "program")
is_really("web-page", b"<!DOCTYPE html><html><body>Log in</body></html>", "text", "<!DOCTYPE html")
is_really("xml-of-a-store", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
          "text", "AccessDenied|xml")
is_really("hub-answer", b"Entry not found", "text", "Entry not found")
is_really("json", b'{"error":"Invalid credentials"}', "text", "Invalid credentials")
is_really("text-with-escapes", "\x1b[31mcaf\u00e9\u202e".encode() + b"x" * 80, r"header")


@case("format-lfs-shard", r"model-00002-of-00002\.safetensors: ", "Git LFS", "git lfs pull")
def lfs_shard(m):
    m.split()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4999999999\n"

    def after(directory):
        with open(os.path.join(directory, "model-00002-of-00002.safetensors"), "wb") as file:
            file.write(pointer)
    m.after = after


def lfs_file(file, *patterns):
    @case(f"format-lfs-{file}", file.replace(".", r"\."), *patterns)
    def spoil(m):
        m.split()

        def after(directory):
            with open(os.path.join(directory, file), "wb") as out:
                out.write(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
        m.after = after


lfs_file("config.json", "Git LFS", "git lfs pull")
lfs_file("model.safetensors.index.json", "Git LFS", "git lfs pull")
