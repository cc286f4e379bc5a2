"""Candidates a second of other evolution frameworks, with an instant model and a trivial evaluator; prints JSON.

    python -m bench.evolve_peers [--candidates 200] [--only openevolve gepa shinka]

OpenEvolve and ShinkaEvolve ask a server on loopback, in a process of its own, that answers in OpenAI's format at once
with a program that nobody proposed before; GEPA calls a function. Each runs with its defaults but for what would
ask a second model (embeddings, summaries), with two workers where it has workers, in an empty folder. A framework
that is not installed is skipped and named. None of them isolates a candidate: the evaluators here only import it.

The first and the last tenth say whether it slows down as its archive grows.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROGRAM = "# EVOLVE-BLOCK-START\ndef solve():\n    return {}\n# EVOLVE-BLOCK-END\n"
EVALUATOR = """import importlib.util, json, pathlib, sys, time

def evaluate(path, *_):
    spec = importlib.util.spec_from_file_location("program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with open({log!r}, "a") as file:
        file.write(f"{{time.time():.6f}} {{module.solve()}}\\n")
    return {{"combined_score": min(1.0, module.solve() / 1e6)}}

if __name__ == "__main__":
    given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    folder = pathlib.Path(given["--results_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    found = evaluate(given["--program_path"])
    (folder / "metrics.json").write_text(json.dumps({{**found, "public": {{}}, "private": {{}}}}))
    (folder / "correct.json").write_text(json.dumps({{"correct": True, "error": None}}))
"""


class Answers(BaseHTTPRequestHandler):
    """A chat endpoint that rewrites the program at once, each time differently."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count(1)

    def do_POST(self):
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        text = (
            f"<NAME>\nnumber\n</NAME>\n<DESCRIPTION>\nanother number\n</DESCRIPTION>\n<CODE>\n```python\n"
            f"{PROGRAM.format(next(self.numbers))}```\n</CODE>\n"
        )
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        message = {"role": "assistant", "content": text}
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "instant",
            "usage": usage,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


def serve(port):
    """Serve on a free port, and say which."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    port.send(server.server_address[1])
    server.serve_forever()


@contextlib.contextmanager
def endpoint():
    """Yield the address of a chat endpoint in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.kill()
        process.join()


def openevolve(folder, log, candidates):
    """Run OpenEvolve."""
    from openevolve import OpenEvolve
    from openevolve.config import Config, LLMModelConfig

    with endpoint() as url:
        config = Config()
        config.max_iterations = candidates
        config.diff_based_evolution = False
        config.log_level = "ERROR"
        config.evaluator.cascade_evaluation = False
        config.evaluator.parallel_evaluations = 2
        model = LLMModelConfig(
            name="instant", api_base=url, api_key="none", weight=1.0, timeout=60, retries=1, retry_delay=1
        )
        config.llm.models, config.llm.evaluator_models = [model], [model]
        run = OpenEvolve(
            str(folder / "initial.py"), str(folder / "evaluate.py"), config, output_dir=str(folder / "out")
        )
        asyncio.run(run.run(iterations=candidates))


def gepa(folder, log, candidates):
    """Run GEPA, with a run directory."""
    from gepa import EvaluationBatch, optimize

    class Adapter:
        propose_new_texts = None

        def evaluate(self, batch, candidate, capture_traces=False):
            namespace = {}
            exec(candidate["program"], namespace)
            score = min(1.0, namespace["solve"]() / 1e6)
            with log.open("a") as file:
                file.write(f"{time.time():.6f} {namespace['solve']()}\n")
            traces = [{}] * len(batch) if capture_traces else None
            return EvaluationBatch([0] * len(batch), [score] * len(batch), traces)

        def make_reflective_dataset(self, candidate, batch, components):
            return {
                name: [{"Inputs": "1", "Generated Outputs": "0", "Feedback": "more"}] for name in components
            }

    numbers = itertools.count(1)
    optimize(
        seed_candidate={"program": PROGRAM.format(0)},
        trainset=[1],
        valset=[1],
        adapter=Adapter(),
        reflection_lm=lambda prompt: f"```\n{PROGRAM.format(next(numbers))}```",
        reflection_minibatch_size=1,
        max_metric_calls=3 * candidates,  # parent, child, child on the validation set
        run_dir=str(folder / "out"),
        skip_perfect_score=False,
    )


def shinka(folder, log, candidates):
    """Run ShinkaEvolve."""
    from shinka.core import EvolutionConfig, ShinkaEvolveRunner
    from shinka.database import DatabaseConfig
    from shinka.launch import LocalJobConfig

    with endpoint() as url:
        ShinkaEvolveRunner(
            EvolutionConfig(
                num_generations=candidates,
                patch_types=["full"],
                patch_type_probs=[1.0],
                llm_models=[f"local/instant@{url}"],
                llm_dynamic_selection=None,
                meta_rec_interval=None,
                embedding_model=None,
                init_program_path=str(folder / "initial.py"),
                results_dir=str(folder / "out"),
            ),
            LocalJobConfig(eval_program_path=str(folder / "evaluate.py"), numeric_threads_per_job=1),
            DatabaseConfig(db_path="evolution.db"),
            banner_style="minimal",
            verbose=False,
            max_evaluation_jobs=2,
            max_proposal_jobs=2,
        ).run()


PEERS = {"openevolve": openevolve, "gepa": gepa, "shinka": shinka}
PACKAGES = {"shinka": "shinka-evolve"}


def measured(name, candidates):
    """Return the figures of a peer."""
    try:
        found = {"version": version(PACKAGES.get(name, name))}
    except PackageNotFoundError:
        return {"skipped": f"not installed: pip install {PACKAGES.get(name, name)}"}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        log = folder / "evaluated"
        (folder / "initial.py").write_text(PROGRAM.format(0))
        (folder / "evaluate.py").write_text(EVALUATOR.format(log=str(log)))
        os.chdir(folder)
        PEERS[name](folder, log, candidates)
        os.chdir("/")
        seen = {}
        for line in log.read_text().splitlines():
            at, number = line.split()
            seen.setdefault(number, float(at))  # a program may be evaluated several times
    times = sorted(seen.values())
    tenth = max(1, len(times) // 10)
    return {
        **found,
        "candidates": len(times) - 1,
        "candidates_per_second": (len(times) - 1) / (times[-1] - times[0]),
        "first_tenth_per_second": tenth / (times[tenth] - times[0]),
        "last_tenth_per_second": tenth / (times[-1] - times[-1 - tenth]),
    }


def main():
    """Measure each in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    given = parser.parse_args()
    found = {}
    for name in given.only:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=report, args=(theirs, name, given.candidates)
        )
        process.start()
        theirs.close()
        try:
            found[name] = ours.recv()
        except EOFError:
            found[name] = {"failed": "it ended without a result"}
        process.join()
    print(json.dumps(found, indent=2))


def report(pipe, name, candidates):
    """Send the figures of a peer, whatever it prints."""
    sys.stdout = sys.stderr
    try:
        found = measured(name, candidates)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"[:500]}
    pipe.send(found)


if __name__ == "__main__":
    main()
