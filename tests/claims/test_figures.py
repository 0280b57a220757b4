from ringscope.claims import figures
from ringscope.claims.figures import Figure
from ringscope.recording import Source


def test_every_figure_says_where_it_stands() -> None:
    stated = {name: value for name, value in vars(figures).items() if isinstance(value, Figure)}
    assert len(stated) > 20
    for name, figure in stated.items():
        assert figure.at.file.endswith(".md"), name
        assert 0 < figure.low <= figure.most, name


def test_a_figure_is_written_as_the_document_has_it() -> None:
    assert str(Figure(118.7, Source("note"))) == "118.7"
    assert str(Figure(30, Source("note"), 40)) == "30 to 40"
