"""A door to the command `convert-weights`; --help tells what it does."""

from yolo_plugins.commands.convert_weights import main

if __name__ == "__main__":
    main()
