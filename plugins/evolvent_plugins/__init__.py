"""Built-in plugins: models, embedders, evaluators, suites, sandboxes, tools, MCP, metrics, policies, curricula, executors."""
