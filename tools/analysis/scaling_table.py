"""A door to the command `scaling-table`; --help tells what it does."""

from yolo_plugins.commands.scaling_table import main

if __name__ == "__main__":
    main()
