"""Exchange: other people's networks come in as runs, and tickets go out as files for other programs."""

from lthviz.ui import exchange, frame, where

frame.frame("Exchange")
where.arrive(where.EXCHANGE)
with frame.answering():
    exchange.show()
