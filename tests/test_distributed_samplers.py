"""Samplers divided over processes: together they are the sampler of one process, whatever the data."""

import numpy as np
import pytest

from nearfar.samplers import ClassBalancedSampler

UNEVEN = np.repeat(np.arange(9), [1, 2, 3, 5, 8, 13, 21, 34, 55])
WORLDS = pytest.mark.parametrize("world", [2, 3, 4])


def samplers(world, per_rank=2, samples=3, labels=UNEVEN, **options):
    return [
        ClassBalancedSampler(labels, per_rank, samples, rank=rank, world_size=world, **options)
        for rank in range(world)
    ]


@WORLDS
@pytest.mark.filterwarnings("ignore:.*fewer than samples_per_class")
def test_ranks_together_are_one_process_with_all_their_classes(world):
    one = ClassBalancedSampler(UNEVEN, 2 * world, 3)
    for epoch in range(3):
        together = np.concatenate([s.plan(epoch) for s in samplers(world)], axis=1)
        assert np.array_equal(together, one.plan(epoch))  # nothing lost, nothing twice


@WORLDS
@pytest.mark.filterwarnings("ignore:.*fewer than samples_per_class")
def test_uneven_data_give_every_rank_as_many_batches_of_one_size(world):
    parts = samplers(world)
    assert len({len(s) for s in parts}) == 1
    for s in parts:
        batches = list(s)
        assert len(batches) == len(s) and {len(batch) for batch in batches} == {6}


@WORLDS
@pytest.mark.filterwarnings("ignore:.*fewer than samples_per_class")
def test_no_class_is_on_two_ranks_in_a_step(world):
    for step in zip(*samplers(world), strict=True):
        classes = [set(UNEVEN[rows]) for rows in step]
        assert sum(map(len, classes)) == len(set.union(*classes)) == 2 * world


@WORLDS
@pytest.mark.filterwarnings("ignore:.*fewer than samples_per_class")
def test_set_epoch_shuffles_all_ranks_alike_and_anew(world):
    first, again = samplers(world, seed=5), samplers(world, seed=5)
    for one, another in zip(first, again, strict=True):
        another.set_epoch(1)
        zero = np.stack(list(one))
        assert np.array_equal(
            np.stack(list(one)), np.stack(list(another))
        )  # epoch 1 by going on, and by name
        assert not np.array_equal(zero, one.plan(1))


def test_classes_of_all_ranks_must_be_there():
    with pytest.raises(
        ValueError, match="on each of 4 ranks but the labels have 9 classes; expected at most 2"
    ):
        samplers(4, per_rank=3)
