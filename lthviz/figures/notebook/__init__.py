"""Figures for a notebook, from one's own masks, scores, timings and stored runs: `lt.figures.…`. Each has a title, axes with units, and in
`fig.layout.meta` its caption and what is said of it aloud; unlike those on the app's pages they can be zoomed.
"""
