"""A door to the command `demo`; --help tells what it does."""

from yolo_plugins.commands.demo import main

if __name__ == "__main__":
    main()
