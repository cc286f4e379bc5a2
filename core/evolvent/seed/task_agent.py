"""How to solve a task: try the skills that fit, else ask the model."""

import os

# Every attempt starts a new process: this program imports as little as it can.
with open(os.path.join(os.path.dirname(__file__), "prompts", "answer.md")) as file:
    SYSTEM = file.read().strip()


def solve(task, ctx):
    """Return the answer to one task, a JSON value.

    A skill that takes the question as its own answers without a model call. Skills look at the question
    themselves and decline what is not of their kind, so trying one costs little.
    """
    question = task["prompt"]
    if not ctx.feedback:
        for skill in ctx.skills.search(question, limit=ctx.parameters["skills_tried"]):
            if skill["callable"]:
                result = ctx.skills.run(skill["name"], question)
                if result["applicable"]:
                    return result["answer"]
    return ask_model(task, ctx)


def ask_model(task, ctx):
    """Ask the model directly, with what was learned from similar tasks."""
    chosen, system = ctx.parameters, SYSTEM
    for lesson in ctx.memory.search(task["prompt"], limit=chosen["lessons_shown"]):
        system += "\n" + lesson["text"]
    # At each try anew: what went wrong last may call for another skill than the question did.
    observed = "\n".join([task["prompt"], *ctx.feedback[-1:]])
    skills = ctx.skills.context(observed, tokens=chosen["skill_tokens"], callable=False)
    if skills["text"]:
        system += "\nThese skills may help:\n" + skills["text"]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question_text(task)}]
    for remark in ctx.feedback:
        messages.append({"role": "user", "content": remark})
    reply = ctx.model.complete(
        messages, temperature=chosen["answer_temperature"], max_tokens=chosen["answer_tokens"]
    )
    return reply.text.strip()


def question_text(task):
    """Return the prompt with its inputs, if it has any."""
    lines = [task["prompt"]]
    lines += [f"{name}: {value}" for name, value in task["inputs"].items()]
    return "\n".join(lines)
