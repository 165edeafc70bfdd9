"""Looking at a notifier costs nothing: its SDK comes with the first one that is built."""

import subprocess
import sys


def test_importing_the_notifiers_loads_no_sdk():
    look = (
        "import sys, pipemend.notifiers.slack, pipemend.notifiers.jira; print(*{m.split('.')[0] for m in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()

    assert not {"slack_sdk", "aiohttp", "httpx"} & set(loaded)
