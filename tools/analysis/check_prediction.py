"""A door to the command `check-prediction`; --help tells what it does."""

from yolo_plugins.commands.check_prediction import main

if __name__ == "__main__":
    main()
