"""The files for schedulers: systemd's units are judged by systemd, the cron line is run, so is the
script for Slurm, by Slurm, and the Kubernetes Job by a schema and its command."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import slurm_node
import support
from support import ROOT, Case, tree


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


class Slurm(Case):
    def setUp(self):
        super().setUp()
        if support.QUICK:
            self.skipTest("what Slurm does is no matter of sanitizers and compilers")
        if reason := slurm_node.why_not():
            if os.environ.get("THAW_TEST_ALL"):
                self.fail(reason)
            self.skipTest(reason)
        # A path of a socket is at most 107 bytes.
        folder = tempfile.mkdtemp(prefix="slurm-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.node = slurm_node.Node(folder, processors=2)
        self.addCleanup(self.node.stop)
        self.node.start()

    def submit(self, array, *words):
        # One processor a task: two run at once.
        return self.node.call("sbatch", "--parsable", f"--array={array}", "--cpus-per-task=1",
                              "--output", self.work / "task-%a.log",
                              f"--export=ALL,THAW={support.THAW}",
                              ROOT / "tools" / "slurm" / "thaw.sbatch", *words, check=True)

    def test_an_array_makes_one_output(self):
        model = support.make_checkpoint(self.work / "model", "--layers", "4")
        options = ("--max-shard-size", "300kB")
        self.submit("3-6", model, self.work / "out", *options)
        self.node.wait_for_jobs()
        logs = "".join(path.read_text() for path in sorted(self.work.glob("task-*.log")))
        self.assertEqual(len(list(self.work.glob("task-*.log"))), 4, logs)
        self.assertTrue((self.work / "out").is_dir(), logs)
        self.convert(model, self.work / "single", *options)
        self.assertEqual(tree(self.work / "out"), tree(self.work / "single"))
        self.assertEqual([path.name for path in self.work.glob("out*")], ["out"])


class Kubernetes(Case):
    def setUp(self):
        super().setUp()
        try:
            import jsonschema
            import yaml
        except ImportError as error:
            self.skipTest(str(error))
        self.job = yaml.safe_load((ROOT / "tools" / "kubernetes" / "thaw-job.yaml").read_text())
        self.jsonschema = jsonschema

    def test_the_job_is_what_its_schema_says(self):
        schema = json.loads((ROOT / "tests" / "cli" / "kubernetes_job.schema.json").read_text())
        self.jsonschema.Draft7Validator.check_schema(schema)
        self.jsonschema.validate(self.job, schema)
        # A schema that accepts anything would prove nothing.
        for spoil in (lambda job: job["spec"].update(completionMode="indexed"),
                      lambda job: job["spec"].update(completion=8),
                      lambda job: job["spec"]["template"]["spec"].update(restartPolicy="Always"),
                      lambda job: job["spec"]["template"]["spec"]["containers"][0]["env"][0].update(
                          value=8)):
            spoiled = json.loads(json.dumps(self.job))
            spoil(spoiled)
            with self.assertRaises(self.jsonschema.ValidationError):
                self.jsonschema.validate(spoiled, schema)

    def test_its_command_runs_once_for_each_pod(self):
        spec = self.job["spec"]
        container = spec["template"]["spec"]["containers"][0]
        variables = {entry["name"]: entry["value"] for entry in container["env"]}
        self.assertEqual(spec["completions"], int(variables["PARTS"]))
        self.assertEqual(spec["completions"], spec["parallelism"])
        variables.update(MODEL=str(self.model()), OUT=str(self.work / "out"),
                         PATH=f"{pathlib.Path(support.THAW).parent}:/usr/bin:/bin")
        for index in [*range(spec["completions"]), 0]:
            result = subprocess.run(container["command"], capture_output=True, text=True,
                                    env=variables | {"JOB_COMPLETION_INDEX": str(index)},
                                    check=False)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.convert(self.model(), self.work / "single")
        self.assertEqual(tree(self.work / "out"), tree(self.work / "single"))

    def test_the_volumes_exist_and_the_limit_holds_the_budget(self):
        pod = self.job["spec"]["template"]["spec"]
        container = pod["containers"][0]
        self.assertEqual({mount["name"] for mount in container["volumeMounts"]},
                         {volume["name"] for volume in pod["volumes"]})
        budget = int(re.search(r"--memory (\d+)MB", container["command"][2])[1]) * 1_000_000
        limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * 2**20
        self.assertLess(budget, limit)
