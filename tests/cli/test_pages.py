"""Help, manual pages, completions and --describe say the same: specs/cli.md clause 8."""

import json
import os
import pathlib
import re
import subprocess

import support
from support import ROOT, Case, run

SHELLS = ("bash", "zsh", "fish")


def describe():
    result = run("--describe")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def tool(*words, **more):
    """Runs another program, with the thaw under test first on the PATH."""
    # A program of another name, such as a sanitizer's, is still `thaw`.
    path = f"{pathlib.Path(support.THAW).parent}:{os.environ['PATH']}"
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60,
                          check=False, stdin=subprocess.DEVNULL,
                          env=os.environ | {"PATH": path, "LC_ALL": "C"}, **more)


class Pages(Case):
    def page(self, name, *words):
        result = run(*words)
        self.assert_exit(result, 0)
        self.assertEqual(result.stderr, "")
        path = self.work / name
        path.write_text(result.stdout)
        return path


class Agreement(Pages):
    def test_help_shows_the_options_of_the_table_and_no_others(self):
        for command in describe()["commands"]:
            with self.subTest(command["name"]):
                text = run(command["name"], "--help").stdout
                table = text[text.rindex("Options:"):]
                shown = re.findall(r"^  (?:-(\w) \[ )?--([\w-]+)", table, re.MULTILINE)
                self.assertEqual(shown, [(option.get("letter", ""), option["name"])
                                         for option in command["options"]])
                self.assertIn(command["name"], run("--help").stdout)

    def test_every_option_is_parsed(self):
        # Twice is a mistake for each, which only an option that is known can be.
        for command in describe()["commands"]:
            for option in command["options"]:
                with self.subTest(f"{command['name']} --{option['name']}"):
                    word = "--" + option["name"] + ("=auto" if "value" in option else "")
                    result = run(command["name"], word, word)
                    self.assertEqual(result.returncode, 2, result.stderr)
                    self.assertIn("more than once", result.stderr)

    def test_manual_pages_have_the_options_of_the_table_and_no_others(self):
        described = describe()
        for command in [described] + described["commands"]:
            with self.subTest(command.get("name", "thaw")):
                page = self.page("page.1", "--man", *([command["name"]] if "name" in command
                                                      else []))
                text = page.read_text().replace("\\-", "-")
                text = text[text.index(".SH OPTIONS"):text.index('.SH "EXIT STATUS"')]
                shown = re.findall(r"^\.TP\n(?:\\fB-(\w)\\fR, )?\\fB--([\w-]+)\\fR(?: \\fI(.*)\\fR)?$",
                                   text, re.MULTILINE)
                self.assertEqual(shown, [(option.get("letter", ""), option["name"],
                                          option.get("value", ""))
                                         for option in command["options"]])
                self.assertEqual(text.count(".TP\n"), len(shown))

    def test_completions_have_the_options_of_the_table(self):
        texts = {shell: run("--completion", shell).stdout for shell in SHELLS}
        for command in describe()["commands"]:
            name = command["name"]
            options = [option["name"] for option in command["options"]]
            bash = re.search(rf"^    {name}\)\n.*\n      options='(.*)'", texts["bash"], re.MULTILINE)
            self.assertEqual(re.findall(r"--([\w-]+)", bash[1]), options)
            zsh = re.search(rf"^    {name}\)\n(.*?);;", texts["zsh"], re.MULTILINE | re.DOTALL)
            self.assertEqual(re.findall(r"^ +'--([\w-]+)", zsh[1], re.MULTILINE), options)
            fish = re.findall(rf"^complete -c thaw -n '__fish_seen_subcommand_from {name}' -l (\S+)",
                              texts["fish"], re.MULTILINE)
            self.assertEqual(fish, options)

    def test_choices_are_the_words_that_the_parser_takes(self):
        tried = 0
        for command in describe()["commands"]:
            for option in command["options"]:
                if "choices" not in option:
                    continue
                with self.subTest(f"{command['name']} --{option['name']}"):
                    names = ["a", "b"][:2 if command["name"] in ("convert", "compare") else 1]
                    result = run(command["name"], *names, f"--{option['name']}=nothing")
                    self.assertEqual(result.returncode, 2, result.stderr)
                    told = re.search(r"expected (?:one of )?(.*)", result.stderr)[1]
                    taken = set(re.split(r", | or ", told))
                    if option["name"] == "isa":
                        self.assertLessEqual(taken, set(option["choices"]))
                    else:
                        self.assertEqual(taken, set(option["choices"]))
                    tried += 1
        self.assertGreaterEqual(tried, 12)

    def test_exit_codes_are_those_of_the_specification(self):
        rows = re.findall(r"^\| (\d+) \| *(\w*) *\|", (ROOT / "specs" / "errors.md").read_text(),
                          re.MULTILINE)
        self.assertEqual([(int(code), name or "done") for code, name in rows],
                         [(row["code"], row["name"]) for row in describe()["exit_codes"]])

    def test_every_command_has_an_installed_page(self):
        listed = re.search(r"ITEMS (.*)\)", (ROOT / "apps" / "pages.cmake").read_text())[1].split()
        self.assertEqual(listed, [command["name"] for command in describe()["commands"]])


class Manual(Pages):
    def test_man_and_mandoc_have_no_complaint(self):
        for name in [""] + [command["name"] for command in describe()["commands"]]:
            with self.subTest(name or "thaw"):
                title = "-".join(filter(None, ("thaw", name)))
                page = self.page(title + ".1", "--man", *([name] if name else []))
                lint = tool("mandoc", "-T", "lint", "-W", "warning", page)
                self.assertEqual((lint.returncode, lint.stdout), (0, ""))
                shown = tool("man", "-l", "--warnings", page)
                self.assertEqual((shown.returncode, shown.stderr), (0, ""))
                self.assertIn("OPTIONS", shown.stdout)
                # What apropos and whatis find.
                self.assertIn(f'"{title} - ', tool("lexgrog", page).stdout)


class Completion(Pages):
    def offered(self, *words):
        """What bash offers for the last word."""
        script = self.page("thaw.bash", "--completion", "bash")
        code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _thaw; '
                'printf "%s\\n" "${COMPREPLY[@]}"')
        result = tool("bash", "-euc", code, "-", script, "thaw", *words, cwd=self.work)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.split()

    def test_shells_and_shellcheck_accept_them(self):
        for shell in SHELLS:
            script = self.page("thaw." + shell, "--completion", shell)
            result = tool(shell, "-n", script)
            self.assertEqual((result.returncode, result.stderr), (0, ""), shell)
        result = tool("shellcheck", "-s", "bash", self.work / "thaw.bash")
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_bash_offers_commands_options_and_choices(self):
        commands = [command["name"] for command in describe()["commands"]]
        rows = {
            ("",): commands,
            ("co",): ["convert", "compare"],
            ("--v",): ["--version"],
            ("convert", "--dt"): ["--dtype"],
            ("convert", "m", "o", "--dtype", ""): ["auto", "float16", "bfloat16", "float32"],
            ("convert", "--dtype", "=", "f"): ["float16", "float32"],
            ("convert", "--dtype", "="): ["auto", "float16", "bfloat16", "float32"],
            ("verify", "o", "--aga"): ["--against"],
            ("verify", "--to"): [],
            ("compare", "--memory", ""): [],
            ("--completion", ""): list(SHELLS),
            ("--man", "ins"): ["inspect"],
        }
        for words, expected in rows.items():
            with self.subTest(words):
                self.assertEqual(self.offered(*words), expected)

    def test_bash_offers_models_files_and_specs(self):
        (self.work / "models").mkdir()
        (self.work / "more.safetensors").touch()
        (self.work / "more.txt").touch()
        self.assertEqual(self.offered("convert", "mo"), ["models", "more.safetensors"])
        self.assertEqual(self.offered("convert", "a", "b", "--base", "mo"),
                         ["models", "more.safetensors"])
        self.assertEqual(self.offered("convert", "--report", "more"),
                         ["more.safetensors", "more.txt"])
        self.assertEqual(self.offered("run", "--state", "mo"), ["models"])
        self.assertEqual(self.offered("specs", "starcoder"), ["starcoder2"])
        self.assertEqual(self.offered("convert", "--spec", "starcoder"), ["starcoder2"])

    def test_fish_offers_commands_options_and_choices(self):
        script = self.page("thaw.fish", "--completion", "fish")
        rows = {
            "thaw co": ["compare", "convert"],
            "thaw convert --verif": ["--verify"],
            "thaw convert --dtype ": ["auto", "bfloat16", "float16", "float32"],
            "thaw specs starcoder": ["starcoder2"],
        }
        for line, expected in rows.items():
            with self.subTest(line):
                result = tool("fish", "--no-config", "-c",
                              f"source {script}; complete -C '{line}'", cwd=self.work)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertEqual([row.split("\t")[0] for row in result.stdout.splitlines()],
                                 expected)

    def test_zsh_gets_the_options_of_the_command(self):
        script = self.page("thaw.zsh", "--completion", "zsh")
        # zsh's own functions need a terminal: what they are asked is looked at instead.
        code = ("compdef() { : }; _arguments() { print -rl -- \"$@\" }; source $1; "
                "words=(thaw convert ''); CURRENT=3; _thaw")
        result = tool("zsh", "-fc", code, "-", script)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        specs = result.stdout.splitlines()
        self.assertIn("--dtype=[auto, float16, bfloat16 or float32; auto follows config.json]:TYPE:"
                      "(auto float16 bfloat16 float32)", specs)
        self.assertEqual(specs[-1], "*:name:_thaw_models")


class Words(Pages):
    def test_what_is_not_known_is_refused(self):
        rows = {
            "no shell": (["--completion"], "bash, zsh or fish"),
            "another shell": (["--completion", "csh"], "csh"),
            "another command": (["--man", "melt"], "melt"),
            "a word too many": (["--describe", "convert"], "convert"),
            "two shells": (["--completion", "bash", "zsh"], "zsh"),
        }
        for name, (words, fragment) in rows.items():
            with self.subTest(name):
                self.assert_refused(run(*words), 2, fragment)
