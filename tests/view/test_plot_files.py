"""Plots of prune runs as files: the page's own, and one for several runs together."""

from __future__ import annotations

from pathlib import Path

from asap.view import open_run_folders, write_plots


def test_a_prune_run_has_the_plots_of_its_page(run: Path, tmp_path: Path, client: object) -> None:
    written, notes = write_plots(open_run_folders([str(run)]), tmp_path, "svg")
    assert notes == []
    plots = client.json("/api/runs/0/overview")["plots"]  # type: ignore[attr-defined]
    assert [path.name for path in written] == [f"{plot['name']}.svg" for plot in plots]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    for path, plot in zip(written, plots, strict=True):
        assert plot["title"] in path.read_text("utf-8")


def test_several_have_one_in_common(run: Path, tail: Path, tmp_path: Path) -> None:
    written, _ = write_plots(open_run_folders([str(run), f"last={tail}"]), tmp_path, "svg")
    names = [path.stem for path in written]
    assert names[0] == "tokens-after"
    assert len(set(names)) == len(names)
    assert {name.partition("-")[0] for name in names[1:]} == {"run", "last"}
    svg = written[0].read_text("utf-8")
    assert ">run</text>" in svg
    assert ">last</text>" in svg
