"""Systems that give less than is wanted: threads, descriptors, file size, address space, and calls
that a file system has not. specs/errors.md clause 3, specs/memory.md clauses 10 and 11."""

import json
import os
import pathlib
import resource
import subprocess
import time

import support
from support import Case, make_checkpoint, run, tree


def limited(**limits):
    """For preexec_fn: lowers the limits that are named."""
    def lower():
        for name, value in limits.items():
            which = getattr(resource, "RLIMIT_" + name)
            resource.setrlimit(which, (value, value))
    return lower


class Limits(Case):
    def test_a_limit_of_file_size_is_told_and_kills_nobody(self):
        out = self.work / "out"
        result = run("convert", self.model(), out, preexec_fn=limited(FSIZE=50_000))
        self.assert_refused(result, 6, "ulimit -f", "50000 bytes", "File too large")
        self.assertFalse(out.exists())
        self.convert(self.model(), out)
        archive = self.work / "out.tar"
        result = run("convert", self.model(), archive, preexec_fn=limited(FSIZE=50_000))
        self.assert_refused(result, 6, "ulimit -f")
        self.assertFalse(archive.exists())

    def test_a_hook_has_the_default_action_of_the_signal_that_we_ignore(self):
        job = self.work / "job.json"
        status = self.work / "status"
        job.write_text(json.dumps({
            "input": str(self.model()), "output": "out",
            "hooks": {"success": ["sh", "-c", f"grep SigIgn /proc/self/status > {status}"]}}))
        self.assert_exit(run("run", job), 0)
        ignored = int(status.read_text().split()[1], 16)
        self.assertEqual(ignored & (1 << 24 | 1 << 12), 0)  # SIGXFSZ is 25, SIGPIPE 13

    def test_few_descriptors_are_told(self):
        fewest = None
        for most in range(3, 40):
            out = self.work / f"out{most}"
            result = run("convert", self.model(), out, "-q",
                         preexec_fn=limited(NOFILE=most))
            if result.returncode == 127:
                continue  # not even the program's libraries could be opened
            if result.returncode == 0:
                fewest = fewest or most
                self.assertEqual(tree(out), tree(self.work / f"out{fewest}"))
                continue
            # Two writers open files for a moment: a run may need what another did not.
            self.assertLess(most, (fewest or most) + 4, "fewer descriptors were enough")
            self.assert_refused(result, 6, f"open files (ulimit -n) is {most}")
            self.assertFalse(out.exists())
        self.assertIsNotNone(fewest)

    def test_little_address_space_is_told(self):
        if support.QUICK:
            self.skipTest("a sanitizer needs more address space than any limit that is tried")
        seen = set()
        for megabytes in (60, 80, 90, 100, 110, 120, 130, 150, 200, 300, 1000):
            for command in (("convert", self.model(), self.work / f"out{megabytes}", "-q"),
                            ("convert", self.model(), self.work / f"out{megabytes}.tar.zst", "-q"),
                            ("inspect", self.model())):
                result = run(*command, timeout=60, preexec_fn=limited(AS=megabytes << 20))
                if result.returncode == 127:
                    continue
                seen.add(result.returncode)
                self.assertIn(result.returncode, (0, 6), f"{command} {megabytes} {result.stderr}")
                self.assertNotIn("a bug", result.stderr)
        self.assertEqual(seen, {0, 6})


class Refused(Case):
    """Under a library that refuses calls (tests/support/refused_calls.cc)."""

    def setUp(self):
        super().setUp()
        if support.QUICK:
            self.skipTest("a sanitizer's runtime stands where the calls are refused")
        self.library = pathlib.Path(support.MAKE_CHECKPOINT).parent / "librefused_calls.so"
        self.assertTrue(self.library.exists(), self.library)

    def refused(self, what, *words, **more):
        environment = {"LD_PRELOAD": str(self.library), "THAW_REFUSE": what}
        return run(*words, env=environment, **more)

    def usual(self, *options):
        out = self.work / "usual"
        if not out.exists():
            self.convert(self.model(), out, *options)
        return tree(out)

    def test_any_number_of_threads_gives_the_same_bytes_or_is_told(self):
        out = self.work / "out"
        for most in range(8):
            subprocess.run(["rm", "-rf", out], check=True)
            result = self.refused(f"threads={most}", "convert", self.model(), out, "--threads", "4",
                                  timeout=60)
            if most < 3:
                self.assert_refused(result, 6, f"gave {most} of the 3 threads", "ulimit -u",
                                    "pids.max", "TasksMax")
                self.assertFalse(out.exists())
            else:
                self.assert_exit(result, 0)
                self.assertEqual(tree(out), self.usual())

    def test_every_command_ends_whatever_threads_there_are(self):
        self.usual("--checksums")
        commands = (("verify", self.work / "usual", "--against", self.model()),
                    ("verify", self.work / "usual"),
                    ("compare", self.work / "usual", self.model()),
                    ("inspect", self.model()),
                    ("convert", self.model(), self.work / "o.tar.zst", "--force"),
                    ("convert", self.model(), self.work / "o", "--force", "--checksums",
                     "--verify"))
        for most in (*range(7), 100):  # of all that the process ever asks for
            for command in commands:
                result = self.refused(f"threads={most}", *command, timeout=60)
                self.assertIn(result.returncode, (0, 6), f"{command} {most}: {result.stderr}")
                if result.returncode == 6:
                    self.assertLess(most, 100)
                    self.assertIn("ulimit -u", result.stderr)

    def test_an_archive_has_the_same_bytes_with_fewer_compressors(self):
        usual = self.work / "usual.tar.zst"
        self.convert(self.model(), usual, "--archive-root", "m", "--threads", "4")
        seen = set()
        for most in range(3, 9):
            out = self.work / f"out{most}.tar.zst"
            result = self.refused(f"threads={most}", "convert", self.model(), out,
                                  "--archive-root", "m", "--threads", "4")
            seen.add(result.returncode)
            if result.returncode == 0:
                self.assertEqual(out.read_bytes(), usual.read_bytes())
            else:
                self.assert_refused(result, 6, "ulimit -u")
                self.assertFalse(out.exists())
        self.assertIn(0, seen)

    def test_a_signal_ends_a_run_that_has_few_threads(self):
        model = make_checkpoint(self.work / "model", "--layers", "6")
        environment = dict(os.environ, LD_PRELOAD=str(self.library), THAW_REFUSE="threads=3")
        process = subprocess.Popen(
            [support.THAW, "convert", str(model), str(self.work / "out"), "--isa", "scalar",
             "--max-shard-size", "1MB"], env=environment, stderr=subprocess.DEVNULL)
        while not (self.work / "out.partial").exists() and process.poll() is None:
            time.sleep(0.001)
        process.terminate()
        self.assertIn(process.wait(timeout=30), (0, 143))  # 0: it was faster

    def test_a_file_system_without_locks_is_told_and_written(self):
        for error in (38, 37, 95):
            out = self.work / f"out{error}"
            result = self.refused(f"flock={error}", "convert", self.model(), out)
            self.assert_exit(result, 0)
            self.assertIn("has no locks", result.stderr)
            self.assertEqual(tree(out), self.usual())
        archive = self.work / "out.tar"
        result = self.refused("flock=38", "convert", self.model(), archive)
        self.assert_exit(result, 0)
        self.assertIn("has no locks", result.stderr)
        self.assertNotIn("has no locks", self.convert(self.model(), self.work / "other").stderr)

    def test_jobs_run_where_there_are_no_locks(self):
        job = self.work / "job.json"
        job.write_text(json.dumps({"input": str(self.model()), "output": "out"}))
        result = self.refused("flock=38", "run", job, "--log", self.work / "log")
        self.assert_exit(result, 0)
        self.assertIn("has no locks", result.stderr)
        self.assertEqual(tree(self.work / "out"), self.usual())

    def test_space_that_is_not_told_is_unknown_and_not_none(self):
        for number in (0, 38):
            for name in (f"out{number}", f"out{number}.tar"):
                result = self.refused(f"statvfs={number}", "convert", self.model(),
                                      self.work / name)
                self.assert_exit(result, 0)
            self.assertEqual(tree(self.work / f"out{number}"), self.usual())
            plan = self.refused(f"statvfs={number}", "convert", self.model(), self.work / "new",
                                "--dry-run")
            self.assert_exit(plan, 0)
            self.assertNotIn("free", plan.stdout)

    def test_input_and_output_without_mappings_are_read(self):
        """mmap_shared: private ones are there. mmap: there are none."""
        for what in ("mmap_shared=19", "mmap=19"):
            out = self.work / what
            self.assert_exit(self.refused(what, "convert", self.model(), out, "--verify"), 0)
            self.assertEqual(tree(out), self.usual())
            result = self.refused(what, "verify", out, "--against", self.model())
            self.assert_exit(result, 0)
            self.assert_exit(self.refused(what, "compare", out, self.model()), 0)
            self.assert_exit(self.refused(what, "inspect", self.model()), 0)

    def test_what_verify_cannot_read_has_not_been_found_to_differ(self):
        self.usual()
        result = self.refused("mmap=5", "verify", self.work / "usual", "--against", self.model())
        self.assert_exit(result, 5)
        self.assertNotIn("differ", result.stdout + result.stderr)
