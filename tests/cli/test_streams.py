"""What goes to standard output, to standard error, to a terminal and to files."""

import json
import os
import re

from support import Case, run, run_on_terminal, tree

BAR = re.compile(r"\r([^\r\n\x1b]*)\x1b\[K")


class StandardOutput(Case):
    def test_dry_run_prints_the_plan_and_writes_nothing(self):
        before = tree(self.work)
        text = run("convert", self.model(), self.work / "out", "--dry-run")
        self.assert_exit(text, 0)
        for word in ("float16", "model.safetensors", "tokenizer.json", "27"):
            self.assertIn(word, text.stdout)
        shown = run("convert", self.model(), "--dry-run", "--json")
        self.assert_exit(shown, 0)
        plan = json.loads(shown.stdout)
        self.assertEqual((plan["linears"], plan["tensors"]), (14, 27))
        self.assertEqual(tree(self.work), before)
        self.convert(self.model(), self.work / "out")
        written = sum(path.stat().st_size for path in (self.work / "out").iterdir())
        self.assertEqual(plan["bytes_out"], written)
        self.assertEqual(run("convert", self.model(), "--dry-run", "--json").stdout, shown.stdout)

    def test_inspect_tells_what_a_model_is(self):
        for name, layout in (("qwen2-awq-gemm", "awq_gemm"), ("qwen2-awq-marlin", "awq_marlin")):
            text = run("inspect", self.model(name))
            self.assert_exit(text, 0)
            self.assertIn("AWQ", text.stdout)
            found = json.loads(run("inspect", self.model(name), "--json").stdout)
            self.assertEqual({group["layout"] for group in found["linears"]}, {layout})
            self.assertEqual(sum(group["count"] for group in found["linears"]), 14)
            self.assertEqual(found["problems"], [])
            self.assertEqual(found["plan"]["tensors"], 27)

    def test_inspect_names_problems(self):
        result = run("inspect", self.model("starcoder2-awq-act_scales"), "--json",
                     env={"THAW_MODELS": str(self.work)})
        self.assert_exit(result, 3)
        self.assertEqual(result.stderr, "")
        found = json.loads(result.stdout)
        self.assertTrue(any("act.scales" in problem for problem in found["problems"]))
        self.assertNotIn("plan", found)

    def test_standard_output_that_cannot_be_written_is_exit_5(self):
        for words in (["--help"], ["--version"], ["inspect", self.model()],
                      ["convert", self.model(), "--dry-run"]):
            with self.subTest(words=words), open("/dev/full", "w") as full:
                result = run(*words, stdout=full)
                self.assert_refused(result, 5, "standard output")
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as closed:
            # Who reads, such as head, has seen enough.
            for words in (["inspect", self.model()], ["inspect", self.model(), "--json"],
                          ["--help"], ["convert", self.model(), "--dry-run"]):
                result = run(*words, stdout=closed)
                self.assert_exit(result, 0)
                self.assertEqual(result.stderr, "")


class StandardError(Case):
    def test_quiet_is_silent_but_for_errors(self):
        result = self.convert(self.model(), self.work / "out", "--quiet")
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        result = run("convert", self.model(), self.work / "out", "--quiet")
        self.assert_refused(result, 2)

    def test_summary_stands_on_standard_error(self):
        result = self.convert(self.model(), self.work / "out")
        self.assertEqual(result.stdout, "")
        for word in ("14 linears", "27 tensors", "read", "written", "peak memory"):
            self.assertIn(word, result.stderr)
        self.assertNotIn("\x1b", result.stderr)

    def test_progress_json_is_one_object_a_line(self):
        result = self.convert(self.model(), self.work / "out", "--progress", "json")
        events = [json.loads(line) for line in result.stderr.splitlines()]
        self.assertEqual(events[-1]["event"], "done")
        self.assertEqual(events[-1]["tensors"], 27)
        self.assertTrue(all(event["event"] == "progress" for event in events[:-1]))
        self.assertTrue(len(events) > 1)
        done = [event["bytes_done"] for event in events[:-1]]
        self.assertEqual(done, sorted(done))

    def test_no_escape_sequences_where_no_terminal_is(self):
        for mode in ("auto", "bar", "plain", "none"):
            result = self.convert(self.model(), self.work / mode, "--progress", mode,
                                  env={"TERM": "xterm"})
            self.assertNotIn("\x1b", result.stderr)
            self.assertNotIn("\r", result.stderr)


class Terminal(Case):
    def test_a_bar_is_drawn_and_removed(self):
        written, code = run_on_terminal("convert", self.model(), self.work / "out")
        self.assertEqual(code, 0, written)
        self.assertIn("\r", written)
        self.assertRegex(written, r"\r\x1b\[K(?!.*\r\x1b\[K)")
        self.assertIn("27 tensors", written)

    def test_the_bar_fits_the_terminal(self):
        for columns in (10, 40, 200):
            written, code = run_on_terminal("convert", self.model(), self.work / str(columns),
                                            columns=columns)
            self.assertEqual(code, 0, written)
            drawn = BAR.findall(written)
            self.assertTrue(drawn)
            self.assertLess(max(map(len, drawn)), columns)

    def test_colour_unless_no_color(self):
        words = ("convert", self.model(), self.work / "out", "--isa", "mmx")
        self.assertIn("\x1b[1;31m", run_on_terminal(*words)[0])
        self.assertNotIn("\x1b", run_on_terminal(*words, env={"NO_COLOR": "1"})[0])
        self.assertNotIn("\x1b", run_on_terminal(*words, env={"TERM": "dumb"})[0])

    def test_progress_none_draws_nothing(self):
        written, code = run_on_terminal("convert", self.model(), self.work / "out", "--progress",
                                        "none")
        self.assertEqual(code, 0)
        self.assertEqual(BAR.findall(written), [])


class Report(Case):
    def test_report_is_json_and_leaves_nothing_beside_it(self):
        report = self.work / "report.json"
        report.write_text("old")
        self.convert(self.model(), self.work / "out", "--report", report)
        found = json.loads(report.read_text())
        self.assertEqual(found["plan"]["linears"], 14)
        self.assertGreater(found["bytes_written"], 0)
        self.assertEqual(sorted(path.name for path in self.work.iterdir()), ["out", "report.json"])

    def test_a_failed_run_leaves_the_old_report(self):
        report = self.work / "report.json"
        report.write_text("old")
        result = run("convert", self.work / "none", self.work / "out", "--report", report)
        self.assert_refused(result, 3)
        self.assertEqual(report.read_text(), "old")
        self.assertEqual([path.name for path in self.work.iterdir()], ["report.json"])

    def test_a_report_can_go_to_standard_output_or_a_device(self):
        result = self.convert(self.model(), self.work / "out", "--report", "-", "--quiet")
        self.assertEqual(json.loads(result.stdout)["plan"]["tensors"], 27)
        self.convert(self.model(), self.work / "null", "--report", "/dev/null")
        self.assertTrue(os.path.exists("/dev/null") and not os.path.isfile("/dev/null"))
        full = run("convert", self.model(), self.work / "full", "--report", "/dev/full", "--quiet")
        self.assert_refused(full, 5, "/dev/full")
        self.assertTrue((self.work / "full" / "config.json").exists())
