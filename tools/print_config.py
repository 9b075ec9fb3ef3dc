"""A door to the command `print-config`; --help tells what it does."""

from yolo_plugins.commands.print_config import main

if __name__ == "__main__":
    main()
