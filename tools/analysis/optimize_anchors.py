"""A door to the command `optimize-anchors`; --help tells what it does."""

from yolo_plugins.commands.optimize_anchors import main

if __name__ == "__main__":
    main()
