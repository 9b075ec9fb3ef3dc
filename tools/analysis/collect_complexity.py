"""A door to the command `collect-complexity`; --help tells what it does."""

from yolo_plugins.commands.collect_complexity import main

if __name__ == "__main__":
    main()
