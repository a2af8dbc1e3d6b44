import os
import signal

import pytest

from graphfuzz.cli.stopping import stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_a_second_one_interrupts(number):
    def before(number, frame):
        raise KeyboardInterrupt

    kept = signal.signal(number, before)
    try:
        with stoppable() as stopped:
            assert not stopped()
            os.kill(os.getpid(), number)
            assert stopped()
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) is before
        with stoppable() as stopped:
            assert not stopped()
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, kept)
