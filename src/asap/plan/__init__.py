"""What a run will cost, said before it: tokens, LLM requests, time, memory, training."""

from asap.plan.check import Comparison, RunFacts, compare_forecast, read_facts
from asap.plan.estimate import Range, estimate_count, estimate_total, exactly
from asap.plan.forecast import Wishes, make_forecast
from asap.plan.prices import Price, load_prices
from asap.plan.record import (
    Forecast,
    LlmForecast,
    ScoringForecast,
    TimeForecast,
    TokenForecast,
    read_forecast,
)
from asap.plan.reply import GUESSES, History, read_history
from asap.plan.roofline import Gpu, Memory, find_gpu, load_gpus, measure_memory, reading_seconds
from asap.plan.sample import Sample, draw_sample
from asap.plan.shape import ModelShape, Reading, read_shape, shape_of
from asap.plan.training import TrainCost, TrainForecast, train_operations

__all__ = [
    "GUESSES",
    "Comparison",
    "Forecast",
    "Gpu",
    "History",
    "LlmForecast",
    "Memory",
    "ModelShape",
    "Price",
    "Range",
    "Reading",
    "RunFacts",
    "Sample",
    "ScoringForecast",
    "TimeForecast",
    "TokenForecast",
    "TrainCost",
    "TrainForecast",
    "Wishes",
    "compare_forecast",
    "draw_sample",
    "estimate_count",
    "estimate_total",
    "exactly",
    "find_gpu",
    "load_gpus",
    "load_prices",
    "make_forecast",
    "measure_memory",
    "read_facts",
    "read_forecast",
    "read_history",
    "read_shape",
    "reading_seconds",
    "shape_of",
    "train_operations",
]
