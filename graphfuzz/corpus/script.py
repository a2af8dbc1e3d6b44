"""How a reproduction script ends: it runs the check, in a process of its own where that may not survive, and exits."""

from __future__ import annotations

from graphfuzz.oracle.verdict import HANG, PROCESS_CRASH, Outcome

STARTUP_SECONDS = 60
"""What a script's own process may take for its imports, beyond the time that a case is allowed."""


_ENDING = """\
if __name__ == "__main__":
    try:
        failed = {failed}()
    except Exception:
        traceback.print_exc()
        print("SOMETHING ELSE went wrong")
        sys.exit(2)
    print("STILL FAILS: {verdict}" if failed else "FIXED: no {verdict}")
    sys.exit(1 if failed else 0)
"""

_HANGS = '''\
def hangs():
    """Whether a process of its own takes more than {seconds} seconds."""
    try:
        subprocess.run([sys.executable, __file__, "--once"], timeout={seconds}, check=True)
    except subprocess.TimeoutExpired:
        return True
    return False


'''

_DIES = '''\
def dies():
    """Whether a process of its own does not survive."""
    ended = subprocess.run([sys.executable, __file__, "--once"], timeout={seconds})
    if ended.returncode == 2:
        raise RuntimeError("a Python exception came before the end")
    return ended.returncode != 0


'''

_STARVES = '''\
def dies():
    """Whether a process of its own asks for more memory than it may have."""
    return subprocess.run([sys.executable, __file__, "--once"], timeout={seconds}).returncode != 0


def limit_memory():
    """Allow this process {gibibytes:g} GiB beyond what the imports took (Linux)."""
    with open("/proc/self/status") as status:
        used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + {memory},) * 2)


'''

_ONCE = """\
if __name__ == "__main__" and "--once" in sys.argv:
    try:
        {prepare}fails()
    except Exception:
        traceback.print_exc()
        sys.exit(2)
    sys.exit(0)

"""


def ending(outcome: Outcome, seconds: float, memory: int) -> str:
    """The script's last part, which runs its function `fails` and exits with 1, 0 or 2.

    seconds, memory (bytes): what the case may take, where the finding is that it takes more.
    """
    if not is_isolated(outcome):
        return _ENDING.format(failed="fails", verdict=outcome.verdict)
    starved = is_starved(outcome)
    template = _HANGS if outcome.verdict == HANG else _STARVES if starved else _DIES
    once = _ONCE.format(prepare="limit_memory()\n        " if starved else "")
    failed = "hangs" if outcome.verdict == HANG else "dies"
    last = _ENDING.format(failed=failed, verdict=outcome.verdict)
    waited = f"{seconds + STARTUP_SECONDS:g}"
    return template.format(seconds=waited, memory=memory, gibibytes=memory / 2**30) + once + last


def is_isolated(outcome: Outcome) -> bool:
    """Whether the check may take its process down."""
    return outcome.verdict in (HANG, PROCESS_CRASH)


def is_starved(outcome: Outcome) -> bool:
    """Whether the finding is that too much memory is asked for."""
    return outcome.verdict == PROCESS_CRASH and outcome.message.startswith("memory limit")
