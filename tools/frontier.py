"""A door to the command `frontier`; --help tells what it does."""

from yolo_plugins.commands.frontier import main

if __name__ == "__main__":
    main()
