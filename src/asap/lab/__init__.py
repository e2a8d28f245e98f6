"""The paper's experiment at one machine's size: a made-up language of small programs, traces with
labelled habits, every method's training data, students, tables. What it shows is what training does
given a ranking, not what real traces are like.
"""

from asap.lab.generation import Generation, generate_greedy
from asap.lab.grade import grade

__all__ = ["Generation", "generate_greedy", "grade"]
