"""The page of losses: what its tables say is in the tests and in the results."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nearfar import losses
from nearfar.losses.catalogue import entry

pytest.importorskip("torch")
DOCS = Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS))
losses_tables: Any = importlib.import_module("losses_tables")  # of the documentation, not of the package


@pytest.mark.slow
def test_the_page_is_what_would_be_written():
    found = subprocess.run(
        [sys.executable, DOCS / "make_losses.py", "--check"], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_loss_is_tested_for_value_slope_compilation_and_degenerate_batches():
    for name in losses.__all__:
        marks = losses_tables.tests_of(name)
        assert marks["loop"], name
        assert marks["slope"] in ("yes", "held constant"), name
        assert marks["compiled"] == marks["degenerate"] == "yes", name


def test_a_loss_without_the_test_has_no_mark(monkeypatch):
    assert losses_tables.tests_of("triplet_margin_loss")["any order"] == "yes"
    explicit = importlib.import_module("test_explicit").TestTripletMarginLoss
    monkeypatch.delattr(explicit, "test_value_does_not_depend_on_the_order")
    assert losses_tables.tests_of("triplet_margin_loss")["any order"] == ""
    assert losses_tables.tests_of("multiple_negatives_ranking_loss")["in blocks"] == "yes"
    assert losses_tables.tests_of("vicreg_loss")["in blocks"] == "dense"


def by_seed(*values):
    return {str(seed): {"precision_at_1": x, "map_at_r": x} for seed, x in enumerate(values)}


@pytest.fixture
def results(tmp_path, monkeypatch):
    def write(own, peer):
        runs = {
            "raw pixels": by_seed(0.5),
            "untrained": by_seed(0.25),
            "circle_loss": own,
            "peer:circle_loss": peer,
        }
        about = {
            "batch": [32, 4],
            "steps": 7,
            "width": 8,
            "queries": 9,
            "machine": "M",
            "python": "3",
            "date": "D",
        }
        about["versions"] = {"torch": "2"}
        path = tmp_path / "losses.json"
        path.write_text(json.dumps({"runs": runs, "about": about}))
        monkeypatch.setattr(losses_tables, "RESULTS", path)
        return losses_tables.trained([entry("circle")])

    return write


def test_cells_are_mean_and_standard_deviation_in_percent(results):
    text = results(by_seed(0.5, 0.52, 0.54), by_seed(0.53, 0.51, 0.49))
    assert "| raw pixels | 50.0 | 50.0 | | |" in text
    assert "| `circle_loss` | 52.0 ± 2.0 | 52.0 ± 2.0 | 51.0 ± 2.0 | 51.0 ± 2.0 |" in text
    assert "3 seeds" in text
    assert "No loss is over two standard deviations" in text


def test_a_loss_that_has_not_been_run_has_an_empty_row(results):
    assert "| `circle_loss` |  |  |  |  |" in results({}, {})


def test_a_difference_over_two_deviations_wants_a_reason(results, monkeypatch):
    far = by_seed(0.5, 0.52, 0.54), by_seed(0.6, 0.61, 0.62)
    monkeypatch.setattr(losses_tables, "WHY", {})
    with pytest.raises(ValueError, match="circle_loss is over two standard deviations"):
        results(*far)
    monkeypatch.setattr(losses_tables, "WHY", {"circle_loss": "another default."})
    assert "- `circle_loss`: another default." in results(*far)
