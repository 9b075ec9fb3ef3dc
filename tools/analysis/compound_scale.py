"""A door to the command `compound-scale`; --help tells what it does."""

from yolo_plugins.commands.compound_scale import main

if __name__ == "__main__":
    main()
