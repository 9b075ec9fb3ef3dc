"""A door to the command `export`; --help tells what it does."""

from yolo_plugins.commands.export import main

if __name__ == "__main__":
    main()
