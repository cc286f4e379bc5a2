"""What is kept: database, ledger, journal, runs, checkpoints, and the home folder."""

from evolvent.storage.approvals import Approvals, Effects
from evolvent.storage.database import open_database
from evolvent.storage.genomes import GenomeStore
from evolvent.storage.home import Home
from evolvent.storage.jobs import JobLost, JobQueue
from evolvent.storage.journal import Journal, exchanges_of
from evolvent.storage.ledger import Ledger
from evolvent.storage.runs import Runs
from evolvent.storage.sessions import Sessions
from evolvent.storage.tokens import Tokens, local_token
from evolvent.storage.trials import SkillTrials

__all__ = [
    "Approvals",
    "Effects",
    "GenomeStore",
    "Home",
    "JobLost",
    "JobQueue",
    "Journal",
    "Ledger",
    "Runs",
    "Sessions",
    "SkillTrials",
    "Tokens",
    "exchanges_of",
    "local_token",
    "open_database",
]
