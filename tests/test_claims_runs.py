"""Claims are trained, judged, killed and resumed as somebody at the command line does it."""

import json
import subprocess
import sys
import time

import pytest
from claims_reference import REFERENCE

from longlag.claims.support import stored
from longlag.claims.support.named import claims
from longlag.store.file import StoreError
from longlag.store.store import Store, store_path

pytestmark = pytest.mark.slow

OPPOSITES = {"holds": "fails", "fails": "holds"}


def command(folder, *numbers):
    return [sys.executable, "-m", "longlag", "claims", *numbers, "--results", str(folder)]


def judged(folder):
    """Return what a folder of results says of each rule."""
    return {(one["claim"], one["rule"]): one for one in stored.read(folder / "claims")}


def trials_in(folder):
    path = store_path("claim-01", folder / "claims")
    try:
        with Store.open_for_reading(path) as store:
            return len(store.stored())
    except StoreError:  # not there yet
        return 0


def test_a_claim_that_was_killed_and_resumed_has_the_verdicts_of_an_undisturbed_one(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(whole, "1"), check=True, capture_output=True)
    with subprocess.Popen(command(broken, "1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 240
        while trials_in(broken) < 3 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        process.kill()
    assert 0 < trials_in(broken) < trials_in(whole)
    assert not (broken / "claims" / "claims.json").exists()
    subprocess.run(command(broken, "1"), check=True, capture_output=True)
    assert json.dumps(judged(broken)[1, "b"]) == json.dumps(judged(whole)[1, "b"])
    assert judged(broken) == judged(whole)
    for path in (whole / "claims" / "rows").iterdir():
        assert (broken / "claims" / "rows" / path.name).read_bytes() == path.read_bytes()


def test_tier_10_decides_no_rule_against_the_reference(tmp_path):
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=True)
    here, there = judged(tmp_path), {(one["claim"], one["rule"]): one for one in stored.read(REFERENCE)}
    assert set(here) == {(claim.number(), rule.name) for claim in claims() for rule in claim.asked_in(10)}
    turned = [key for key, one in here.items() if there[key]["verdict"] == OPPOSITES.get(one["verdict"])]
    assert turned == []
    assert "not in this tier" in done.stdout
