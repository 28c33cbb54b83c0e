"""The columns of the csv files of figures that the page reads too, apart from how they are drawn."""

from nasperf360.tables.stored import COUNT, NUMBER, TEXT

CURVES = {
    **dict.fromkeys(("stage", "task", "method", "quantity"), TEXT),
    "step": COUNT,
    **dict.fromkeys(("hours", "mean", "low", "high"), NUMBER),
    "seeds": COUNT,
    "start": NUMBER,
}
COST = {
    **dict.fromkeys(("task", "method"), TEXT),
    **dict.fromkeys(("search_hours", "retrain_hours", "hours"), NUMBER),
    "device": TEXT,
    **dict.fromkeys(("error", "relative_error"), NUMBER),
}
