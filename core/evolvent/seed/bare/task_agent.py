"""One prompt, one try."""

STYLES = {
    "plain": "",
    "short": " Reply with the final answer only, without any explanation.",
    "steps": " Think in short steps. Write the final answer alone on the last line.",
}


def solve(task, ctx):
    """Return the model's answer."""
    with open("prompts/answer.md") as file:
        system = file.read().strip() + STYLES[ctx.parameters["style"]]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": task["prompt"]}]
    reply = ctx.model.complete(
        messages,
        temperature=ctx.parameters["temperature"],
        max_tokens=ctx.parameters["max_tokens"],
        seed=ctx.seed,
    )
    lines = reply.text.strip().splitlines()
    return lines[-1].strip() if lines and ctx.parameters["taken"] == "last line" else reply.text.strip()
