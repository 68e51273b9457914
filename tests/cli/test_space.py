"""Full and read-only disks. Needs root, for mounts of its own."""

import os
import shutil
import subprocess

from support import Case, make_checkpoint, run


class Mounts(Case):
    def mount(self, name, *words):
        """Mounts at a new folder, or skips the test where that is not allowed."""
        folder = self.work / name
        folder.mkdir()
        if os.geteuid() != 0:
            self.skipTest("mounts need root")
        result = subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True)
        if result.returncode != 0:
            self.skipTest("this system allows no mount: " + result.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        return folder

    def small_disk(self):
        """A real file system of 8 MB, in a file."""
        image = self.work / "image"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        if shutil.which("mkfs.ext4") is None:
            self.skipTest("no mkfs.ext4")
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        return self.mount("disk", "-o", "loop", str(image))

    def check_full(self, folder):
        model = make_checkpoint(self.work / "model", "--layers", "8")  # 10 MB out
        result = run("convert", model, folder / "out")
        self.assert_refused(result, 6, "MB")
        self.assertIn("free", result.stderr)
        self.assertFalse((folder / "out").exists())
        small = self.convert(self.model(), folder / "small")
        self.assertIn("27 tensors", small.stderr)

    def test_a_full_memory_disk_says_need_and_free(self):
        self.check_full(self.mount("disk", "-t", "tmpfs", "-o", "size=8m", "tmpfs"))

    def test_a_full_disk_says_need_and_free(self):
        self.check_full(self.small_disk())

    def test_a_read_only_disk_is_an_io_error(self):
        folder = self.mount("disk", "-t", "tmpfs", "-o", "size=8m,ro", "tmpfs")
        self.assert_refused(run("convert", self.model(), folder / "out"), 5, "out")
        report = run("convert", self.model(), self.work / "out", "--report", folder / "report")
        self.assert_refused(report, 2, "report")
        self.assertFalse((self.work / "out").exists())

    def test_a_mount_point_is_no_destination(self):
        folder = self.mount("disk", "-t", "tmpfs", "-o", "size=8m", "tmpfs")
        self.assert_refused(run("convert", self.model(), folder), 2, "mount")

    def test_a_full_disk_under_an_archive_leaves_nothing(self):
        folder = self.mount("disk", "-t", "tmpfs", "-o", "size=6m", "tmpfs")
        toy = make_checkpoint(self.work / "toy", "--layers", "8")
        plain = run("convert", toy, folder / "out.tar")
        self.assert_refused(plain, 6, "needs 10", "free are 6")
        for options in ((), ("--output-io", "buffered")):
            compressed = run("convert", toy, folder / "out.tar.zst", *options)
            self.assert_refused(compressed, 6, "No space left", "is removed")
        with open(folder / "redirected", "wb") as file:
            result = run("convert", toy, "-", "--to", "tar", stdout=file)
        self.assertEqual(result.returncode, 6, result.stderr)
        (folder / "redirected").unlink()
        self.assertEqual(list(folder.iterdir()), [])
        self.convert(self.model(), folder / "small.tar")
