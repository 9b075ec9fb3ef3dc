"""What happens in a child before the tool starts, by name: the state that a file cannot hold."""

import fcntl
import os
import signal


def no_jobs() -> None:
    """A study ends with status 0 where it would start its first job: its input has been accepted."""
    import submitit

    def started(*_: object, **__: object) -> None:
        print("a job would start")
        os._exit(os.EX_OK)

    submitit.Executor.submit = started


def killed_in_epoch_3() -> None:
    """Kills the training where its third epoch would begin, as `kill -9` does."""
    from mmengine.runner import EpochBasedTrainLoop

    run_epoch = EpochBasedTrainLoop.run_epoch

    def run(loop: EpochBasedTrainLoop) -> None:
        if loop.epoch == 2:
            os._exit(os.EX_OK)
        run_epoch(loop)

    EpochBasedTrainLoop.run_epoch = run


def locked_run() -> None:
    """Another process trains in the folder `run`, so it seems: it holds the lock, of either kind."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        held = os.open("run/.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.lockf(held, fcntl.LOCK_EX)
        os.write(writer, b"held")
        signal.pause()  # ended with its process group
    os.read(reader, 4)
