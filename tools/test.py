"""A door to the command `test`; --help tells what it does."""

from yolo_plugins.commands.test import main

if __name__ == "__main__":
    main()
