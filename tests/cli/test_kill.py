"""The short version of tests/kill/run_kill.py."""

import subprocess
import sys

import support
from support import ROOT, Case


class Kill(Case):
    def test_killed_at_random_moments_nothing_is_lost(self):
        rounds = "12" if support.QUICK else "30"
        result = subprocess.run(
            [sys.executable, ROOT / "tests" / "kill" / "run_kill.py", "--thaw", support.THAW,
             "--make-checkpoint", support.MAKE_CHECKPOINT, "--rounds", rounds],
            capture_output=True, text=True, timeout=600)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
