"""A door to the command `train`; --help tells what it does."""

from yolo_plugins.commands.train import main

if __name__ == "__main__":
    main()
