"""The seed's task agent: prose skills in the prompt, at each try those that fit what is seen then."""

from types import SimpleNamespace

from evolvent.evolution import parameter_values
from evolvent.graphs.genome import seed_genome


def load(tmp_path):
    for name, text in seed_genome().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    scope = {"__name__": "task_agent", "__file__": str(tmp_path / "task_agent.py")}
    exec(compile((tmp_path / "task_agent.py").read_text(), "task_agent.py", "exec"), scope)
    return scope


class Context:
    """Records what the model and the library are asked."""

    def __init__(self, text="", feedback=()):
        self.feedback, self.text = list(feedback), text
        self.parameters = parameter_values(seed_genome())
        self.asked, self.messages = [], []
        self.skills = SimpleNamespace(search=lambda question, limit: [], context=self.context)
        self.memory = SimpleNamespace(search=lambda question, limit: [])
        self.model = SimpleNamespace(complete=self.complete)

    def context(self, query, tokens, callable):
        self.asked.append((query, callable))
        return {"text": self.text, "skills": []}

    def complete(self, messages, **options):
        self.messages = messages
        return SimpleNamespace(text="answer")


TASK = {"prompt": "How high is it?", "inputs": {}}


def test_without_prose_skills_the_prompt_is_only_the_question(tmp_path):
    program, ctx = load(tmp_path), Context()
    assert program["solve"](TASK, ctx) == "answer"
    assert ctx.messages == [
        {"role": "system", "content": program["SYSTEM"]},
        {"role": "user", "content": "How high is it?"},
    ]


def test_prose_skills_are_looked_for_with_the_newest_remark(tmp_path):
    program, ctx = load(tmp_path), Context("- metres: Measures.\n", ["old remark", "new remark"])
    program["solve"](TASK, ctx)
    assert ctx.asked == [("How high is it?\nnew remark", False)]
    assert ctx.messages[0]["content"].endswith("These skills may help:\n- metres: Measures.\n")
