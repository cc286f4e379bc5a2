"""`python -m bench`: every measurement in turn, as one JSON object. `--learning` adds the main job (minutes)."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

QUICK = ("startup", "kernel", "plugins", "sandbox_speed", "retrieval", "memory", "policies")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--learning", action="store_true", help="measure the main job too, twice with one seed"
    )
    wanted = [*QUICK, *(["learning"] if parser.parse_args().learning else [])]
    found = {}
    for name in wanted:
        print(f"measuring {name} …", file=sys.stderr)
        words = ["--repeat", "2"] if name == "learning" else []
        script = Path(__file__).with_name(f"{name}.py")
        done = subprocess.run(
            [sys.executable, str(script), *words], stdout=subprocess.PIPE, text=True, check=True
        )
        found[name] = json.loads(done.stdout)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
