import os
import subprocess
import sys

import pytest

from apparent import sessions
from apparent.cpus import usable_cpus
from apparent.model import EMBEDDED, store

ONE_OF_SEVERAL = """
import os
from apparent import sessions
from apparent.cpus import usable_cpus
from apparent.model import EMBEDDED, store

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
options = sessions.load(store.load(EMBEDDED.as_uri()).detector).get_session_options()
print(options.intra_op_num_threads, usable_cpus())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pins a process as Linux does")
def test_a_process_on_one_cpu_of_several_runs_one_thread_and_prints_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_OF_SEVERAL], capture_output=True, text=True, check=True
    )
    assert (done.stdout.split(), done.stderr) == (["1", "1"], "")


def test_as_many_threads_as_asked_for() -> None:
    detector = store.load(EMBEDDED.as_uri()).detector
    assert sessions.load(detector, 3).get_session_options().intra_op_num_threads == 3
    assert sessions.load(detector).get_session_options().intra_op_num_threads == (usable_cpus())
