"""thaw run: job files, their states, the queue, log and metrics. specs/jobs.md."""

import json
import os
import re
import signal
import stat
import subprocess
import time

import support
from support import ROOT, Case, make_checkpoint, run, tree


class Jobs(Case):
    def setUp(self):
        super().setUp()
        self.jobs = self.work / "jobs"
        self.jobs.mkdir()
        self.log = self.work / "log"

    def job(self, file, /, **members):
        path = self.jobs / f"{file}.json"
        members = {"input": str(self.model()), "output": f"../out-{file}"} | members
        path.write_text(json.dumps({key: value for key, value in members.items()
                                    if value is not None}, indent=1))
        return path

    def state(self, name):
        return json.loads((self.jobs / f"{name}.state").read_text())

    def events(self, name=None):
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if name is None or line["event"] == name]

    def run_jobs(self, *words, code=0):
        result = run("run", *words, "--log", self.log)
        self.assert_exit(result, code)
        self.assertEqual(result.stdout, "")
        return result

    def undisturbed(self, *options):
        out = self.work / "undisturbed"
        if not out.exists():
            self.convert(self.model(), out, *options)
        return tree(out)


class OneJob(Jobs):
    def test_a_job_converts_then_is_up_to_date_then_follows_its_input(self):
        """Clauses 3.1 and 3.2."""
        model = self.work / "model"
        subprocess.run(["cp", "-r", "--no-preserve=mode", self.model(), model], check=True)
        path = self.job("one", input="../model", dtype="bfloat16")
        self.run_jobs(path)
        first = tree(self.work / "out-one")
        self.assertEqual(first, self.undisturbed("--dtype", "bfloat16"))
        self.assertIn("up to date", self.run_jobs(path).stderr)
        (model / "generation_config.json").write_text('{"temperature": 0.5}')
        self.assertIn("converted", self.run_jobs(path).stderr)
        second = tree(self.work / "out-one")
        self.assertNotEqual(first.pop("generation_config.json"),
                            second.pop("generation_config.json"))
        self.assertEqual(first, second)
        self.job("one", input="../model", dtype="float16")
        self.assertIn("converted", self.run_jobs(path).stderr)
        outcomes = [line["outcome"] for line in self.events("job_ends")]
        self.assertEqual(outcomes, ["converted", "up_to_date", "converted", "converted"])

    def test_an_output_that_lost_a_file_is_made_again(self):
        path = self.job("one")
        self.run_jobs(path)
        (self.work / "out-one" / "config.json").unlink()
        self.assertIn("converted", self.run_jobs(path).stderr)
        self.assertEqual(tree(self.work / "out-one"), self.undisturbed())

    def test_what_somebody_else_made_is_refused(self):
        path = self.job("one")
        self.convert(self.model(), self.work / "out-one")
        result = self.run_jobs(path, code=2)
        self.assertIn("exists", result.stderr)
        self.run_jobs(path, code=2)  # and does not become the job's by asking twice
        self.job("one", force=True)
        self.run_jobs(path)

    def test_paths_count_from_the_job_file(self):
        """Clause 2.5."""
        self.job("one", input=os.path.relpath(self.model(), self.jobs), report="../report.json")
        result = run("run", "jobs", cwd=self.work)
        self.assert_exit(result, 0)
        self.assertTrue((self.work / "out-one" / "config.json").exists())
        self.assertEqual(json.loads((self.work / "report.json").read_text())["overflows"], 0)

    def test_a_damaged_state_is_a_warning_and_the_job_is_done(self):
        """Clause 5.3."""
        path = self.job("one")
        for damage in ("", "{}", "[1", '{"version": 9}', "x" * 2_000_000):
            (self.jobs / "one.state").write_text(damage)
            subprocess.run(["rm", "-rf", self.work / "out-one"], check=True)
            result = self.run_jobs(path)
            self.assertIn("one.state", result.stderr)
            self.assertEqual(self.state("one")["exit_code"], 0)

    def test_states_can_stand_elsewhere(self):
        states = self.work / "states"
        states.mkdir()
        path = self.job("one")
        self.run_jobs(path, "--state", states)
        self.assertTrue((states / "one.state").exists())
        self.assertFalse((self.jobs / "one.state").exists())
        self.assertIn("up to date", self.run_jobs(path, "--state", states).stderr)


class Failures(Jobs):
    def test_every_error_of_a_job_file_has_its_line_and_column(self):
        """Clause 2.6."""
        path = self.jobs / "wrong.json"
        path.write_text('{\n "inptu": "x",\n "dtype": "f8",\n "retry": {"times": -1, "x": 1},\n'
                        ' "hooks": {"success": "rm -rf /"},\n "force": 1,\n "name": "../up"\n}\n')
        result = self.run_jobs(path, code=2)
        for place in ("line 2, column 2", "line 3, column 11", "line 4, column 21",
                      "line 4, column 25", "line 5, column 23", "line 6, column 11",
                      "line 7, column 10", "line 1, column 1"):
            self.assertIn(f"wrong.json: {place}: ", result.stderr)

    def test_hostile_job_files(self):
        """Each is one lie: refused with exit code 2, its place, and nothing written."""
        good = '"input": "x", "output": "y"'
        lies = {
            "": "JSON", "[]": "object", "{" + good: "JSON", "{" + good + "} x": "JSON",
            '{"input": 3, "output": "y"}': "input", '{"input": "", "output": "y"}': "input",
            '{"input": "a\\u0000b", "output": "y"}': "input", '{"output": "y"}': "input",
            '{"input": "x"}': "output", "{" + good + ', "input": "z"}': "twice",
            "{" + good + ', "name": ""}': "name", "{" + good + ', "name": ".x"}': "name",
            "{" + good + ', "name": "a/b"}': "name", "{" + good + ', "name": "\\u001b[31m"}': "name",
            "{" + good + ', "memory": -5}': "memory", "{" + good + ', "memory": "5 parsecs"}': "memory",
            "{" + good + ', "threads": 0}': "threads", "{" + good + ', "threads": 1e9}': "threads",
            "{" + good + ', "verify": "yes"}': "verify", "{" + good + ', "retry": 3}': "retry",
            "{" + good + ', "retry": {"times": 1e3}}': "times",
            "{" + good + ', "retry": {"delay": 99999999999}}': "delay",
            "{" + good + ', "hooks": []}': "hooks", "{" + good + ', "hooks": {"success": []}}': "success",
            "{" + good + ', "hooks": {"success": [3]}}': "success",
            "{" + good + ', "hooks": {"success": [""]}}': "success",
            "{" + good + ', "hooks": {"later": ["x"]}}': "later",
            "{" + good + ', "\\u001b[2J": 1}': "\\x1b[2J",
            "{" + good + ', "report": ' + "[" * 20 + "]" * 20 + "}": "nested",
            "\ufeff{" + good + "}": "byte order", "{" + good + ', "name": "\\ud800"}': "JSON",
            "{" + good + ', "x": "' + "y" * (2 << 20) + '"}': "bytes",
        }
        for number, (text, fragment) in enumerate(lies.items()):
            with self.subTest(text=text[:60]):
                path = self.jobs / f"lie{number}.json"
                path.write_text(text, encoding="utf-8", errors="surrogatepass")
                result = run("run", path)
                self.assert_exit(result, 2)
                self.assertIn(path.name, result.stderr)
                self.assertIn(fragment, result.stderr)
                self.assertNotIn("\x1b", result.stderr)
        self.assertEqual([path for path in self.work.iterdir() if path != self.jobs], [])

    def test_wrong_words_begin_nothing(self):
        """Clause 1.3."""
        path = self.job("one")
        self.job("two", **{"name": "one"})
        empty = self.work / "empty"
        empty.mkdir()
        for words in ([], [self.jobs], [path, path], [empty], [self.work / "none"],
                      [path, "--jobs", "0"], [path, "--json"], [path, "--status", "--dry-run"],
                      [path, "--memory", "much"]):
            self.assert_exit(run("run", *words), 2)
        self.assertFalse((self.work / "out-one").exists())

    def test_a_failure_is_tried_again_where_it_may_pass(self):
        """Clause 4.3: the directory of the output appears between two attempts."""
        blocked = self.work / "blocked"
        blocked.write_text("a file where a directory must be")
        hook = ["sh", "-c", "echo $THAW_JOB $THAW_EXIT_CODE: $THAW_ERROR > ../failed.txt"]
        path = self.job("one", output="../blocked/out", retry={"times": 40, "delay": 1},
                        hooks={"failure": hook})
        process = subprocess.Popen([support.THAW, "run", str(path), "--log", str(self.log)],
                                   stderr=subprocess.PIPE, text=True, cwd=self.jobs)
        while not self.log.exists() or not self.events("retry"):
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        blocked.unlink()
        self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())
        process.stderr.close()
        self.assertGreaterEqual(self.state("one")["attempts"], 2)
        self.assertFalse((self.work / "failed.txt").exists())
        self.job("two", output="../log/out", retry={"times": 1, "delay": 0}, hooks={"failure": hook})
        result = run("run", self.jobs / "two.json", cwd=self.jobs)
        self.assert_exit(result, 5)
        self.assertIn("attempt 1 failed", result.stderr)
        self.assertRegex((self.work / "failed.txt").read_text(), "^two 5: .*log")

    def test_an_input_that_is_wrong_is_not_tried_again(self):
        path = self.job("one", input="/nothing/here", retry={"times": 3, "delay": 60})
        self.run_jobs(path, code=3)
        self.assertEqual(self.events("retry"), [])

    def test_a_success_hook_that_fails_is_tried_again_alone(self):
        """Clause 4.4.1."""
        flag = self.work / "flag"
        count = 'echo "$THAW_BYTES_WRITTEN $THAW_OUTPUT" >> ../hooks.txt; test -e ../flag'
        path = self.job("one", hooks={"success": ["sh", "-c", count]})
        for expected, outcome in ((5, "failed"), (5, "failed"), (0, "hook_only"), (0, "up_to_date")):
            result = run("run", path, "--log", self.log, cwd=self.jobs)
            self.assert_exit(result, expected)
            self.assertEqual(self.events("job_ends")[-1]["outcome"], outcome)
            if len(self.events("run_ends")) == 2:
                flag.touch()
        lines = (self.work / "hooks.txt").read_text().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertEqual(set(lines), {f"{self.state('one')['bytes_written']} "
                                      f"{self.work / 'out-one'}"})
        self.job("two", hooks={"success": ["/no/such/program"]})
        self.assertIn("no/such/program", self.run_jobs(self.jobs / "two.json", code=5).stderr)

    def test_a_job_that_must_not_be_passed_over_ends_the_queue(self):
        self.job("a", input="/nothing/here")
        self.job("b", input="/nothing/here", **{"keep-going": False})
        self.job("c")
        self.run_jobs(self.jobs, code=3)
        self.assertFalse((self.work / "out-c").exists())
        self.assertEqual(self.events("run_ends")[-1]["not_begun"], 1)

    def test_a_log_that_cannot_be_written_is_told(self):
        path = self.job("one")
        result = run("run", path, "--log", self.work / "no" / "log")
        self.assert_exit(result, 5)
        self.assertTrue((self.work / "out-one").exists())
        self.assert_exit(run("run", path, "--metrics", self.work / "no" / "metrics"), 2)


class Queues(Jobs):
    def test_jobs_side_by_side_give_the_same_bytes_within_one_budget(self):
        """Clause 3.5."""
        names = [f"job{number}" for number in range(6)]
        for name in names:
            self.job(name)
        self.run_jobs(self.jobs, "--jobs", "3", "--memory", "256MB")
        for name in names:
            self.assertEqual(tree(self.work / f"out-{name}"), self.undisturbed())
        self.job("small")
        result = self.run_jobs(self.jobs / "small.json", self.jobs / "job1.json", "--jobs", "2",
                               "--memory", "80MB", code=6)
        self.assertIn("budget", result.stderr)

    def test_a_signal_stops_all_and_the_next_run_goes_on(self):
        """Clause 4.2."""
        size = "4" if support.QUICK else "40"
        model = make_checkpoint(self.work / "model", "--layers", size)
        for name in "abc":
            self.job(name, input=str(model), **{"max-shard-size": "1MB"})
        process = subprocess.Popen([support.THAW, "run", str(self.jobs), "--log", str(self.log)],
                                   stderr=subprocess.DEVNULL)
        while not (self.work / "out-a.partial").exists() and not (self.work / "out-a").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        self.assertIn(code, (0, 143))  # 0: it was faster
        self.run_jobs(self.jobs)
        one = tree(self.work / "out-a")
        self.assertEqual(one, tree(self.work / "out-b"))
        self.assertEqual(one, tree(self.work / "out-c"))
        self.assertEqual(list(self.work.glob("*.partial")), [])

    def test_ten_jobs_as_a_timer_runs_them_twice(self):
        """Two broken, one up to date, one interrupted before; every code, line, metric, output."""
        metrics = self.work / "metrics.prom"
        for number in range(8):
            self.job(f"job{number}", threads=1 + number % 2)
        self.run_jobs(self.jobs / "job0.json")
        # What a run that was killed leaves: its state, and an output half made.
        partial = self.work / "out-job1.partial"
        process = subprocess.Popen([support.THAW, "run", str(self.jobs / "job1.json")],
                                   stderr=subprocess.DEVNULL)
        while not partial.exists() and process.poll() is None:
            time.sleep(0.0005)
        process.kill()
        process.wait()
        self.job("job8", input="/nothing/here")
        (self.jobs / "job9.json").write_text("{")
        self.log.unlink()
        for attempt, outcome in ((1, "converted"), (2, "up_to_date")):
            result = run("run", self.jobs, "--log", self.log, "--metrics", metrics)
            self.assert_exit(result, 3)
            ends = {line["job"]: line for line in self.events("job_ends")[-10:]}
            self.assertEqual(list(ends), [f"job{number}" for number in range(10)])
            self.assertEqual(ends["job0"]["outcome"], "up_to_date")
            self.assertIn(ends["job1"]["outcome"], ("converted", "up_to_date"))
            for number in range(2, 8):
                self.assertEqual(ends[f"job{number}"]["outcome"], outcome)
            self.assertEqual(ends["job8"]["exit_code"], 3)
            self.assertEqual(ends["job9"]["exit_code"], 2)
            self.assertIn("line 1, column", ends["job9"]["errors"][0])
            last = self.events("run_ends")[-1]
            self.assertEqual((last["failed"], last["not_begun"], last["exit_code"]), (2, 0, 3))
            self.assertEqual(last["converted"] + last["up_to_date"], 8)
            for number in range(8):
                self.assertEqual(tree(self.work / f"out-job{number}"), self.undisturbed())
                self.assertIn(f'thaw_job_exit_code{{job="job{number}"}} 0\n', metrics.read_text())
            self.assertIn('thaw_job_exit_code{job="job8"} 3\n', metrics.read_text())
            self.assertIn('thaw_job_exit_code{job="job9"} 2\n', metrics.read_text())
            self.check_metrics(metrics.read_text())
            status = json.loads(run("run", "--status", self.jobs, "--json").stdout)["jobs"]
            self.assertEqual([row["exit_code"] for row in status], [0] * 8 + [3, 2])
        self.assertEqual(sorted(path.name for path in self.work.glob("*.partial")), [])

    def check_metrics(self, text):
        """The text format of Prometheus: help and type before the samples of each metric."""
        known = set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                known.add(line.split()[2])
            elif not line.startswith("# HELP "):
                match = re.fullmatch(r'(\w+)\{job="([\w.-]+)"\} [0-9.]+', line)
                self.assertIsNotNone(match, line)
                self.assertIn(match[1], known)

    def test_status_and_dry_run_do_nothing(self):
        """Clause 8.2."""
        self.job("a")
        self.job("b", input="/nothing/here")
        before = sorted(self.work.rglob("*"))
        self.assert_exit(run("run", "--status", self.jobs), 0)
        result = run("run", "--dry-run", self.jobs, "--json")
        self.assert_exit(result, 3)
        rows = json.loads(result.stdout)["jobs"]
        self.assertEqual([row["would"] for row in rows], ["convert", "fail"])
        self.assertEqual(before, sorted(self.work.rglob("*")))
        self.run_jobs(self.jobs / "a.json")
        rows = json.loads(run("run", "--dry-run", self.jobs, "--json").stdout)["jobs"]
        self.assertEqual([row["would"] for row in rows], ["nothing", "fail"])


class Schema(Jobs):
    OF_THE_TERMINAL = {"dry-run", "json", "progress", "quiet", "help"}
    OF_SCHEDULERS = {"part", "finish"}  # specs/parts.md clause 1.3

    def test_the_schema_has_every_option_of_convert(self):
        """Clause 2.3."""
        schema = json.loads((ROOT / "specs" / "job.schema.json").read_text())
        options = set(re.findall(r"^  (?:-\w \[ )?--([\w-]+)", run("convert", "--help").stdout,
                                 re.MULTILINE))
        self.assertGreater(len(options), 10)
        own = {"$schema", "name", "input", "output", "retry", "hooks", "keep-going"}
        self.assertEqual(set(schema["properties"]), (options - self.OF_THE_TERMINAL - self.OF_SCHEDULERS) | own)

    def test_files_of_jobs_are_private_to_nobody(self):
        """States have the rights that the umask gives, like every other file."""
        path = self.job("one")
        self.run_jobs(path)
        mask = os.umask(0)
        os.umask(mask)
        mode = stat.S_IMODE((self.jobs / "one.state").stat().st_mode)
        self.assertEqual(mode, 0o666 & ~mask)
