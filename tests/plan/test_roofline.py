"""Times and memory of an accelerator, against hand-made cases in which one of both limits binds."""

from __future__ import annotations

from pathlib import Path

import pytest

from asap.errors import InputError
from asap.plan import (
    Gpu,
    Range,
    Reading,
    find_gpu,
    load_gpus,
    measure_memory,
    read_shape,
    reading_seconds,
)


def make_gpu(tflops: float = 1000, bandwidth_gb_s: float = 1e9, memory_gb: float = 80) -> Gpu:
    return Gpu(label="made up", tflops=tflops, bandwidth_gb_s=bandwidth_gb_s, memory_gb=memory_gb)


def test_where_bandwidth_is_no_limit_time_is_operations_over_the_peak() -> None:
    shape, reading = read_shape("7b"), Reading(0, 8192, 100)
    seconds = reading_seconds(shape, [reading], make_gpu(), 32_768)
    operations = shape.operations(reading)
    # 35, 50 and 60 % of 10^15 a second.
    assert seconds.low == pytest.approx(operations / 0.6e15)
    assert seconds.likely == pytest.approx(operations / 0.5e15)
    assert seconds.high == pytest.approx(operations / 0.35e15)


def test_one_token_alone_takes_as_long_as_its_weights_are_read() -> None:
    shape = read_shape("7b")
    gpu = make_gpu(tflops=1e9, bandwidth_gb_s=3000)
    seconds = reading_seconds(shape, [Reading(0, 1, 1)], gpu, 1)
    weights_s = 2 * (shape.layer_weights + shape.output_weights) / 3000e9
    # What goes in and out of a matrix, and keys and values, are next to nothing beside them.
    assert seconds.likely == pytest.approx(weights_s / 0.75, rel=0.01)
    assert seconds.low == pytest.approx(weights_s / 0.9, rel=0.01)


def test_a_full_batch_shares_its_weights() -> None:
    shape, gpu = read_shape("7b"), make_gpu(tflops=1e9, bandwidth_gb_s=3000)
    alone = reading_seconds(shape, [Reading(0, 64, 1)], gpu, 64).likely
    shared = reading_seconds(shape, [Reading(0, 64, 1)], gpu, 6400).likely
    assert shared < alone / 20


def test_the_paper_s_scorer_on_an_h100_reads_some_thirty_thousand_tokens_a_second() -> None:
    """989e12 x 50 % over 2 x 6.5e9 operations a token, attention and output at 8k aside."""
    gpu = load_gpus()["h100"]
    seconds = reading_seconds(read_shape("7b"), [Reading(0, 8192, 100)], gpu, 32_768)
    assert pytest.approx(37_900, rel=0.01) == 989e12 * 0.5 / (2 * 6.53e9)
    assert 33_000 < 8192 / seconds.likely < 37_900


def test_a_7b_scorer_fits_24_gb_and_a_14b_one_does_not() -> None:
    l4 = measure_memory(read_shape("7b"), 16_384, load_gpus()["l4"])
    assert l4.fits
    assert l4.weights_gb == pytest.approx(15.23, abs=0.01)
    # 0.9 x 24 GB less the weights and the output's 268 MB, at 135,168 bytes a token.
    assert l4.batch_tokens == min(32_768, int((21.6e9 - 15.2306e9 - 268.4e6) // 135_168))
    assert l4.kv_cache_gb == pytest.approx(16_384 * 57_344 / 1e9)
    # 65.5 GB of weights leave 72 less 65.5 and 0.27 GB for activations of 196,608 bytes a token.
    a100 = measure_memory(read_shape("32b"), 4096, load_gpus()["a100"])
    assert a100.batch_tokens == int((72e9 - 65.52551424e9 - 268.4e6) // 196_608)
    assert not measure_memory(read_shape("14b"), 4096, load_gpus()["l4"]).fits


def test_the_table_of_accelerators_can_be_added_to(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text("b1: {label: B, tflops: 2, bandwidth_gb_s: 3, memory_gb: 4}\n")
    gpus = load_gpus(path)
    assert set(gpus) == {"h100", "h200", "a100", "l4", "b1"}
    assert find_gpu("b1", gpus)[1] == Gpu(label="B", tflops=2, bandwidth_gb_s=3, memory_gb=4)
    assert find_gpu("cpu", gpus) == ("cpu", None)
    with pytest.raises(InputError, match="no accelerator 'b2'"):
        find_gpu("b2", gpus)
    path.write_text("b1: {label: B, tflops: 0, bandwidth_gb_s: 3, memory_gb: 4}\n")
    with pytest.raises(InputError, match="no table of accelerators"):
        load_gpus(path)
    with pytest.raises(InputError, match="cannot read"):
        load_gpus(tmp_path / "none.yaml")


def test_ranges_multiply_and_add_end_by_end() -> None:
    one, other = Range(1, 2, 3), Range(10, 20, 40)
    assert one.times(other) == Range(10, 40, 120)
    assert one.times(2) == Range(2, 4, 6)
    assert one.plus(other) == Range(11, 22, 43)
    assert one.holds(1)
    assert not one.holds(3.01)
