"""A door to the command `study`; --help tells what it does."""

from yolo_plugins.commands.study import main

if __name__ == "__main__":
    main()
