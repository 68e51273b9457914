"""Where the program is."""

import os
import pathlib
import shutil
import sys


def program() -> str:
    """The path of the program: THAW_BINARY of the environment, the one that this package carries,
    or the one on the PATH."""
    named = os.environ.get("THAW_BINARY")
    if named:
        return named
    carried = pathlib.Path(__file__).parent / "bin" / "thaw"
    if carried.is_file():
        return str(carried)
    # The script `thaw` of a package without a program would call itself.
    found = shutil.which("thaw")
    if found is None:
        raise FileNotFoundError("the program thaw is neither in the package nor on the PATH")
    return found


def main() -> None:
    """The command `thaw` of the package: becomes the program."""
    carried = pathlib.Path(__file__).parent / "bin" / "thaw"
    os.execv(carried, [str(carried), *sys.argv[1:]])
