"""HumanEval as tasks: its problems, and its checks as cases."""
