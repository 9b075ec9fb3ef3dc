"""A door to the command `list-backbones`; --help tells what it does."""

from yolo_plugins.commands.list_backbones import main

if __name__ == "__main__":
    main()
