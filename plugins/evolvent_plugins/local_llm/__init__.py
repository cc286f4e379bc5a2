"""The embedded models: which there are, how they are fetched, and the chat model over llama.cpp."""
