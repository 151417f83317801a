"""Pictures of what is stored: records in, plotly figures and PNGs out. Nothing here knows streamlit, torch or files.

Each figure `f` has twins, in its own file or in that of its words: `f_table` (the data, units in the column names), `f_alt` (what is said
aloud) and `f_caption`.
"""
