"""A door to the command `check-statistics`; --help tells what it does."""

from yolo_plugins.commands.check_statistics import main

if __name__ == "__main__":
    main()
