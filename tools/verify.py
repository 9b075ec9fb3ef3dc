"""A door to the command `verify`; --help tells what it does."""

from yolo_plugins.commands.verify import main

if __name__ == "__main__":
    main()
