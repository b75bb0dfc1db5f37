"""A first signal is a request to stop, and handlers are as before afterwards."""

import os
import signal
import threading

import pytest

from maquette.training.signals import (
    SIGNALS,
    Interrupted,
    StopFlag,
    Stopped,
    exit_code,
    handled,
    interruptible,
    stop_flag,
)


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_inside_the_block_request_a_stop_once(number, caplog):
    caplog.set_level("INFO", "maquette")

    def before(*arguments: object) -> None:
        """A handler of the process, which may have been started to ignore the signal."""

    original = signal.signal(number, before)
    try:
        with stop_flag() as flag:
            assert not flag.requested
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # within a second: the same request, delivered twice
            assert flag.requested and flag.number == number
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, original)
    assert caplog.text.count("this step ends, a checkpoint is written") == 1


def test_signals_while_a_checkpoint_is_saved_wait_for_it(caplog, monkeypatch):
    caplog.set_level("INFO", "maquette")
    monkeypatch.setattr("maquette.training.signals.SAME_REQUEST_SECONDS", -1.0)
    monkeypatch.setattr("os._exit", lambda code: pytest.fail("it ended within the checkpoint"))
    flag = StopFlag()
    flag.handle(signal.SIGTERM, None)
    with flag.saving():
        flag.handle(signal.SIGTERM, None)
    assert "the run ends after it" in caplog.text


def test_signals_that_the_process_ignores_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled([signal.SIGHUP], lambda number, frame: pytest.fail("it was to be ignored")):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_left_alone_outside_the_main_thread():
    flags = []

    def work() -> None:
        with stop_flag() as flag:
            flags.append((flag.requested, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert flags == [(False, before)]


def test_a_signal_where_no_step_runs_interrupts_with_its_exit_code():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(Interrupted) as caught, interruptible():
            with stop_flag() as flag:
                os.kill(os.getpid(), signal.SIGTERM)
                assert flag.requested  # the loop's handler comes first
            os.kill(os.getpid(), signal.SIGTERM)
        assert caught.value.exit_code == 143
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stopped_run_ends_with_128_and_the_number_of_its_signal(number):
    assert Stopped(number).code == exit_code(number) == 128 + number
