"""What is kept: database, ledger, journal, runs, checkpoints, and the home folder."""

from evolvent.storage.approvals import Approvals, Effects
from evolvent.storage.database import open_database
from evolvent.storage.home import Home
from evolvent.storage.journal import Journal, exchanges_of
from evolvent.storage.ledger import Ledger
from evolvent.storage.runs import Runs

__all__ = ["Approvals", "Effects", "Home", "Journal", "Ledger", "Runs", "exchanges_of", "open_database"]
