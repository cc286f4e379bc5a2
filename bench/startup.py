"""How long `import evolvent` and `evolvent --help` take, as whole processes; prints JSON."""

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python_ms": [sys.executable, "-c", "pass"],
    "import_ms": [sys.executable, "-c", "import evolvent"],
    "import_runtime_class_ms": [sys.executable, "-c", "from evolvent import Runtime"],
    "help_ms": [sys.executable, "-c", "from evolvent.cli import main; main()", "--help"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    seconds = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if number:
                seconds[name].append(time.perf_counter() - started)
    print(
        json.dumps(
            {name: round(1000 * statistics.median(found)) for name, found in seconds.items()}, indent=2
        )
    )


if __name__ == "__main__":
    main()
