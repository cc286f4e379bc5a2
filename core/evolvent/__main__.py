"""`python -m evolvent`: the command line, for where no script is installed."""

from evolvent.cli import main

if __name__ == "__main__":
    main()
