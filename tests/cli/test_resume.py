"""Interrupted runs are continued; specs/output.md clauses 6, 7, 9 and 10."""

import json
import os
import shutil
import signal
import subprocess
import time

import support
from support import Case, make_checkpoint, run, tree

SHARDS = ("--max-shard-size", "300kB")


class Stopped(Case):
    """Runs that are held (SIGSTOP) in the middle of their work."""

    def setUp(self):
        super().setUp()
        self.input = make_checkpoint(self.work / "model", "--layers", "4")
        self.out = self.work / "out"
        self.partial = self.work / "out.partial"

    def held(self, *options, out=None):
        """A process that has finished some files and is stopped in the middle of others."""
        out = out or self.out
        state = out.parent / (out.name + ".partial") / "thaw-state.json"
        for _ in range(20):
            process = subprocess.Popen(
                [support.THAW, "convert", str(self.input), str(out), "--threads", "1", "--isa",
                 "scalar", *SHARDS, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
            while process.poll() is None:
                try:
                    if state.read_text().count("crc32") > 3:
                        break
                except OSError:
                    pass
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            if state.exists() and process.poll() is None:
                self.addCleanup(process.communicate)
                self.addCleanup(process.kill)
                return process
            process.send_signal(signal.SIGCONT)
            process.communicate()
            shutil.rmtree(out, ignore_errors=True)
        self.fail("every run was over before it could be held")

    def go_on(self, process):
        process.send_signal(signal.SIGCONT)
        output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def interrupted(self, *options):
        """What a killed run leaves; the names of its finished files."""
        process = self.held(*options)
        process.kill()
        process.communicate()
        state = json.loads((self.partial / "thaw-state.json").read_text())
        self.assertGreater(len(state["files"]), 3)
        return [entry["name"] for entry in state["files"]]

    def undisturbed(self, *options):
        self.convert(self.input, self.work / "undisturbed", *SHARDS, *options)
        return tree(self.work / "undisturbed")


class Resume(Stopped):
    def test_another_run_keeps_what_is_whole(self):
        finished = self.interrupted()
        for threads, memory in (("3", "200MB"),):
            report = self.work / "report.json"
            dry = run("convert", self.input, self.out, *SHARDS, "--dry-run", "--json")
            plan = json.loads(dry.stdout)
            self.assertLess(plan["disk"]["need"], plan["bytes_out"])
            result = self.convert(self.input, self.out, *SHARDS, "--threads", threads, "--memory",
                                  memory, "--output-io", "buffered", "--report", report)
            said = json.loads(report.read_text())
            self.assertEqual(said["plan"]["disk"]["need"], plan["disk"]["need"])
            self.assertGreaterEqual(said["files_kept"], len(finished) - 1)
            self.assertEqual(said["bytes_kept"] + said["bytes_written"], said["plan"]["bytes_out"])
            self.assertIn("kept", result.stderr)
        self.assertEqual(tree(self.out), self.undisturbed())
        self.assertFalse(self.partial.exists())

    def test_a_finished_file_that_was_damaged_is_made_anew(self):
        name = [name for name in self.interrupted() if name.endswith(".safetensors")][0]
        with open(self.partial / name, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        self.convert(self.input, self.out, *SHARDS)
        self.assertEqual(tree(self.out), self.undisturbed())

    def test_other_options_are_refused_with_both_fingerprints_unless_restart(self):
        self.interrupted()
        mine = json.loads((self.partial / "thaw-state.json").read_text())["fingerprint"]
        other = [self.input, self.out, "--dtype", "bfloat16"]
        plan = run("convert", *other, "--dry-run", "--json")
        theirs = json.loads(plan.stdout)["fingerprint"]
        self.assert_refused(run("convert", *other), 2, mine, theirs, "--restart")
        self.assertTrue(self.partial.exists())
        self.convert(*other, "--restart")
        self.convert(self.input, self.work / "undisturbed", "--dtype", "bfloat16")
        self.assertEqual(tree(self.out), tree(self.work / "undisturbed"))

    def test_a_state_that_is_no_json_is_refused_with_a_hint(self):
        self.interrupted()
        (self.partial / "thaw-state.json").write_text("\x1b[31m")
        self.assert_refused(run("convert", self.input, self.out, *SHARDS), 2, "--restart")
        self.convert(self.input, self.out, *SHARDS, "--restart")
        self.assertEqual(tree(self.out), self.undisturbed())

    def test_the_second_of_two_runs_says_who_holds_the_lock(self):
        process = self.held()
        began = time.monotonic()
        second = run("convert", self.input, self.out, *SHARDS)
        self.assertLess(time.monotonic() - began, 10)
        self.assert_refused(second, 8, f"process {process.pid} on {os.uname().nodename}", "since")
        result = self.go_on(process)
        self.assert_exit(result, 0)
        self.assertEqual(tree(self.out), self.undisturbed())

    def test_a_lock_dies_with_its_process(self):
        process = self.held()
        process.kill()
        process.communicate()
        self.convert(self.input, self.out, *SHARDS)


class Changes(Stopped):
    def shard(self):
        return next(path for path in sorted(self.input.iterdir())
                    if path.name.endswith(".safetensors"))

    def test_an_input_that_is_truncated_while_it_is_read_is_named(self):
        process = self.held()
        shard = self.shard()
        os.truncate(shard, 8192)
        result = self.go_on(process)
        self.assert_refused(result, 5, shard.name)
        self.assertFalse(self.out.exists())
        self.assertFalse(self.partial.exists())

    def test_an_input_that_was_touched_is_found_at_the_end(self):
        process = self.held()
        os.utime(self.shard(), ns=(1, 1))
        result = self.go_on(process)
        self.assert_refused(result, 5, self.shard().name, "modified")
        self.assertFalse(self.out.exists())
        self.assertFalse(self.partial.exists())

    def rewrite(self, shard):
        """Other weights in place, with the size and the modification time that were."""
        times = shard.stat()
        time.sleep(0.05)  # the clock of file times is coarse
        with open(shard, "r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(bytes(1000))
        os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assertEqual(shard.stat().st_mtime_ns, times.st_mtime_ns)

    def test_an_input_whose_time_was_put_back_is_found_at_the_end(self):
        process = self.held()
        self.rewrite(self.shard())
        result = self.go_on(process)
        self.assert_refused(result, 5, self.shard().name, "ctime")
        self.assertFalse(self.out.exists())
        self.assertFalse(self.partial.exists())

    def test_an_input_that_changed_between_two_runs_is_not_mixed_with_the_old(self):
        self.interrupted()
        self.rewrite(self.shard())
        again = ("convert", self.input, self.out, *SHARDS)
        self.assert_refused(run(*again), 2, f"{self.shard().name} was changed", "--restart")
        os.utime(self.shard(), ns=(1, 1))
        self.assert_refused(run(*again), 2, f"{self.shard().name} was modified", "--restart")
        self.assert_exit(run(*again, "--restart"), 0)
        self.assertEqual(tree(self.out), self.undisturbed())

    def test_a_copy_of_the_input_with_its_times_continues(self):
        """Another inode: as on another machine, size and modification time decide."""
        finished = self.interrupted()
        copy = self.work / "copy"
        shutil.copytree(self.input, copy)
        report = self.work / "report.json"
        self.convert(copy, self.out, *SHARDS, "--report", report)
        self.assertGreaterEqual(json.loads(report.read_text())["files_kept"], len(finished) - 1)
        self.assertEqual(tree(self.out), self.undisturbed())

    def test_a_closed_pipe_for_the_report_is_exit_5_and_the_result_stands(self):
        reading, writing = os.pipe()
        os.close(reading)
        result = run("convert", self.input, self.out, "--report", "-", "--quiet", stdout=writing)
        os.close(writing)
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertTrue((self.out / "config.json").exists())


class Space(Stopped):
    def test_a_disk_that_fills_up_meanwhile_ends_the_run_and_a_later_one_continues(self):
        disk = self.work / "disk"
        disk.mkdir()
        if os.geteuid() != 0:
            self.skipTest("mounts need root")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest("this system allows no mount: " + mounted.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
        out = disk / "out"
        process = self.held(out=out)
        with open(disk / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        result = self.go_on(process)
        self.assert_refused(result, 6, "No space left on device", "out.partial")
        self.assertFalse(out.exists())
        (disk / "filler").unlink()
        result = self.convert(self.input, out, *SHARDS)
        self.assertIn("kept", result.stderr)
        self.assertEqual(tree(out), self.undisturbed())


class Checksums(Stopped):
    def test_sha256sum_accepts_them(self):
        self.convert(self.input, self.out, *SHARDS, "--checksums", "--threads", "3")
        check = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=self.out,
                               capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)
        lines = (self.out / "SHA256SUMS").read_text().splitlines()
        names = [line[66:] for line in lines]
        self.assertEqual(names, sorted(names))
        files = {name for name, digest in tree(self.out).items() if digest != "/"}
        self.assertEqual(set(names) | {"SHA256SUMS"}, files)

    def test_they_change_no_other_file_and_no_fingerprint(self):
        self.interrupted()
        result = self.convert(self.input, self.out, *SHARDS, "--checksums")
        self.assertIn("kept", result.stderr)
        with_sums = tree(self.out)
        del with_sums["SHA256SUMS"]
        self.assertEqual(with_sums, self.undisturbed())

    def test_those_of_the_input_are_not_carried(self):
        (self.input / "SHA256SUMS").write_text("0" * 64 + "  model.safetensors\n")
        result = self.convert(self.input, self.out)
        self.assertFalse((self.out / "SHA256SUMS").exists())
        self.assertIn("SHA256SUMS", result.stderr)
        self.convert(self.input, self.work / "sums", "--checksums")
        self.assertNotIn("0" * 64, (self.work / "sums" / "SHA256SUMS").read_text())
