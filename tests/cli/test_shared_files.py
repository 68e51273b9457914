"""Files that others may touch at the same time: reports, metrics, logs, the states of jobs.
specs/safety.md clause 1.5, specs/jobs.md clauses 5 and 7."""

import fcntl
import json
import os
import resource
import subprocess

import support
from support import Case, run, tree


class Reports(Case):
    def test_nothing_that_is_called_partial_is_touched_or_followed(self):
        precious = self.work / "precious"
        precious.write_text("keep me")
        for option, name in (("--report", "r.json"), ("--html", "p.html")):
            (self.work / f"{name}.partial").symlink_to(precious)
            words = (("convert", self.model(), self.work / "out", "-q") if option == "--report"
                     else ("inspect", self.model()))
            self.assert_exit(run(*words, option, self.work / name), 0)
            self.assertGreater((self.work / name).stat().st_size, 100)
            self.assertTrue((self.work / f"{name}.partial").is_symlink())
        notes = self.work / "m.prom.partial"
        notes.write_text("my notes")
        job = self.work / "job.json"
        job.write_text(json.dumps({"input": str(self.model()), "output": "o"}))
        self.assert_exit(run("run", job, "-q", "--metrics", self.work / "m.prom"), 0)
        self.assertIn("thaw_job_exit_code", (self.work / "m.prom").read_text())
        self.assertEqual(notes.read_text(), "my notes")
        self.assertEqual(precious.read_text(), "keep me")
        self.assertEqual(list(self.work.glob(".thaw-*")), [])

    def test_a_report_keeps_the_mode_of_the_one_that_it_replaces(self):
        report = self.work / "report.json"
        report.write_text("old")
        report.chmod(0o600)
        self.convert(self.model(), self.work / "out", "--report", report)
        self.assertEqual(report.stat().st_mode & 0o777, 0o600)
        self.assertEqual(json.loads(report.read_text())["overflows"], 0)

    def test_a_failure_leaves_the_old_report_and_nothing_else(self):
        report = self.work / "report.json"
        report.write_text("old")
        self.assert_exit(run("convert", self.work / "nothing", self.work / "out", "--report",
                             report), 3)
        self.assertEqual([path.name for path in self.work.iterdir()], ["report.json"])
        self.assertEqual(report.read_text(), "old")
        closed = self.work / "no" / "report.json"
        self.assert_refused(run("convert", self.model(), self.work / "out", "--report", closed), 2,
                            "cannot be written")

    def test_two_queues_with_one_file_of_metrics_do_not_tear_it(self):
        """Each run writes all or nothing: what is there is that of one of them."""
        for name, jobs in (("one", 1), ("four", 4)):
            (self.work / name).mkdir()
            for number in range(jobs):
                job = self.work / name / f"a-job-with-a-long-name-{number}.json"
                job.write_text(json.dumps({"input": str(self.model()),
                                           "output": f"../out-{name}-{number}"}))
        metrics = self.work / "m.prom"
        wholes = set()
        for name in ("one", "four"):
            self.assert_exit(run("run", self.work / name, "-q", "--metrics", metrics), 0)
            wholes.add(metrics.read_text().count("thaw_job_exit_code{"))
        self.assertEqual(wholes, {1, 4})
        for _ in range(10):
            both = [subprocess.Popen([support.THAW, "run", str(self.work / name), "-q", "--metrics",
                                      str(metrics)]) for name in ("one", "four")]
            self.assertEqual([process.wait(timeout=60) for process in both], [0, 0])
            text = metrics.read_text()
            self.assertIn(text.count("thaw_job_exit_code{"), wholes)
            self.assertEqual(text.count("# HELP"), 8)
        self.assertEqual(list(self.work.glob(".thaw-*")), [])


class Logs(Case):
    def setUp(self):
        super().setUp()
        self.log = self.work / "log"
        self.job = self.work / "job.json"
        self.job.write_text(json.dumps({"input": str(self.model()), "output": "out"}))

    def run_job(self, code=0, **more):
        result = run("run", self.job, "--log", self.log, **more)
        self.assert_exit(result, code)
        return result

    def test_a_line_that_does_not_fit_is_taken_back(self):
        """Clause 7.2. The log is larger than any file of the output, and no line fits whole."""
        line = json.dumps({"event": "old", "text": "x" * 1000}) + "\n"
        self.log.write_text(line * 5000)
        self.run_job()
        begin = self.log.stat().st_size
        for more in (0, 1, 20, 100, 150):
            limit = begin + more
            result = self.run_job(code=5, preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (limit, limit)))
            self.assertIn("cannot write the log", result.stderr)
            lines = self.log.read_text().splitlines(keepends=True)
            self.assertTrue(all(json.loads(one) and one.endswith("\n") for one in lines))
            begin = self.log.stat().st_size
        self.run_job()
        events = [json.loads(one)["event"] for one in self.log.read_text().splitlines()]
        self.assertEqual(events[-1], "run_ends")

    def test_half_a_line_swallows_none(self):
        self.log.write_text('{"event": "old"}\n{"event": "ha')
        self.run_job()
        lines = self.log.read_text().splitlines()
        self.assertEqual(lines[1], '{"event": "ha')
        self.assertEqual([json.loads(line)["event"] for line in lines[2:]][0], "run_begins")

    def test_a_log_that_somebody_else_has_locked_is_written(self):
        self.log.write_text("")
        with open(self.log, encoding="utf-8") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.run_job(timeout=60)
        self.assertIn("run_ends", self.log.read_text())

    def test_a_pipe_is_a_log_too(self):
        pipe = self.work / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assert_exit(run("run", self.job, "--log", pipe), 0)
        lines = os.read(reader, 1 << 16).decode().splitlines()
        self.assertEqual(json.loads(lines[0])["event"], "run_begins")


class JobLock(Case):
    """Clause 5.4: a job belongs to one run at a time, with its state."""

    def setUp(self):
        super().setUp()
        self.jobs = self.work / "jobs"
        self.jobs.mkdir()
        self.hooks = self.work / "hooks"

    def job(self, name, **members):
        path = self.jobs / f"{name}.json"
        hook = ["sh", "-c", f"echo $THAW_JOB $THAW_EXIT_CODE >> {self.hooks}"]
        path.write_text(json.dumps({"input": str(self.model()), "output": f"../out-{name}",
                                    "hooks": {"failure": hook}} | members))
        return path

    def test_a_job_that_another_run_has_is_left_alone(self):
        path = self.job("a")
        self.assert_exit(run("run", path), 0)
        state = self.jobs / "a.state"
        before = state.read_bytes()
        with open(self.jobs / "a.state.lock", "w", encoding="ascii") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            result = run("run", path)
            self.assert_exit(result, 8)
            self.assertIn("another run has this job", result.stderr)
            path.write_text("{")  # nor is it said there that its file is wrong
            self.assert_exit(run("run", path), 2)
        self.assertEqual(state.read_bytes(), before)
        self.assertFalse(self.hooks.exists())
        self.job("a")
        self.assertIn("up to date", run("run", path).stderr)
        self.assertFalse((self.jobs / "a.state.lock").exists())

    def test_a_retry_waits_for_the_other_run(self):
        path = self.job("a", retry={"times": 20, "delay": 1})
        with open(self.jobs / "a.state.lock", "w", encoding="ascii") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            process = subprocess.Popen([support.THAW, "run", str(path)], stderr=subprocess.PIPE,
                                       text=True)
            said = process.stderr.readline() + process.stderr.readline()
        self.assertIn("another run has this job", said)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertTrue((self.work / "out-a").exists())

    def test_two_runs_of_one_queue_share_it(self):
        """Every job is done once, by one of them; no state is torn, no hook reports a failure."""
        names = [f"job{number}" for number in range(8)]
        for name in names:
            self.job(name)
        for _ in range(3):
            for name in names:
                subprocess.run(["rm", "-rf", self.work / f"out-{name}"], check=True)
                (self.jobs / f"{name}.state").unlink(missing_ok=True)
            both = [subprocess.Popen([support.THAW, "run", str(self.jobs), "-q"],
                                     stderr=subprocess.PIPE, text=True) for _ in range(2)]
            for process in both:
                _, errors = process.communicate(timeout=120)
                self.assertIn(process.returncode, (0, 8), errors)
            self.assertFalse(self.hooks.exists())
            result = run("run", self.jobs)
            self.assert_exit(result, 0)
            self.assertEqual(result.stderr.count("up to date"), len(names))
            self.assertEqual(list(self.jobs.glob("*.lock")), [])
            self.assertEqual(list(self.jobs.glob(".thaw-*")), [])
        self.assertEqual(tree(self.work / "out-job0"), tree(self.work / "out-job7"))

    def test_a_job_that_follows_its_config_files_by_content(self):
        """The quantization file decides every value, whatever its times say."""
        model = self.work / "model"
        subprocess.run(["cp", "-r", "--no-preserve=mode",
                        self.model("llama-gptq-v1-desc_act"), model], check=True)
        config = json.loads((model / "config.json").read_text())
        config.pop("quantization_config", None)
        (model / "config.json").write_text(json.dumps(config))
        path = self.job("a", input="../model")
        self.assert_exit(run("run", path), 0)
        first = tree(self.work / "out-a")
        quantize = model / "quantize_config.json"
        times = quantize.stat().st_mtime_ns
        text = quantize.read_text()
        self.assertIn('"checkpoint_format": "gptq"', text)
        quantize.write_text(text.replace('"checkpoint_format": "gptq"',
                                         '"checkpoint_format": "gptq_v2"'))
        os.utime(quantize, ns=(times, times))
        result = run("run", path)
        self.assert_exit(result, 0)
        self.assertIn("converted", result.stderr)
        self.assertNotEqual(first, tree(self.work / "out-a"))
