"""The real command line on the real converters."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphfuzz.corpus.entry import entries, read_entry

ROOT = Path(__file__).parents[2]
SCRIPT = "torch-script-ort"


def graphfuzz(*arguments, cwd=ROOT, timeout=280):
    command = [sys.executable, "-m", "graphfuzz", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)


def start(*arguments):
    """A graphfuzz that heeds SIGINT, though a test run in the background of a shell does not."""
    command = [sys.executable, "-m", "graphfuzz", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_campaign_on_all_routes_ends_with_its_table_and_no_harness_error(tmp_path):
    done = graphfuzz("fuzz", "--cases", 4, "--nodes", 4, "--seed", 2, "--corpus", tmp_path / "corpus", "--profile")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for said in ("verdicts by route", "tf2onnx-ort", "torch-dynamo-ort", SCRIPT, "buckets", "0 harness errors"):
        assert said in done.stdout
    stored = entries([tmp_path / "corpus"]) if (tmp_path / "corpus").exists() else []
    for path in stored:
        assert str(path) in done.stdout
        assert read_entry(path).case.graph.nodes


def test_the_same_seed_gives_the_same_cases_verdicts_and_buckets(tmp_path):
    logs, buckets = [], []
    routes = [word for name in (SCRIPT, "tf2onnx-ort", "torch-dynamo-ort") for word in ("--route", name)]
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        options = (*routes, "--cases", 5, "--seed", 12, "--nodes", 5)
        done = graphfuzz("fuzz", *options, "--corpus", folder / "corpus", "--log", folder / "log")
        assert done.returncode == 0, done.stdout + done.stderr
        rows = [json.loads(row) for row in (folder / "log").read_text().splitlines()]
        logs.append([(row["case"], row["route"], row["verdict"], row["stage"]) for row in rows])
        buckets.append([(read_entry(p).slug, read_entry(p).case.graph) for p in entries([folder / "corpus"])])
    assert len(logs[0]) == 15
    assert logs[0] == logs[1]
    assert buckets[0] == buckets[1]
    assert buckets[0], "this seed is known to find something; was the converter mended?"


def test_killed_in_mid_campaign_every_stored_entry_still_loads(tmp_path):
    corpus = tmp_path / "corpus"
    for round_ in range(2):
        campaign = tmp_path / f"campaign{round_}"
        options = ("--seed", round_, "--corpus", corpus, "--campaign", campaign)
        running = start("fuzz", "--route", SCRIPT, "--nodes", 3, *options)
        try:
            before = _stored(corpus)
            deadline = time.monotonic() + 120
            while _stored(corpus) <= before and time.monotonic() < deadline and running.poll() is None:
                time.sleep(0.02)
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()
            running.stdout.close()
        for path in entries([corpus]):
            assert read_entry(path).repro
        told = json.loads(graphfuzz("status", campaign, "--json").stdout)
        assert (told["state"], told["health"]) == ("dead", None)
        assert told["cases"] > 0
    assert _stored(corpus) >= 2


def _stored(corpus):
    return len([p for p in corpus.iterdir() if not p.name.startswith(".")]) if corpus.exists() else 0


def test_interrupted_it_ends_with_the_table(tmp_path):
    folder = tmp_path / "campaign"
    running = start("fuzz", "--route", SCRIPT, "--seed", 1, "--corpus", tmp_path / "corpus", "--campaign", folder)
    seen = ""
    for line in running.stdout:
        seen += line
        if " executions (" in line:
            break
    told = json.loads(graphfuzz("status", folder, "--json").stdout)
    assert told["state"] == "running"
    assert told["health"]["workers"] in (2, 3)  # with the examiner, once it was needed
    os.kill(running.pid, signal.SIGINT)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 0, seen + rest
    assert "interrupted" in rest
    assert "verdicts by route" in rest
    assert "Traceback" not in rest
    done = graphfuzz("status", folder)
    assert "ended (interrupted)" in done.stdout, done.stdout + done.stderr
    assert 'graphfuzz_running{campaign="campaign"} 0' in (folder / "metrics.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fuzz", "--no-such-option"], "No such option"),
        (["fuzz", "--route", "no-such-route"], "there is no route 'no-such-route'; choose among"),
        (["fuzz", "--route", "json:dumps"], "is no Route"),
        (["fuzz", "--only", "no_such_operator"], "there is no operator 'no_such_operator'"),
        (["fuzz", "--tolerance", "nonsense"], "tolerance"),
        (["fuzz", "--lane", "patern=1"], "there is no lane 'patern'; did you mean 'pattern'"),
        (["fuzz", "--corpus", "/proc/corpus"], "cannot be written"),
        (["fuzz", "--log", "/proc/log"], "cannot be written"),
        (["fuzz", "--operators", "no/such/pack"], "no such pack"),
        (["no-such-command"], "No such command"),
        (["replay", "no/such/folder"], "there is no such folder"),
        (["show", "no/such/entry"], "no such"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, said):
    done = graphfuzz(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("1 +\n", "SyntaxError"),
        ("x = 1\n", "has no OPERATORS"),
        (
            "from graphfuzz.spec import unary\n"
            "OPERATORS = [unary('f', ('float33',), reference=abs, torch='abs({x})')]\n",
            "operator 'f', field 'dtypes'",
        ),
        (
            "from graphfuzz.spec import unary, FLOATS\nOPERATORS = [unary('f', FLOATS, reference=abs, torch='{y}')]\n",
            "operator 'f', field 'torch'",
        ),
        (
            "from graphfuzz.spec import unary, FLOATS\n"
            "OPERATORS = [unary('relu', FLOATS, reference=abs, torch='{x}')]\n",
            "operator 'relu', field 'name'",
        ),
    ],
    ids=["import", "syntax", "empty", "dtype", "template", "twice"],
)
def test_a_broken_pack_is_one_clear_line_that_names_the_field(tmp_path, text, said):
    pack = tmp_path / "some_pack.py"
    pack.write_text(text)
    done = graphfuzz("fuzz", "--operators", pack, "--cases", 1)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_pack_of_ones_own_is_fuzzed_like_ours(tmp_path):
    pack = tmp_path / "own_pack.py"
    pack.write_text(
        "from graphfuzz.spec import unary, FLOATS\n"
        "OPERATORS = [unary('my_relu', FLOATS, reference=lambda x: x * (x > 0), torch='torch.relu({x})')]\n"
    )
    done = graphfuzz(
        "fuzz", "--operators", pack, "--only", "my_relu", "--cases", 5, "--route", SCRIPT, "--corpus", tmp_path / "c"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 harness errors" in done.stdout


def test_a_wrong_spec_is_a_loud_harness_error_and_no_finding(tmp_path):
    pack = tmp_path / "wrong_pack.py"
    pack.write_text(
        "from graphfuzz.spec import unary, FLOATS\n"
        "OPERATORS = [unary('lies', FLOATS, reference=lambda x: x, torch='torch.relu({x}).reshape([-1])[[0] * 99]')]\n"
    )
    done = graphfuzz(
        *("fuzz", "--operators", pack, "--only", "lies", "--cases", 8, "--seed", 0),
        *("--route", SCRIPT, "--corpus", tmp_path / "corpus"),
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "HARNESS ERROR" in done.stdout
    assert "the source model made" in done.stdout
    assert "--first-case 0 --cases 1" in done.stdout
    assert not entries([tmp_path / "corpus"])
