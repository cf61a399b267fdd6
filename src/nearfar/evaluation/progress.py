"""A bar for what takes minutes, or a caller's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "progress_bar"]

Progress = bool | Callable[[int, int], None]


@contextmanager
def progress_bar(progress: Progress, total: int, name: str) -> Iterator[Callable[[int], None]]:
    """A function to call with how many are done since the last call; it shows them as `progress` says.

    Args:
        progress: False for nothing, True for a tqdm bar where tqdm is installed, or a function of (done,
            total).
        total: how many there are in all.
        name: in front of the bar.
    """
    done = 0
    if callable(progress):

        def told(more: int) -> None:
            nonlocal done
            done += more
            progress(done, total)

        yield told
        return
    try:
        from tqdm import tqdm
    except ImportError:
        progress = False
    if not progress:
        yield lambda more: None
        return
    with tqdm(total=total, desc=name, disable=None) as bar:  # None: no bar where nobody looks on
        yield lambda more: (bar.update(more), None)[1]
