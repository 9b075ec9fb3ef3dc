"""A door to the command `recommend`; --help tells what it does."""

from yolo_plugins.commands.recommend import main

if __name__ == "__main__":
    main()
