"""The files for schedulers: systemd's units are judged by systemd, the cron line is run."""

import json
import pathlib
import re
import shutil
import subprocess

import support
from support import ROOT, Case


class Systemd(Case):
    def units(self):
        """The units with the program of this build, in a folder of their own."""
        for unit in (ROOT / "tools" / "systemd").iterdir():
            text = unit.read_text().replace("/usr/bin/thaw", support.THAW)
            (self.work / unit.name).write_text(text)
        return self.work / "thaw@.service"

    def test_systemd_accepts_the_units(self):
        self.units()
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", "./thaw@nightly.service",
                                 "./thaw@nightly.timer"], cwd=self.work, capture_output=True,
                                text=True, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_systemd_finds_little_exposed(self):
        self.units()
        result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=30",
                                 "./thaw@nightly.service"], cwd=self.work, capture_output=True,
                                text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout[-500:])

    def test_the_limit_is_the_budget(self):
        text = self.units().read_text()
        budget = int(re.search(r"^Environment=THAW_BUDGET=(\d+)MB$", text, re.MULTILINE)[1])
        limit = int(re.search(r"^MemoryMax=(\d+)$", text, re.MULTILINE)[1])
        self.assertEqual(limit, budget * 1_000_000)

    def test_the_command_of_the_service_runs(self):
        text = self.units().read_text().replace("\\\n", " ")
        command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1]
        jobs = self.work / "jobs"
        jobs.mkdir()
        (jobs / "one.json").write_text(json.dumps({"input": str(self.model()),
                                                   "output": "../out"}))
        for name, value in {"/etc/thaw/%i": jobs, "%i": "nightly", "${THAW_BUDGET}": "256MB",
                            "${STATE_DIRECTORY}": self.work,
                            "${LOGS_DIRECTORY}": self.work}.items():
            command = command.replace(name, str(value))
        self.assertEqual(subprocess.run(command.split(), check=False).returncode, 0)
        self.assertTrue((self.work / "out" / "config.json").exists())
        self.assertIn("run_ends", (self.work / "nightly.jsonl").read_text())
        self.assertIn('{job="one"} 0', (self.work / "thaw.prom").read_text())
        self.assertTrue((self.work / "one.state").exists())


class Cron(Case):
    def test_the_line_of_cron_runs(self):
        lines = [line for line in (ROOT / "tools" / "cron" / "thaw").read_text().splitlines()
                 if line and not line.startswith("#") and "=" not in line.split()[0]]
        self.assertEqual(len(lines), 1)
        minute, hour, *rest, user, command = lines[0].split(None, 6)
        self.assertEqual((int(minute), int(hour), rest, user), (0, 3, ["*"] * 3, "root"))
        jobs = self.work / "jobs"
        jobs.mkdir()
        (jobs / "one.json").write_text(json.dumps({"input": str(self.model()),
                                                   "output": "../out"}))
        command = command.replace("/etc/thaw/nightly", str(jobs))
        command = command.replace("/var/lib/thaw", str(self.work))
        command = command.replace("/var/log", str(self.work))
        path = f"{pathlib.Path(support.THAW).parent}:/usr/bin:/bin"
        result = subprocess.run([shutil.which("sh"), "-c", command], env={"PATH": path},
                                capture_output=True, text=True, check=False)
        # What it prints is mailed: nothing, when all is well.
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        self.assertTrue((self.work / "out" / "config.json").exists())
