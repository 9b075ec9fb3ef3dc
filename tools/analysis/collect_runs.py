"""A door to the command `collect-runs`; --help tells what it does."""

from yolo_plugins.commands.collect_runs import main

if __name__ == "__main__":
    main()
