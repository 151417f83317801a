"""What a process that was told to end makes of the others' last words."""

import json
import socket
import subprocess
import sys

import pytest
from torch.distributed import HashStore

from lthviz.errors import PeerFailed, PeerLost
from lthviz.nn.peers import Peers


@pytest.fixture
def pair():
    """(rank 0 of two processes here, the process of rank 1)."""
    store = HashStore()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    store.set("process/1", json.dumps([socket.gethostname(), other.pid]))
    yield Peers(store, 0, 2), other
    other.kill()
    other.communicate()


def says(peers: Peers, kind: str, line: str) -> None:
    peers.store.compare_set("word", "", json.dumps({"rank": 1, "kind": kind, "line": line}))


def test_told_to_end_with_everybody_there_is_by_hand(pair):
    assert pair[0].stopped() is None


def test_who_was_told_to_end_a_moment_earlier_is_not_lost(pair):
    peers, other = pair
    says(peers, "stopped", "stopped by hand or by torchrun")
    other.kill()
    other.wait()
    assert peers.missing() == [1] and peers.stopped() is None


def test_who_ended_without_a_word_is_lost_and_who_failed_says_why(pair):
    peers, other = pair
    other.kill()
    other.wait()
    lost = peers.stopped()
    assert isinstance(lost, PeerLost) and "rank 1 of 2 has ended without a word" in str(lost)
    says(peers, "failed", "the images are not there")
    failed = peers.stopped()
    assert isinstance(failed, PeerFailed) and str(failed) == "rank 1: the images are not there"
