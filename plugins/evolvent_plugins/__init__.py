"""Built-in plugins, each behind an entry point like anyone's; `evolvent plugins list` says what they bring."""
