"""An embedder without a model: hashed words. Fast and rough; `EVOLVENT_EMBEDDER=hashed-words`."""

import hashlib
import math

from evolvent import hookimpl


def make(settings):
    from langchain_core.embeddings import Embeddings

    class HashedWords(Embeddings):
        def embed_documents(self, texts):
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            vector = [0.0] * 256
            for word in text.lower().split() or ["nothing"]:
                vector[hashlib.blake2b(word.encode(), digest_size=1).digest()[0]] += 1.0
            length = math.hypot(*vector)
            return [value / length for value in vector]

    return HashedWords()


@hookimpl
def register_embedders(register):
    register("hashed-words", make)
