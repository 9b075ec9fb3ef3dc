"""A door to the command `download-voc`; --help tells what it does."""

from yolo_plugins.commands.download_voc import main

if __name__ == "__main__":
    main()
