import os
import signal

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


def test_other_errors_and_the_end_pass(capsys):
    with pytest.raises(ValueError, match="wrong"), one_line_on_interrupt("all is whole"):
        raise ValueError("wrong")
    with pytest.raises(SystemExit) as stopped, one_line_on_interrupt("all is whole"):
        raise SystemExit("error: wrong")
    assert stopped.value.code == "error: wrong"
    with one_line_on_interrupt("all is whole"):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capsys.readouterr().err == ""


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
