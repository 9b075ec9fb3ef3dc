"""A door to the command `doctor`; --help tells what it does."""

from yolo_plugins.commands.doctor import main

if __name__ == "__main__":
    main()
