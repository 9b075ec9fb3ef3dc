"""A door to the command `browse-dataset`; --help tells what it does."""

from yolo_plugins.commands.browse_dataset import main

if __name__ == "__main__":
    main()
