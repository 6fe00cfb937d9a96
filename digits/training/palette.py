"""The colours of every plot: Okabe and Ito's, which colour-blind people tell apart (jfly.uni-koeln.de/color)."""

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
