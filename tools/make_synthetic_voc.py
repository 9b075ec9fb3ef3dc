"""A door to the command `make-synthetic-voc`; --help tells what it does."""

from yolo_plugins.commands.make_synthetic_voc import main

if __name__ == "__main__":
    main()
