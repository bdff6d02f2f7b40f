"""What keeps the garbage collector from a gateway that is loaded."""

import json
import subprocess
import sys

SCRIPT = """
import gc, json
from gateway import garbage
kept = [[number] for number in range(1000)]
before = len(gc.get_objects())
garbage.settle()
print(json.dumps([before, len(gc.get_objects()), gc.get_freeze_count(), gc.get_threshold()]))
"""


def test_what_is_there_at_start_is_left_alone() -> None:
    """The collector never looks at it again, and looks less often at what comes later."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    before, after, frozen, threshold = json.loads(run.stdout)
    assert before > 1000 > after
    assert frozen > 1000
    assert 700 < threshold[0]
