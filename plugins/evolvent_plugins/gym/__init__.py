"""What the reasoning-gym suite and its evaluator share.

The library itself runs in one helper process (`worker.py`), never in the host process: some of its
generators depend on the order of sets, so the helper has a fixed hash seed; some of its scorers can be made
to hang, so the helper can be killed; and it gets no secrets, for it parses text that guests wrote.
"""
