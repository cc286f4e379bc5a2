"""Learns nothing; improves by having a model change one file after an idea."""

import random
import re


def learn(attempts, ctx):
    """Return nothing to keep."""
    return


def improve(parent, history, ctx):
    """Return a file written anew by the model, after one of the ideas in `prompts/improve.md`."""
    with open("prompts/improve.md") as file:
        system, *ideas = [line.strip() for line in file if line.strip()]
    ideas = [line.split(": ", 1) for line in ideas if line.split(": ")[0] in parent["files"]]
    path, idea = random.Random(ctx.seed).choice(ideas)
    request = (
        f"The file {path}:\n```\n{parent['files'][path]}```\nChange it so that it does this too: {idea}."
    )
    messages = [{"role": "system", "content": system}, {"role": "user", "content": request}]
    reply = ctx.model.complete(messages, temperature=0.4, max_tokens=900, seed=ctx.seed)
    block = re.search(r"```\w*\n(.*)```", reply.text, re.DOTALL)
    if block is None:
        return None
    return {"hypothesis": f"{path}: {idea}", "edits": [{"path": path, "content": block[1]}]}
