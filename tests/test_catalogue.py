"""The catalogue says of every loss what its function says."""

import inspect
import json

import pytest

from nearfar import cli, losses
from nearfar.losses.catalogue import ORDER, entries, entry
from nearfar.losses.formulas import plain


def test_every_loss_has_an_entry_with_formula_paper_and_options():
    found = entries()
    assert {one.name for one in found} == set(losses.__all__)
    for one in found:
        assert one.family in ORDER
        assert one.formula, one.name
        assert "\\" not in one.plain_formula, one.name
        assert one.plain_formula.count("(") == one.plain_formula.count(")"), one.name
        assert one.title, one.name
        assert 1990 < one.year < 2030, one.name
        assert one.url.startswith("http"), one.name
        assert one.good_for, one.name
        for name, value in one.options.items():
            assert inspect.signature(getattr(losses, one.name)).parameters[name].default == value


def test_an_entry_is_what_the_function_says():
    one = entry("arcface")
    assert (one.name, one.family, one.year) == ("arcface_loss", "Proxies and classes", 2019)
    assert one.authors == "Deng, Guo, Xue, Zafeiriou"
    assert one.title == "ArcFace: Additive Angular Margin Loss for Deep Face Recognition"
    assert one.url == "https://arxiv.org/abs/1801.07698"
    assert one.inputs == ("embeddings", "labels")
    assert one.learnt == {"proxies": "(classes, d)"}
    assert one.options == {"margin": 0.5, "scale": 64.0, "reduction": "mean", "block": "auto"}
    assert one.good_for.startswith("faces")


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (
            r"\frac{1}{|P|} \sum_{(a,p) \in P} \max(0, d(a, p) - m_+)^2",
            "1/|P| Σ[(a,p) ∈ P] max(0, d(a, p) - m_+)²",
        ),
        (r"-\log \frac{e^{s z_i}}{e^{s z_i} + 1}", "-log(exp(s z_i)/(exp(s z_i) + 1))"),
        (r"\frac{1}{2N} \sum_i y_i", "1/(2N) Σ[i] y_i"),
        (r"a, \quad b = \sqrt{\mathrm{Var}(z^j) + \epsilon}", "a,   b = √(Var(z^j) + ε)"),
        (r"\left\| \frac{x}{\|x\|} \right\|^2", "‖ x/‖x‖ ‖²"),
        (r"\bar x_{y_a \setminus a} \cdot \theta_{ic}", "mean x_(y_a ∖ a) · θ_ic"),
    ],
)
def test_formulas_read_as_text(latex, text):
    assert plain(latex) == text


def test_the_command_lists_all(capsys):
    assert cli.main(["losses"]) == 0
    out = capsys.readouterr().out
    for name in losses.__all__:
        assert f"\n{name}\n" in out
    assert "good for" in out


def test_the_command_lists_a_family_a_line_each(capsys):
    assert cli.main(["losses", "--short", "--family", "Self-supervised"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Self-supervised"
    assert [line.split()[:2] for line in lines[2:]] == [
        ["barlow_twins_loss", "2021"],
        ["vicreg_loss", "2022"],
    ]


def test_the_command_gives_json(capsys):
    assert cli.main(["losses", "arcface", "supcon_loss", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found] == ["arcface_loss", "supcon_loss"]
    assert found[0]["options"]["margin"] == 0.5


def test_an_unknown_name_is_told(capsys):
    assert cli.main(["losses", "arcfce"]) == 2
    assert "did you mean arcface?" in capsys.readouterr().err
