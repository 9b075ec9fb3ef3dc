"""A door to the command `infer`; --help tells what it does."""

from yolo_plugins.commands.infer import main

if __name__ == "__main__":
    main()
