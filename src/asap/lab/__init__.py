"""The paper's experiment at one machine's size: a made-up language of small programs, traces with
labelled habits, every method's training data, students, tables. What it shows is what training does
given a ranking, not what real traces are like.
"""

__all__: list[str] = []
