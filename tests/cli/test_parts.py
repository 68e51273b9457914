"""Several runs make one output: specs/parts.md."""

import fcntl
import json
import os
import signal
import subprocess
import time

import support
from support import Case, make_checkpoint, run, tree

SHARDS = ("--max-shard-size", "300kB")


class Parts(Case):
    def setUp(self):
        super().setUp()
        self.input = make_checkpoint(self.work / "model", "--layers", "4")
        self.out = self.work / "out"
        self.partial = self.work / "out.partial"

    def part(self, part, *options, **more):
        return run("convert", self.input, self.out, *SHARDS, "--part", part, *options, **more)

    def begin(self, part, *options):
        return subprocess.Popen([support.THAW, "convert", self.input, self.out, *SHARDS, "--part",
                                 part, "--quiet", *options], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def held(self, part):
        """A run of a part that has finished files and is stopped in the middle of others."""
        state = self.partial / f"thaw-state.part-{part.replace('/', '-of-')}.json"
        for _ in range(20):
            process = self.begin(part, "--threads", "1", "--isa", "scalar")
            while process.poll() is None:
                if state.exists() and "crc32" in state.read_text():
                    break
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            if process.poll() is None and '"complete": false' in state.read_text():
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                return process
            process.send_signal(signal.SIGCONT)
            process.communicate()
            state.unlink(missing_ok=True)
        return self.fail("every run was over before it could be held")

    def single(self, *options):
        self.convert(self.input, self.work / "single", *SHARDS, *options)
        return tree(self.work / "single")

    def assert_published(self, *options):
        self.assertEqual(tree(self.out), self.single(*options))
        self.assertEqual([path.name for path in self.work.glob("out*")], ["out"])

    def test_in_any_order_the_bytes_are_those_of_one_run(self):
        for i, count in ((2, 3), (3, 3), (1, 3)):
            self.assertFalse(self.out.exists())
            self.assert_exit(self.part(f"{i}/{count}"), 0)
        self.assert_published()

    def test_side_by_side_one_of_them_publishes(self):
        for attempt in range(3):
            runs = [self.begin(f"{i}/5") for i in range(1, 6)]
            for process in runs:
                _, errors = process.communicate(timeout=120)
                self.assertEqual((process.returncode, errors), (0, ""))
            self.assertTrue(self.out.is_dir(), f"attempt {attempt}")
            self.assert_published()
            subprocess.run(["rm", "-r", self.out, self.work / "single"], check=True)

    def test_one_that_was_killed_is_run_again(self):
        process = self.held("2/3")
        others = [self.begin(part) for part in ("1/3", "3/3")]
        for other in others:
            _, errors = other.communicate(timeout=120)
            self.assertEqual((other.returncode, errors), (0, ""))
        self.assertFalse(self.out.exists())
        self.assert_refused(run("convert", self.input, self.out, *SHARDS, "--finish"), 8, "parts")
        process.kill()
        process.communicate()
        self.assert_refused(run("convert", self.input, self.out, *SHARDS, "--finish"), 2,
                            "part 2 of 3 is not finished", "--part I/3")
        result = self.part("2/3")
        self.assert_exit(result, 0)
        self.assertIn("kept", result.stderr)
        self.assert_published()

    def test_what_is_missing_is_said_and_a_finished_part_has_nothing_to_do(self):
        report = self.work / "report.json"
        result = self.part("2/4", "--report", report)
        self.assert_exit(result, 0)
        self.assertIn("parts 1, 3, 4 are missing", result.stderr)
        said = json.loads(report.read_text())
        self.assertEqual((said["published"], said["missing_parts"]), (False, [1, 3, 4]))
        self.assertEqual(said["bytes_written"], said["plan"]["part"]["bytes"])
        self.assert_exit(self.part("2/4", "--report", report), 0)
        said = json.loads(report.read_text())
        self.assertEqual((said["bytes_written"], said["bytes_read"]), (0, 0))
        self.assertEqual(said["files_kept"], said["plan"]["part"]["files"])

    def test_the_same_part_twice_and_a_whole_run_are_kept_out(self):
        process = self.held("1/3")
        self.assert_refused(self.part("1/3"), 8, "part 1 of 3")
        self.assert_refused(run("convert", self.input, self.out, *SHARDS), 8)
        self.assert_refused(self.part("2/3", "--dtype", "bfloat16", "--restart"), 8)
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=120)
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assert_refused(run("convert", self.input, self.out, *SHARDS), 2, "in parts",
                            "--finish")

    def test_another_number_input_or_option_is_refused(self):
        self.assert_exit(self.part("1/3"), 0)
        self.assert_refused(self.part("1/4"), 2, "3 parts", "4 parts", "--restart")
        mine = json.loads((self.partial / "thaw-state.part-1-of-3.json").read_text())
        plan = run("convert", self.input, self.out, *SHARDS, "--dtype", "bfloat16", "--dry-run",
                   "--json")
        self.assert_refused(self.part("2/3", "--dtype", "bfloat16"), 2, mine["fingerprint"],
                            json.loads(plan.stdout)["fingerprint"])
        shard = next(self.input.glob("*.safetensors"))
        os.utime(shard, ns=(1, 1))
        self.assert_refused(self.part("2/3"), 2, f"{shard.name} was modified", "--restart")
        for part in ("1/3", "2/3", "3/3"):
            self.assert_exit(self.part(part, "--restart"), 0)
        self.assert_published()

    def test_the_last_step_replaces_checks_and_hashes_what_was_asked(self):
        self.out.mkdir()
        (self.out / "config.json").write_text("old")
        self.assert_refused(self.part("1/2"), 2, "exists already")
        options = ("--force", "--verify", "--checksums")
        self.assert_exit(self.part("1/2", *options), 0)
        self.assertEqual((self.out / "config.json").read_text(), "old")
        result = self.part("2/2", *options)
        self.assert_exit(result, 0)
        self.assertIn("are as they should be", result.stderr)
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
                       cwd=self.out, check=True)
        self.assert_published("--checksums")

    def test_finish_publishes_where_the_last_part_could_not(self):
        self.assert_exit(self.part("1/2"), 0)
        process = self.begin("2/2")
        # A second reader of the lock stands in for a part that is slow to end.
        with open(self.work / "out.partial-lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            _, errors = process.communicate(timeout=60)
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assertFalse(self.out.exists())
        self.convert(self.input, self.out, *SHARDS, "--finish")
        self.assert_published()

    def test_more_parts_than_files(self):
        self.input = self.model()
        for i in range(1, 6):
            self.assert_exit(self.part(f"{i}/5"), 0)
        self.assert_published()

    def test_schedulers_name_the_part(self):
        slurm = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "7",
                 "SLURM_ARRAY_TASK_COUNT": "2"}
        self.assert_exit(self.part("auto", env=slurm), 0)
        self.assert_exit(self.part("auto/2", env={"JOB_COMPLETION_INDEX": "1"}), 0)
        self.assert_published()
        self.assert_refused(self.part("auto"), 2, "SLURM_ARRAY_TASK_ID is not set")
        self.assert_refused(self.part("auto/2"), 2, "JOB_COMPLETION_INDEX is not set")

    def test_what_has_no_parts_is_refused(self):
        for options in (["--part", "1/2", "--finish"], ["--finish", "--restart"],
                        ["--part", "0/2"], ["--part", "3/2"], ["--part", "1/2", "--to", "tar"]):
            self.assert_refused(run("convert", self.input, self.out, *options), 2)
        self.assert_refused(run("convert", self.input, self.work / "out.tar.zst", "--part", "1/2"),
                            2, "is of conversions into a directory")
        self.assert_refused(run("convert", self.input, "--base", self.input, "--in-place",
                                "--part", "1/2"), 2, "--in-place")
        self.assertEqual([path.name for path in self.work.glob("out*")], [])

    def test_a_job_file_has_no_parts(self):
        job = self.work / "one.json"
        job.write_text(json.dumps({"input": "model", "output": "out", "part": "1/2"}))
        result = run("run", job)
        self.assert_exit(result, 2)
        self.assertIn('"part" is not for job files', result.stderr)
