"""Learns nothing; improves by showing a model one file and two failures."""

import random
import re


def learn(attempts, ctx):
    """Return nothing to keep."""
    return


def improve(parent, history, ctx):
    """Return a file written anew by the model."""
    path = random.Random(ctx.seed).choice(
        ["prompts/answer.md", "task_agent.py", "prompts/answer.md", "meta_agent.py"]
    )
    with open("prompts/improve.md") as file:
        system = file.read().strip()
    failed = "\n\n".join(
        f"Question: {f['task']['prompt'][:500]}\nIts wrong answer: {str(f['answer'])[:300]}"
        for f in parent["failures"][:2]
    )
    request = f"The file {path}:\n```\n{parent['files'][path]}```\n\nIt got wrong:\n{failed}"
    messages = [{"role": "system", "content": system}, {"role": "user", "content": request}]
    reply = ctx.model.complete(messages, temperature=0.7, max_tokens=700, seed=ctx.seed)
    block = re.search(r"```\w*\n(.*?)```", reply.text, re.DOTALL)
    if block is None:
        return None
    return {
        "hypothesis": reply.text[: block.start()].strip()[:500],
        "edits": [{"path": path, "content": block[1]}],
    }
