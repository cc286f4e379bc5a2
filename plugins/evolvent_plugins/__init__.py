"""Built-in plugins: models, embedders, evaluators, suites and sandboxes."""
