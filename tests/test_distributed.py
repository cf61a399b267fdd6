"""What surrounds the losses in several torch processes: failures, memories, training, masks, evaluation."""

import numpy as np
import pytest
from distributed_runs import found, need

from nearfar.distributed import gather_in_order

WORLDS = pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])


@pytest.fixture
def ran(tmp_path_factory, world):
    """What each process found."""
    need("torch")
    return found(tmp_path_factory, "torch_steps.py", world)


#: what the last process does -> what the others say, and what it says itself
FAILURES = {
    "width": ("of width 6 and int64 of width 1; float64 of width 4", None),
    "type": ("float32 of width 6", None),
    "masks": ("float64 of width 6 and int64 of width 1", None),
    "whole batch": ("float64 of width 6 and float64 of width 3", None),
    "labels": (None, "labels has shape"),
    "float labels": (None, "expected integers, bool or strings"),
    "option": (None, "mining 'hardest' is not known"),
    "before the loss": (None, "a file cannot be read"),
    "in the rows": (None, "a distance of my own is wrong"),
    "not finite": (None, "NaN or infinite in"),
}


@WORLDS
@pytest.mark.parametrize("name", FAILURES)
def test_what_one_process_cannot_do_is_an_error_on_all(ran, world, name):
    others, last = FAILURES[name]
    others = others or f"process {world - 1} refused its batch; its own error says what to change there."
    for rank, results in enumerate(ran):
        kind, text, next_error = results["failures"][name]
        assert kind in ("ValueError", "TypeError", "RuntimeError"), (kind, text)
        assert ((last or others) if rank == world - 1 else others) in text
        assert next_error < 1e-12, "the next loss is wrong"


@WORLDS
def test_memories_stay_the_same_on_all_processes(ran, world):
    for results in ran:
        assert results["memories"]["error"] < 1e-12
        assert results["memories"]["same"] and results["memories"]["filled"] == 40


@WORLDS
def test_training_with_proxies_gives_the_weights_of_one_process(ran, world):
    weights = [results["training"]["weights"] for results in ran]
    assert all(one == weights[0] for one in weights)
    assert all(results["training"]["error"] < 1e-10 for results in ran)
    assert len({results["training"]["batches"] for results in ran}) == 1


@WORLDS
@pytest.mark.parametrize("kind", ["labels", "tags", "views"])
def test_masks_have_a_column_for_every_row_of_all_processes(ran, world, kind):
    assert all(results["masks"][kind] for results in ran)


@WORLDS
def test_evaluation_has_each_row_once_and_in_order(ran, world):
    for results in ran:
        of = results["evaluation"]
        assert of["repeated"] == -103 % world, "the sampler was to repeat samples"
        assert of["right"] and of["wide"] and of["uneven"]


@WORLDS
def test_evaluation_refuses_wrong_parts_on_all_processes(ran, world):
    for rank, results in enumerate(ran):
        lengths, missing, strings = results["evaluation"]["said"]
        assert ("indices; expected one a row" if rank else "process 1 refused") in lengths
        assert "of 103 samples are on no process" in missing
        assert ("expected numbers" if rank else "process 1 refused") in strings


def test_one_process_gathers_without_others():
    order, table = gather_in_order([3, 1, 3, 0], np.array([[3.0], [1.0], [3.0], [0.0]]))
    assert order.tolist() == [0, 1, 3] and table[:, 0].tolist() == [0.0, 1.0, 3.0]
    assert [x.shape for x in gather_in_order([], np.zeros((0, 5)), size=0)] == [(0,), (0, 5)]
    with pytest.raises(ValueError, match=r"1 of 4 samples are on no process, e.g. 2"):
        gather_in_order([3, 1, 0], np.zeros(3), size=4)
    with pytest.raises(ValueError, match=r"from 0 to 5; expected 0 to 3"):
        gather_in_order([0, 1, 2, 3, 5], np.zeros(5), size=4)
    with pytest.raises(ValueError, match="came without tables"):
        gather_in_order([0])


@pytest.mark.parametrize("module", ["torch", "jax", "tensorflow"])
def test_tensors_come_back_as_numpy(module):
    need(module)
    from conftest import Framework

    x = Framework(module).tensor(np.arange(6, dtype=np.float32).reshape(3, 2))
    order, table = gather_in_order([2, 0, 1], x, size=3)
    assert isinstance(table, np.ndarray) and table[:, 0].tolist() == [2.0, 4.0, 0.0] and len(order) == 3


@pytest.mark.slow
def test_two_jax_processes_have_the_loss_of_one(tmp_path_factory):
    need("jax")
    for results in found(tmp_path_factory, "jax_processes.py", 2):
        assert len(results["losses"]) == 12
        for run, errors in results["losses"].items():
            assert len(errors) > 1 and max(errors.values()) < 1e-9, (run, errors)


@pytest.mark.slow
def test_two_jax_processes_gather_each_row_once(tmp_path_factory):
    need("jax")
    for rank, results in enumerate(found(tmp_path_factory, "jax_processes.py", 2)):
        of = results["evaluation"]
        assert of["right"] and of["sharded"]
        lengths, widths, missing = of["said"]
        assert ("indices; expected one a row" if rank else "process 1 refused its part") in lengths
        assert "expected one width and type" in widths and "1 of 12 samples are on no process" in missing


@pytest.mark.slow
def test_two_tensorflow_processes_have_the_loss_of_one(tmp_path_factory):
    need("tensorflow")
    for results in found(tmp_path_factory, "tensorflow_processes.py", 2):
        assert len(results) == 3
        for run, errors in results.items():
            assert len(errors) > 1 and max(errors.values()) < 1e-9, (run, errors)
