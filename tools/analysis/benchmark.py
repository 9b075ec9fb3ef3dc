"""A door to the command `benchmark`; --help tells what it does."""

from yolo_plugins.commands.benchmark import main

if __name__ == "__main__":
    main()
