import os
import signal
import subprocess
import sys

import pytest

from ganet_mm.engine.interruption import one_line_on_interrupt


@pytest.fixture(autouse=True)
def _own_handler():
    """Also where the tests' caller ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_one_line_and_status_130(capsys):
    cleaned = []
    with pytest.raises(SystemExit) as stopped, one_line_on_interrupt("all is whole"):
        try:
            press()
        finally:
            cleaned.append(True)
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted; all is whole\n"
    assert cleaned
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # the exit is not broken into


def test_an_error_made_of_the_interrupt_is_one(capsys):
    with pytest.raises(SystemExit) as stopped, one_line_on_interrupt("all is whole"):
        try:
            press()
        except KeyboardInterrupt as error:
            raise ImportError("half a module") from error
    assert stopped.value.code == 130
    assert "interrupted" in capsys.readouterr().err


def test_other_errors_pass(capsys):
    with pytest.raises(ValueError, match="wrong"), one_line_on_interrupt("all is whole"):
        raise ValueError("wrong")
    with pytest.raises(SystemExit) as stopped, one_line_on_interrupt("all is whole"):
        raise SystemExit("error: wrong")
    assert stopped.value.code == "error: wrong"
    assert capsys.readouterr().err == ""


EXITING = """
import os, signal
from ganet_mm.engine.interruption import one_line_on_interrupt

class Press:
    \"\"\"Deleted with its module, when the interpreter has given its signal handlers back.\"\"\"
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.SIGINT):
        kill(process, number)

press = Press()
with one_line_on_interrupt("all is whole"):
    print("done")
"""


def test_an_exit_is_not_broken_into():
    """The work is done, so its status is; torch takes a second to leave."""
    done = subprocess.run([sys.executable, "-c", EXITING], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with one_line_on_interrupt("all is whole"):
        press()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_leaves_it_to_its_parent():
    with one_line_on_interrupt("all is whole"):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                press()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
