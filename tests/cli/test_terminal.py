"""What a person at a terminal sees: lines before and after, suggestions, colours, narrow windows.

specs/cli.md clauses 1.6, 3.6, 3.8, 3.10.
"""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import threading

import support
from support import ROOT, Case, run, run_on_terminal, tree

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LINEAR = "found         14 AWQ GEMM linears, 482.0 kB in 2 shards"


def on_terminal(*words, columns=80, **more):
    """As run_on_terminal(), with the line ends that thaw wrote."""
    written, code = run_on_terminal(*words, columns=columns, **more)
    return written.replace("\r\n", "\n"), code


def shown(text):
    """What stays on the screen: without colours, and of a line that was redrawn its last form."""
    lines = [line.rpartition("\r")[2] for line in text.split("\n")]
    return [ESCAPE.sub("", line) for line in lines]


class Lines(Case):
    def facts(self, text):
        return [(line[:14].strip(), line[14:]) for line in text.splitlines()]

    def test_three_lines_before_three_after_and_the_next_command(self):
        out = self.work / "out"
        result = self.convert(self.model(), out)
        facts = self.facts(result.stderr)
        self.assertEqual([name for name, _ in facts], ["found", "writes", "needs", "converted",
                                                       "moved", "took", "next"])
        said = dict(facts)
        self.assertEqual(result.stderr.splitlines()[0], LINEAR)
        for name, words in (("writes", ("27 tensors", "float16", "1 shard", str(out))),
                            ("needs", ("memory: at most", "disk: 1.1 MB", " free")),
                            ("converted", ("14 linears", "27 tensors", str(out))),
                            ("moved", ("read", "written", "/s")), ("took", ("peak memory",))):
            for word in words:
                self.assertIn(word, said[name])
        self.assertEqual(said["next"], f"thaw verify {out} --against {self.model()}")
        checked = run(*said["next"].split()[1:])
        self.assert_exit(checked, 0)
        self.assertIn("equal", checked.stdout)

    def test_quiet_and_json_have_no_such_lines(self):
        quiet = self.convert(self.model(), self.work / "quiet", "--quiet")
        self.assertEqual((quiet.stdout, quiet.stderr), ("", ""))
        lines = self.convert(self.model(), self.work / "json", "--progress", "json")
        for line in lines.stderr.splitlines():
            self.assertIn("event", json.loads(line))
        data = self.convert(self.model(), self.work / "report", "--report", "-")
        self.assertEqual(json.loads(data.stdout)["plan"]["linears"], 14)
        self.assertTrue(data.stderr.startswith("found"))

    def test_a_refused_run_announces_nothing(self):
        (self.work / "out").write_text("x")
        self.assert_refused(run("convert", self.model(), self.work / "out"), 2, "exists")

    def test_the_dry_run_the_lines_and_the_report_agree(self):
        for name, options in (("out", []), ("out.tar", []), ("out.tar.zst", []),
                              ("one", ["--max-shard-size", "200kB"])):
            with self.subTest(name):
                out = self.work / name
                dry = run("convert", self.model(), out, *options, "--dry-run", "--json")
                self.assert_exit(dry, 0)
                plan = json.loads(dry.stdout)
                result = self.convert(self.model(), out, *options, "--report",
                                      self.work / "report.json")
                report = json.loads((self.work / "report.json").read_text())
                self.assertEqual(report["plan"]["disk"]["need"], plan["disk"]["need"])
                self.assertEqual(report["plan"]["memory"], plan["memory"])
                self.assertGreaterEqual(plan["disk"]["need"], plan["bytes_out"])
                memory = f"{plan['memory']['peak_bytes'] / 1e6:.1f} MB"
                needs = result.stderr.splitlines()[2]
                self.assertIn("at most " + memory, needs)
                text = run("convert", self.model(), out, *options, "--dry-run", "--force").stdout
                self.assertIn("at most " + memory, text)
                need = re.search(r"disk: ((at most )?[0-9.]+ MB), ", needs).group(1)
                self.assertRegex(text, rf"(?m)^disk +{need}, [0-9.]+ .B free$")

    def test_the_refusal_for_space_has_the_numbers_of_the_dry_run(self):
        folder = self.work / "disk"
        folder.mkdir()
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
                capture_output=True).returncode != 0:
            self.skipTest("no mounts here")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        for name in ("out", "out.tar"):
            dry = run("convert", self.model(), folder / name, "--dry-run")
            need, free = re.search(r"(?m)^disk +(.*), (.*) free \(not enough\)$",
                                   dry.stdout).groups()
            self.assert_refused(run("convert", self.model(), folder / name), 6,
                                f"needs {need}, free are {free}")
            self.assertEqual(list(folder.iterdir()), [])


class Suggestions(Case):
    def test_near_words_are_suggested_and_far_ones_are_not(self):
        model, out = str(self.model()), str(self.work / "out")
        rows = {
            "command": (["convrt"], "Did you mean thaw convert?"),
            "command swapped": (["verfiy"], "Did you mean thaw verify?"),
            "far command": (["melt"], None),
            "option of the program": (["--hlep"], "Did you mean --help?"),
            "option": (["convert", model, out, "--dtpye", "x"], "Did you mean --dtype?"),
            "option with value": (["convert", model, out, "--memroy=1GB"], "mean --memory?"),
            "one dash": (["convert", model, out, "-dtype", "x"], "Did you mean --dtype?"),
            "abbreviation": (["convert", model, out, "--dry"], "Did you mean --dry-run?"),
            "far option": (["convert", model, out, "--zzzzzz"], None),
            "option of verify": (["verify", out, "--agianst", model], "Did you mean --against?"),
            "option of compare": (["compare", out, out, "--fail-abov=1"], "mean --fail-above?"),
            "option of run": (["run", "--metric", "x"], "Did you mean --metrics?"),
            "option of inspect": (["inspect", "--jsn"], "Did you mean --json?"),
            "option of specs": (["specs", "--drive", "x"], "Did you mean --derive?"),
            "dtype": (["convert", model, out, "--dtype", "bflot16"], "mean --dtype bfloat16?"),
            "short dtype": (["convert", model, out, "--dtype", "bf16"], "mean --dtype bfloat16?"),
            "nickname": (["convert", model, out, "--dtype", "fp16"], "mean --dtype float16?"),
            "far dtype": (["convert", model, out, "--dtype", "int8"], None),
            "rounding": (["convert", model, out, "--rounding", "exakt"], "--rounding exact?"),
            "to": (["convert", model, out, "--to", "tarzst"], "--to tar.zst?"),
            "progress": (["convert", model, out, "--progress", "jsn"], "--progress json?"),
            "isa": (["convert", model, out, "--isa", "scaler"], "--isa scalar?"),
            "output io": (["convert", model, out, "--output-io", "bufered"],
                          "--output-io buffered?"),
            "-o": (["convert", model, "-o", out], "OUT is the second word: thaw convert MODEL OUT"),
            "--output": (["convert", model, "--output", out], "OUT is the second word"),
            "a model behind OUT": (["verify", out, model],
                                   f"Did you mean thaw verify {out} --against {model}?"),
            "no command": ([model, out], "Did you mean thaw convert MODEL OUT"),
            "version": (["version"], "Did you mean thaw --version?"),
            "info": (["info", model], "Did you mean thaw inspect?"),
            "plan": (["plan", model], "--dry-run?"),
        }
        for name, (words, meant) in rows.items():
            with self.subTest(name):
                result = run(*words)
                self.assert_refused(result, 2, *([meant] if meant else []))
                if meant is None:
                    self.assertNotIn("Did you mean", result.stderr)

    def test_a_model_that_is_not_there(self):
        shutil.copytree(self.model(), self.work / "models" / "qwen2-awq")
        (self.work / "models" / "one.safetensors").write_bytes(b"")
        (self.work / "models" / "qwen2-aw1.txt").write_text("no model")
        hub = self.work / "hub"
        for name in ("models--Qwen--Qwen2.5-7B-Instruct-AWQ", "datasets--Qwen--Qwen2.5", "models--x"):
            (hub / name).mkdir(parents=True)
        rows = {
            "models/qwen2-wq": "models/qwen2-awq",
            "modles/qwen2-awq/": "models/qwen2-awq",
            "models/one.safetensor": "models/one.safetensors",
            str(self.work / "models" / "qwen2-aqw"): str(self.work / "models" / "qwen2-awq"),
            "Qwen/Qwen2.5-7B-Intruct-AWQ": "Qwen/Qwen2.5-7B-Instruct-AWQ",
            "qwen/qwen2.5-7b-instruct-awq": "Qwen/Qwen2.5-7B-Instruct-AWQ",
            "Qwen2.5-7B-Instruct-AWQ": "Qwen/Qwen2.5-7B-Instruct-AWQ",
            "Qwen/Qwen2.5-7B-Intruct-AWQ@main": "Qwen/Qwen2.5-7B-Instruct-AWQ",
            "models/something-else": None,
            "mistralai/Mixtral-8x7B": None,
        }
        for model, meant in rows.items():
            with self.subTest(model):
                result = run("inspect", model, cwd=self.work, env={"HF_HUB_CACHE": str(hub)})
                self.assert_refused(result, 3, *([f"Did you mean {meant}?"] if meant else []))
                if meant is None:
                    self.assertNotIn("Did you mean", result.stderr)

    def test_names_of_files_are_escaped(self):
        (self.work / "mod\x1b[31mel").mkdir()
        result = run("inspect", "mod[31mel", cwd=self.work)
        self.assert_refused(result, 3, "Did you mean mod\\x1b[31mel?")

    def test_a_spec_that_is_not_there(self):
        self.assert_refused(run("specs", "llma"), 3, '"llama"')
        far = run("specs", "something-else-entirely")
        self.assert_refused(far, 3)
        self.assertNotIn("nearest", far.stderr)


class Colours(Case):
    def test_each_stream_is_judged_on_its_own(self):
        words = ("inspect", self.model())
        self.assertIn("\x1b[1mmodel\x1b[0m", on_terminal(*words, streams=("stdout",))[0])
        self.assertNotIn("\x1b", run(*words, env={"TERM": "xterm"}).stdout)
        bad = ("inspect", self.work / "none")
        self.assertIn("\x1b[1;31mthaw:\x1b[0m", on_terminal(*bad)[0])
        self.assertNotIn("\x1b", run(*bad, env={"TERM": "xterm"}).stderr)
        converted = ("convert", self.model(), self.work / "out")
        self.assertIn("\x1b[1mfound\x1b[0m", on_terminal(*converted)[0])
        quiet = on_terminal(*converted, "--force", "--progress", "none", streams=("stdout",))
        self.assertEqual(quiet, ("", 0))

    def test_no_color_and_a_dumb_terminal(self):
        for env, coloured in (({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True),
                              ({"TERM": "dumb"}, False), ({}, True)):
            with self.subTest(env):
                for words in (("inspect", self.model()), ("inspect", self.work / "none"),
                              ("convert", self.model(), self.work / "out", "--force",
                               "--progress", "none")):
                    written, _ = on_terminal(*words, streams=("stdout", "stderr"), env=env)
                    self.assertEqual("\x1b" in written, coloured, written)

    def test_json_specs_and_data_are_never_coloured_or_wrapped(self):
        for words in (("inspect", self.model(), "--json"), ("specs", "llama"),
                      ("convert", self.model(), "--dry-run", "--json")):
            written, code = on_terminal(*words, streams=("stdout",), columns=40)
            self.assertEqual((written, code), (run(*words).stdout, 0))


class Windows(Case):
    def test_no_line_is_wider_than_forty_columns(self):
        shutil.copytree(self.model(), self.work / "qwen2-awq")
        rows = [("convert", "qwen2-awq", "out"), ("convert", "qwen2-awq", "out"),
                ("convert", "qwen2-awq", "new", "--dry-run"), ("inspect", "qwen2-awq"),
                ("verify", "out", "--against", "qwen2-awq"), ("compare", "out", "qwen2-awq"),
                ("--help",), ("convert", "--help"), ("convert", "--dtpye"), ("inspect", "qwen-awq")]
        for words in rows:
            with self.subTest(words):
                written, _ = on_terminal(*words, columns=40, streams=("stdout", "stderr"),
                                         cwd=self.work)
                for line in re.split(r"[\r\n]", ESCAPE.sub("", written)):
                    # What has no space stays whole, to be copied.
                    self.assertTrue(len(line) <= 40 or " " not in line, line)
        self.assertTrue((self.work / "out").is_dir())

    def test_tables_leave_out_columns_instead_of_wrapping(self):
        for columns, left in ((40, ("modules", "layout")),
                              (80, ("modules", "count", "layout", "bits", "group")),
                              (120, ("modules", "count", "layout", "as float"))):
            with self.subTest(columns):
                written, _ = on_terminal("inspect", self.model(), columns=columns,
                                         streams=("stdout",))
                lines = shown(written)
                head = next(i for i, line in enumerate(lines) if "modules" in line)
                for name in left:
                    self.assertIn(name, lines[head])
                rows = [line for line in lines if "_proj" in line and "AWQ GEMM" in line]
                self.assertEqual(lines[head + 1:head + 8], rows[:7])
                self.assertTrue(all(len(line) <= columns for line in rows), rows)
                told = "a wider window, or --json" in " ".join(" ".join(lines).split())
                self.assertEqual(told, columns < 112)

    def test_a_wide_window_and_a_pipe_say_the_same(self):
        wide, _ = on_terminal("inspect", self.model(), columns=400, streams=("stdout",))
        self.assertEqual("\n".join(shown(wide)), run("inspect", self.model()).stdout)

    def test_wide_letters_take_two_columns(self):
        name = "模型" * 6
        shutil.copytree(self.model(), self.work / name)
        written, code = on_terminal("convert", name, "出力", columns=40, cwd=self.work)
        self.assertEqual(code, 0, written)
        for line in shown(written):
            self.assertLessEqual(sum(2 if ord(letter) > 0x2e80 else 1 for letter in line), 40, line)
        self.assertIn(name, "".join(shown(written)))

    def test_the_bar_follows_the_window(self):
        toy = support.make_checkpoint(self.work / "toy", "--layers", "8" if support.QUICK else "24")
        master, slave = pty.openpty()
        resize = lambda columns: fcntl.ioctl(slave, termios.TIOCSWINSZ,
                                             struct.pack("HHHH", 24, columns, 0, 0))
        resize(100)
        process = subprocess.Popen([support.THAW, "convert", toy, self.work / "out", "--verify"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=slave, env=os.environ | {"TERM": "xterm"})
        drawn = []

        def read():
            try:
                while part := os.read(master, 65536):
                    if not drawn:
                        resize(40)
                    drawn.append(part.decode())
            except OSError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        self.assertEqual(process.wait(timeout=120), 0)
        os.close(slave)
        reader.join()
        os.close(master)
        bars = re.findall(r"\r([^\r\n\x1b]*)\x1b\[K", "".join(drawn[2:]))
        self.assertTrue(all(len(bar) < 40 for bar in bars), bars)


class Examples(Case):
    def commands(self, *words):
        text = run(*words).stdout
        self.assertIn("\nExamples:\n", text)
        examples = text.split("\nExamples:\n")[1].splitlines()
        commands = [line.strip() for line in examples if line.startswith("      ")]
        self.assertTrue(all(command.startswith("thaw ") for command in commands), commands)
        return commands

    def run_all(self, commands):
        """In a folder with the names of the examples; HOST is this machine."""
        tools = self.work / "bin"
        tools.mkdir()
        (tools / "thaw").symlink_to(support.THAW)
        (tools / "ssh").write_text('#!/bin/sh\nshift\nmkdir -p host && cd host && exec "$@"\n')
        (tools / "ssh").chmod(0o755)
        work = self.work / "models"
        shutil.copytree(self.model(), work / "Qwen2.5-7B-Instruct-AWQ")
        self.convert(self.model(), work / "Qwen2.5-7B-Instruct", "--quiet")
        (work / "jobs").mkdir()
        (work / "jobs" / "qwen.json").write_text(json.dumps(
            {"input": "../Qwen2.5-7B-Instruct-AWQ", "output": "../scheduled"}))
        for command in commands:
            with self.subTest(command):
                result = subprocess.run(
                    ["bash", "-e", "-o", "pipefail", "-c", command], cwd=work, text=True,
                    capture_output=True, timeout=120,
                    env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"})
                self.assertEqual(result.returncode, 0, result.stderr)
        return work

    def test_those_of_the_program_do_what_they_say(self):
        commands = self.commands("--help")
        self.assertEqual(len(commands), 5)
        work = self.run_all(commands)
        for name in ("Qwen2.5-7B-float", "OUT", "qwen.tar.zst", "scheduled", "jobs.log"):
            self.assertTrue((work / name).exists(), name)

    def test_those_of_convert_do_what_they_say(self):
        work = self.run_all(self.commands("convert", "--help"))
        made = ("Qwen2.5-7B-float", "OUT", "nightly", "checked", "host/Qwen2.5-7B-Instruct-AWQ")
        for name in made:
            self.assertTrue((work / name / "config.json").is_file(), name)
        self.assertTrue((work / "checked" / "SHA256SUMS").is_file())
        self.assertEqual(tree(work / "nightly"), tree(work / "host" / "Qwen2.5-7B-Instruct-AWQ"))

    def test_help_of_a_command_by_the_word(self):
        self.assertEqual(run("help", "convert").stdout, run("convert", "--help").stdout)
        self.assert_refused(run("help", "convrt"), 2, "Did you mean thaw convert?")

    def test_the_readme_shows_the_real_lines(self):
        readme = (ROOT / "README.md").read_text()
        self.assertIn(LINEAR, readme)
