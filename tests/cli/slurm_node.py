"""A Slurm cluster of one node, started and stopped by process id: munged, slurmctld, slurmd."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")

CONFIG = """ClusterName=thaw
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Why no node can be started here; empty when one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return "there is no " + ", ".join(missing)
    return "" if os.geteuid() == 0 else "Slurm's daemons need root here"


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


class Node:
    """`folder` is short: it holds sockets."""

    def __init__(self, folder, processors):
        self.folder = pathlib.Path(folder)
        self.host = socket.gethostname().split(".")[0]
        self.daemons = []
        for name in ("ctld", "slurmd"):
            (self.folder / name).mkdir()
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 // 2
        (self.folder / "slurm.conf").write_text(CONFIG.format(
            host=self.host, port=free_port(), slurmd_port=free_port(), folder=self.folder,
            processors=processors, memory=memory))
        self.env = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        for path in (self.folder, key):
            shutil.chown(path, "munge", "munge")
        as_munge = ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups"]
        self.run_daemon([*as_munge, "munged", "--foreground", f"--key-file={key}",
                         f"--socket={self.folder}/munge.socket",
                         f"--pid-file={self.folder}/munged.pid",
                         f"--seed-file={self.folder}/munged.seed",
                         f"--log-file={self.folder}/munged.log"])
        self.wait_for(lambda: (self.folder / "munge.socket").exists(), "munged's socket")
        self.run_daemon(["slurmctld", "-D"])
        self.run_daemon(["slurmd", "-D", "-N", self.host, "-f", self.env["SLURM_CONF"]])
        self.wait_for(lambda: "idle" in self.call("sinfo", "-h", "-o", "%T"), "an idle node")

    def run_daemon(self, words):
        log = open(self.folder / "daemons.log", "ab")
        with log:
            self.daemons.append(subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL,
                                                 stdout=log, stderr=log))

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def call(self, *words, check=False):
        result = subprocess.run(list(map(str, words)), env=self.env, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=60, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"{words}: {result.stderr}")
        return result.stdout

    def wait_for(self, condition, what, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            ended = [daemon.args for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > end:
                logs = "".join(path.read_text(errors="replace")[-2000:]
                               for path in sorted(self.folder.glob("*.log")))
                raise RuntimeError(f"no {what}; ended: {ended}\n{logs}")
            time.sleep(0.2)

    def wait_for_jobs(self):
        self.wait_for(lambda: not self.call("squeue", "-h").strip(), "empty queue")
