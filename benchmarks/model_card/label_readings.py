"""Test digits whose label a person doubts, by their row in data/test.csv.gz, counted from 0.

Northcutt, Athalye and Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks" (arXiv
2103.14749), had doubtful digits read by five people each. `LABEL_ERRORS` are the 15 of MNIST's test digits for which
fewer than three of the five confirmed the label, counted from the votes at github.com/cleanlab/label-errors.

`READINGS` is our own reading, by eye, of the digits that a network had misread or nearly so: what we would have written
on the label, or both digits where we could not tell. More readings may be added.
"""

LABEL_ERRORS = frozenset(
    {947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729},
)

READINGS = {
    659: "2 or 7",
    947: "9",
    1260: "1 or 7",
    1621: "0 or 6",
    1901: "4",
    2040: "5 or 6",
    2098: "0 or 2",
    2130: "4 or 9",
    2462: "0 or 2",
    2597: "3",
    2654: "1 or 6",
    3422: "0 or 6",
    3558: "0 or 5",
    3762: "6 or 8",
    4201: "1 or 7",
    4284: "5 or 9",
    4699: "1 or 6",
    4740: "3 or 5",
    4761: "4 or 9",
    4823: "4 or 9",
    5654: "2",
    5937: "3",
    6571: "7 or 9",
    6625: "unreadable",
    6651: "0 or 6",
    6783: "1 or 6",
    8316: "2",
    8527: "4 or 9",
    9679: "unreadable",
    9692: "7 or 9",
    9729: "6",
}
